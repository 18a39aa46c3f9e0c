/** Picks the command. One file per command; each resolves to the exit code. */
import { ConfigurationError } from '../app/config/configuration-error.ts'
import { CERTS_HELP, certs } from './certs.ts'
import { CHECK_HELP, check } from './check.ts'
import { DOCTOR_HELP, doctor } from './doctor.ts'
import type { Environment } from './environment.ts'
import { FILTERS_HELP, filters } from './filters.ts'
import { help, helpOf } from './help.ts'
import { KUBECONFIG_HELP, kubeconfig } from './kubeconfig.ts'
import { ROUTES_HELP, routes } from './routes.ts'
import { serve } from './serve.ts'

interface Command {
  run(args: readonly string[], env: Environment): Promise<number>
  help(): string
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  serve: { run: serve, help: () => helpOf('serve') },
  check: { run: check, help: () => CHECK_HELP },
  certs: { run: certs, help: () => CERTS_HELP },
  kubeconfig: { run: kubeconfig, help: () => KUBECONFIG_HELP },
  filters: { run: filters, help: () => FILTERS_HELP },
  routes: { run: routes, help: () => ROUTES_HELP },
  doctor: { run: doctor, help: () => DOCTOR_HELP },
}
const MISCONFIGURED = 2

export async function runCommand(args: readonly string[], env: Environment): Promise<number> {
  const [name = 'help', ...rest] = args
  if (name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(help(Object.keys(COMMANDS)))
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) {
    process.stderr.write(`portico: unknown command ${JSON.stringify(name)}; try portico help\n`)
    return MISCONFIGURED
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(command.help())
    return 0
  }
  try {
    return await command.run(rest, env)
  } catch (e) {
    if (!(e instanceof ConfigurationError)) throw e
    process.stderr.write(`portico: ${e.message}\n`)
    return MISCONFIGURED
  }
}
