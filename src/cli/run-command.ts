/** Picks the command. One file per command; each resolves to the exit code. */
import { ConfigurationError } from '../app/config/configuration-error.ts'
import { packageVersion } from '../app/run/build-info.ts'
import { suggestion } from '../app/config/suggestion.ts'
import { CERTS_HELP, certs } from './certs.ts'
import { CHECK_HELP, check } from './check.ts'
import { DOCTOR_HELP, doctor } from './doctor.ts'
import type { Environment } from './environment.ts'
import { FILTERS_HELP, filters } from './filters.ts'
import { help, helpOf } from './help.ts'
import { KUBECONFIG_HELP, kubeconfig } from './kubeconfig.ts'
import { ROUTES_HELP, routes } from './routes.ts'
import { serve } from './serve.ts'
import { KUBERNETES_MINOR } from '../servers/generic/version.ts'

interface Command {
  /** One line for the list of commands. */
  readonly about: string
  run(args: readonly string[], env: Environment): Promise<number>
  help(): string
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  serve: { about: 'Run the server.', run: serve, help: () => helpOf('serve') },
  check: { about: 'Check APIServices and BackendPolicies in files.', run: check, help: () => CHECK_HELP },
  certs: { about: 'Make a client certificate for a user.', run: certs, help: () => CERTS_HELP },
  kubeconfig: { about: 'Make a kubeconfig for a user.', run: kubeconfig, help: () => KUBECONFIG_HELP },
  filters: { about: 'List what a request passes, in its order.', run: filters, help: () => FILTERS_HELP },
  routes: { about: 'Say who would serve a request, and why.', run: routes, help: () => ROUTES_HELP },
  doctor: { about: 'Look at every APIService from all sides.', run: doctor, help: () => DOCTOR_HELP },
}
const MISCONFIGURED = 2

/** The versions of Portico, of Node and of the API that is served. */
const versionText = (): string =>
  `portico ${packageVersion()} (Kubernetes v1.${KUBERNETES_MINOR}, Node ${process.version})\n`

export async function runCommand(args: readonly string[], env: Environment): Promise<number> {
  const [name = 'help', ...rest] = args
  if (name === 'help' || name === '--help' || name === '-h') {
    const asked = name === 'help' ? rest[0] : undefined
    if (asked !== undefined && Object.hasOwn(COMMANDS, asked)) process.stdout.write(COMMANDS[asked]!.help())
    else process.stdout.write(help(COMMANDS))
    return 0
  }
  if (name === '--version' || name === 'version') {
    process.stdout.write(versionText())
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) {
    const near = suggestion(name, Object.keys(COMMANDS), '')
    process.stderr.write(`portico: unknown command ${JSON.stringify(name)}${near}; try portico --help\n`)
    return MISCONFIGURED
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(command.help())
    return 0
  }
  if (rest.includes('--version')) {
    process.stdout.write(versionText())
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
