/** Picks the command. One file per command; each resolves to the exit code. */
import { serve } from './serve.ts'
import { help, helpOf } from './help.ts'

export type Environment = Readonly<Record<string, string | undefined>>
type Command = (args: readonly string[], env: Environment) => Promise<number>

const COMMANDS: Record<string, Command> = { serve }

export async function runCommand(args: readonly string[], env: Environment): Promise<number> {
  const [name = 'help', ...rest] = args
  if (name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(help(Object.keys(COMMANDS)))
    return 0
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!command) {
    process.stderr.write(`portico: unknown command ${JSON.stringify(name)}; try portico help\n`)
    return 2
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(helpOf(name))
    return 0
  }
  return command(rest, env)
}
