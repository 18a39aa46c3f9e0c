/** What `portico routes` and `portico doctor` share: reaching a running server as a kubeconfig says. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { suggestion } from '../app/config/suggestion.ts'
import { ConfigurationError } from '../app/config/configuration-error.ts'
import { StatusError } from '../api/status-error.ts'
import { Client } from '../client/client.ts'
import { readKubeconfig } from '../client/kubeconfig.ts'
import { systemCode } from '../client/transport.ts'
import { systemClock } from '../lib/clock.ts'
import { noopLogger } from '../observability/logger.ts'
import { RemoteServer } from '../proxy/reach/remote-server.ts'
import type { Environment } from './environment.ts'

/** In help texts, after the options of the command itself. */
export const CONNECTION_HELP =
  '--kubeconfig names the server and the credentials; default $KUBECONFIG, else the kubeconfig in --data-dir (.portico).'
export const CONNECTION_OPTIONS = { kubeconfig: { type: 'string' }, 'data-dir': { type: 'string' } } as const

export interface ServerConnection extends AsyncDisposable {
  readonly url: string
  readonly client: Client
}

/** @throws ConfigurationError for a kubeconfig that cannot be used. */
export function connectToServer(
  o: { kubeconfig?: string | undefined; dataDir?: string | undefined },
  env: Environment,
): ServerConnection {
  const own = join(o.dataDir ?? '.portico', 'kubeconfig')
  const path = o.kubeconfig ?? (o.dataDir === undefined ? env['KUBECONFIG'] : undefined) ?? own
  if (!existsSync(path)) throw new ConfigurationError(`--kubeconfig: ${path} does not exist`)
  try {
    const server = new RemoteServer(readKubeconfig(path), { clock: systemClock, log: noopLogger })
    return {
      url: server.server,
      client: new Client(server.transport, { 'user-agent': 'portico' }),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  } catch (e) {
    throw new ConfigurationError(`--kubeconfig: ${(e as Error).message}`)
  }
}

/** Node's words, with the option that was likely meant. */
function textOf({ message, code }: Error & { code?: string }, known: readonly string[]): string {
  const [text = ''] = message.split('. ')
  if (code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') return text
  const name = /'--?([^'=]+)/.exec(message)?.[1] ?? ''
  return `unknown flag --${name}${suggestion(name, known)}`
}

/** @throws ConfigurationError for what is no option. */
export function parseOptions<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config)
  } catch (e) {
    throw new ConfigurationError(textOf(e as Error & { code?: string }, Object.keys(config.options ?? {})))
  }
}

/** What a server's refusal, or its absence, means to who called the command. */
export function explainFailure(url: string, e: unknown): string {
  if (e instanceof StatusError) return `${url}: ${e.message}`
  return `${url} cannot be reached: ${(e as Error).message || systemCode(e)}`
}
