/** `portico routes`: who would serve a request, and why. */
import { ConfigurationError } from '../app/config/configuration-error.ts'
import type {
  ExplainedBackend,
  ExplainedRoute,
  ExplainedServer,
} from '../servers/aggregator/diagnosis/explain-backend.ts'
import { askedHeaders } from '../servers/generic/asked-headers.ts'
import type { RouteExplanation } from '../servers/generic/explain-route.ts'
import type { Environment } from './environment.ts'
import {
  CONNECTION_HELP,
  CONNECTION_OPTIONS,
  connectToServer,
  explainFailure,
  parseOptions,
} from './server-connection.ts'
import { textTable } from './text-table.ts'

export const ROUTES_HELP = `Usage: portico routes [METHOD] PATH [--as=<user>] [--as-group=<group> ...]
                     [--header='<name>: <value>' ...] [-o json] [--kubeconfig=<file>]

Asks a running server who would serve a request and why, and whether the user may make it. Nothing is served.
Exit code: 0 it would be served, 1 nobody serves it or the user may not, 2 the command cannot be run like this.
Routes of a BackendPolicy look at users, groups and headers, and weights at the user and the header User-Agent.
${CONNECTION_HELP}
`
const OPTIONS = {
  ...CONNECTION_OPTIONS,
  as: { type: 'string' },
  'as-group': { type: 'string', multiple: true },
  header: { type: 'string', multiple: true },
  output: { type: 'string', short: 'o' },
} as const
const NOBODY = 1
/** Verbs of Kubernetes, such as list, are not among them: they follow from method and path. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

type Explained = RouteExplanation & { readonly apiService?: ExplainedBackend }

/** @returns 1 where no server serves the request, the user may not, or the server cannot be asked. @throws ConfigurationError */
export async function routes(args: readonly string[], env: Environment): Promise<number> {
  const { values, positionals } = parseOptions({ args: [...args], options: OPTIONS, allowPositionals: true })
  const [method, path] = positionals.length === 1 ? ['GET', positionals[0]!] : positionals
  if (path === undefined || method === undefined || positionals.length > 2)
    throw new ConfigurationError('routes needs a method and a path, such as: portico routes GET /api/v1/namespaces')
  if (values.output !== undefined && values.output !== 'json') throw new ConfigurationError('--output: must be json')
  const query = queryOf(method, path, values)
  await using server = connectToServer({ kubeconfig: values.kubeconfig, dataDir: values['data-dir'] }, env)
  try {
    const explained = (await server.client.call('GET', `/debug/routes?${query.toString()}`)) as Explained
    process.stdout.write(values.output === 'json' ? `${JSON.stringify(explained, null, 2)}\n` : render(explained))
    const isServed = explained.delegate !== undefined && explained.refusedWith === undefined
    return isServed && explained.access.decision === 'allow' ? 0 : NOBODY
  } catch (e) {
    process.stderr.write(`portico: ${explainFailure(server.url, e)}\n`)
    return NOBODY
  }
}

/** @throws ConfigurationError for what the server would refuse. */
function queryOf(
  method: string,
  path: string,
  o: { as?: string | undefined; 'as-group'?: string[] | undefined; header?: string[] | undefined },
): URLSearchParams {
  if (!METHODS.includes(method.toUpperCase()))
    throw new ConfigurationError(`${JSON.stringify(method)} is no method: one of ${METHODS.join(', ')}`)
  const query = new URLSearchParams({ method, path })
  const { as, 'as-group': groups = [], header: headers = [] } = o
  if (as === '') throw new ConfigurationError('--as: may not be empty')
  if (as === undefined && groups.length > 0) throw new ConfigurationError('--as-group: needs --as')
  try {
    askedHeaders(headers)
  } catch (e) {
    throw new ConfigurationError(`--header: ${(e as Error).message}`)
  }
  if (as !== undefined) query.set('as', as)
  for (const group of groups) query.append('as-group', group)
  for (const line of headers) query.append('header', line)
  return query
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
  if (a) rows.push(...backendRows(a))
  const allowed = access.decision === 'allow' ? 'may' : 'may not'
  rows.push(['access', `${access.user} ${allowed}${access.reason === '' ? '' : `: ${access.reason}`}`])
  return textTable(rows)
}

function backendRows(a: ExplainedBackend): [string, string][] {
  const named = a.backend === undefined ? '' : `backend ${a.backend}, `
  const rows: [string, string][] = [['APIService', `${a.name}: ${named}${stateOf(a)}`]]
  if (a.endpoints) rows.push(['endpoints', a.endpoints.join(', ')])
  if (a.endpoints && a.refused) rows.push(['not used', a.refused.join('; ')])
  if (a.problem !== undefined) rows.push(['endpoints', `none: ${a.problem}`])
  return a.route ? [...rows, ...routeRows(a.route)] : rows
}

function routeRows({ policy, index, because, insteadOf, client, shares = [] }: ExplainedRoute): [string, string][] {
  const of = policy === undefined ? '' : ` of BackendPolicy ${policy}`
  const rows: [string, string][] = [
    ['route', `${index === undefined ? 'spec.routes' : `spec.routes[${index}]`}${of}: ${because}`],
  ]
  for (const s of shares) rows.push(['weight', `${s.percent} %: ${s.backend}, ${stateOf(s)}`])
  if (client !== undefined) rows.push(['client', client])
  if (insteadOf !== undefined) rows.push(['instead of', `${insteadOf}, which is not available`])
  return rows
}

function stateOf({ target, available, obstacle }: ExplainedServer): string {
  if (available === undefined) return target
  return `${target}, ${available ? 'available' : 'not available'}${obstacle === undefined ? '' : `: ${obstacle}`}`
}
