/** `portico routes`: who would serve a request, and why. */
import { ConfigurationError } from '../app/configuration-error.ts'
import type { RouteExplanation } from '../servers/generic/explain-route.ts'
import type { Environment } from './run-command.ts'
import {
  CONNECTION_HELP,
  CONNECTION_OPTIONS,
  connectToServer,
  explainFailure,
  parseOptions,
} from './server-connection.ts'
import { textTable } from './text-table.ts'

export const ROUTES_HELP = `Usage: portico routes [METHOD] PATH [--as=<user>] [--as-group=<group> ...] [-o json] [--kubeconfig=<file>]

Asks a running server who would serve a request and why, and whether the user may make it. Nothing is served.
${CONNECTION_HELP}
`
const OPTIONS = {
  ...CONNECTION_OPTIONS,
  as: { type: 'string' },
  'as-group': { type: 'string', multiple: true },
  output: { type: 'string', short: 'o' },
} as const
const NOBODY = 1

type Explained = RouteExplanation & {
  readonly apiService?: {
    readonly name: string
    readonly target: string
    readonly available?: boolean
    readonly endpoints?: readonly string[]
    readonly problem?: string
  }
}

/** @returns 1 where nobody serves it, or the server cannot be asked. @throws ConfigurationError */
export async function routes(args: readonly string[], env: Environment): Promise<number> {
  const { values, positionals } = parseOptions({ args: [...args], options: OPTIONS, allowPositionals: true })
  const [method, path] = positionals.length === 1 ? ['GET', positionals[0]!] : positionals
  if (path === undefined || method === undefined || positionals.length > 2)
    throw new ConfigurationError('routes needs a method and a path, such as: portico routes GET /api/v1/namespaces')
  if (values.output !== undefined && values.output !== 'json') throw new ConfigurationError('--output: must be json')
  const query = new URLSearchParams({ method, path })
  if (values.as !== undefined) query.set('as', values.as)
  for (const group of values['as-group'] ?? []) query.append('as-group', group)
  await using server = connectToServer({ kubeconfig: values.kubeconfig, dataDir: values['data-dir'] }, env)
  try {
    const explained = (await server.client.call('GET', `/debug/routes?${query.toString()}`)) as Explained
    process.stdout.write(values.output === 'json' ? `${JSON.stringify(explained, null, 2)}\n` : render(explained))
    return explained.delegate === undefined ? NOBODY : 0
  } catch (e) {
    process.stderr.write(`portico: ${explainFailure(server.url, e)}\n`)
    return NOBODY
  }
}

function render(e: Explained): string {
  const { resource: r, apiService: a, access } = e
  const rows: [string, string][] = [['request', `${e.method} ${e.path} (${e.verb})`]]
  if (r) {
    const name = [r.resource, r.subresource].filter((part) => part !== '').join('/')
    const group = r.group === '' ? r.version : `${r.group}/${r.version}`
    const place = r.namespace === '' ? '' : ` in namespace ${r.namespace}`
    rows.push(['resource', `${name} of ${group}${place}${r.name === '' ? '' : `, ${r.name}`}`])
  }
  rows.push(
    ['delegate', e.delegate ?? 'none'],
    ['owner', e.owner ?? '-'],
    ['because', e.reason],
    ['passed by', e.passed.length === 0 ? '-' : e.passed.join(', ')],
  )
  if (a) {
    const state = a.available === undefined ? '' : a.available ? ', available' : ', not available'
    rows.push(['APIService', `${a.name}: ${a.target}${state}`])
    if (a.endpoints) rows.push(['endpoints', a.endpoints.join(', ')])
    if (a.problem !== undefined) rows.push(['endpoints', `none: ${a.problem}`])
  }
  const allowed = access.decision === 'allow' ? 'may' : 'may not'
  rows.push(['access', `${access.user} ${allowed}${access.reason === '' ? '' : `: ${access.reason}`}`])
  return textTable(rows)
}
