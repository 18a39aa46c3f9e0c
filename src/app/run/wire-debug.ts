/**
 * What operators ask a running server: `/debug/routes`, `/debug/apiservices/<name>/diagnosis` and `.../impact`,
 * `/debug/delegates` and `/debug/delegates/<name>/diagnosis` of servers that are fronted.
 * Paths of no API: users outside system:masters need permission for them.
 */
import { impersonatedUser } from '../../access/impersonation/filter.ts'
import type { Authorizer } from '../../access/authorization/authorizer.ts'
import { encodeJson } from '../../api/codec/codec.ts'
import type { KubeObject, UserInfo } from '../../api/meta.ts'
import { badRequest, notFound, tooManyRequests } from '../../api/status-error.ts'
import type { Client } from '../../client/client.ts'
import type { HeaderView } from '../../http/exchange.ts'
import type { Handler } from '../../http/filter.ts'
import { ListView } from '../../http/header-list.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { TableEntry } from '../../servers/aggregator/registrations/apiservice-table.ts'
import type { Target } from '../../proxy/reach/target.ts'
import {
  diagnose,
  diagnoseServer,
  type DiagnosedBackend,
  type DiagnosisTarget,
} from '../../servers/aggregator/diagnosis/diagnosis.ts'
import { explainBackend } from '../../servers/aggregator/diagnosis/explain-backend.ts'
import { FrontedDelegate } from '../../servers/aggregator/fronted/fronted-delegate.ts'
import { askedHeaders } from '../../servers/generic/asked-headers.ts'
import type { Delegate } from '../../servers/generic/delegate.ts'
import { explainRoute } from '../../servers/generic/explain-route.ts'
import type { FixedPaths } from '../../servers/generic/fixed-paths.ts'
import type { Aggregator } from '../../servers/aggregator/assemble.ts'
import type { AppContext } from './app-context.ts'

export interface DebugParts {
  readonly fixed: FixedPaths
  readonly delegates: readonly Delegate[]
  readonly aggregator: Aggregator
  readonly client: Client
  readonly authorizer: Authorizer
  readonly version: () => object | undefined
}

const DIAGNOSIS_PATH = /^\/debug\/apiservices\/([^/]+)\/diagnosis$/
const DELEGATES = '/debug/delegates'
const DELEGATE_PATH = /^\/debug\/delegates\/([^/]+)\/diagnosis$/
const IMPACT_PATH = /^\/debug\/apiservices\/([^/]+)\/impact$/
/** Each holds connections to a backend for some seconds. */
const MAX_DIAGNOSES = 32

export function addDebugPaths(around: AppContext, o: DebugParts): void {
  o.fixed.exact('/debug/routes', { handler: (ctx) => routes(ctx, o), listed: false })
  let underWay = 0
  const limited = async (ctx: RequestContext, run: () => Promise<object>): Promise<void> => {
    if (underWay >= MAX_DIAGNOSES) throw tooManyRequests('too many diagnoses are under way', 5)
    underWay++
    try {
      answerJson(ctx, await run())
    } finally {
      underWay--
    }
  }
  o.fixed.prefix('/debug/apiservices/', async (ctx) => {
    const impact = o.aggregator.impact(IMPACT_PATH.exec(ctx.path)?.[1] ?? '')
    if (impact) return answerJson(ctx, impact)
    const name = DIAGNOSIS_PATH.exec(ctx.path)?.[1]
    const entry = [...o.aggregator.table.value.entries].find((e) => e.apiService.metadata.name === name)
    if (!entry) throw notFound({ group: 'apiregistration.k8s.io', resource: 'apiservices' }, name ?? '')
    const terminating = (): Promise<string[]> => terminatingNamespaces(o.client)
    await limited(ctx, () => diagnose(targetOf(entry, o.aggregator), { clock: around.clock, terminating }))
  })
  const fronted = o.delegates.filter((d) => d instanceof FrontedDelegate)
  o.fixed.exact(DELEGATES, {
    handler: (ctx) =>
      answerJson(
        ctx,
        fronted.map((d) => d.name),
      ),
    listed: false,
  })
  o.fixed.prefix(`${DELEGATES}/`, async (ctx) => {
    const name = DELEGATE_PATH.exec(ctx.path)?.[1]
    const delegate = fronted.find((d) => d.name === name)
    if (!delegate) throw notFound({ group: '', resource: 'delegates' }, name ?? '')
    await limited(ctx, () => diagnoseServer(delegate.diagnosed, delegate.isAnswering, { clock: around.clock }))
  })
}

function targetOf({ apiService, backend }: TableEntry, aggregator: Aggregator): DiagnosisTarget {
  const diagnosed = (target: Target, direct: Handler): DiagnosedBackend => ({
    text: target.text,
    addresses: () => target.addresses(),
    refused: () => target.refused,
    pathPrefix: target.pathPrefix,
    hasOpenApi: backend!.policy.openApi,
    transport: aggregator.transportTo({ direct }),
  })
  const fallback = backend?.targets.get(backend.policy.routing.fallback)
  return {
    apiService,
    available: backend?.available ?? true,
    backend: fallback && diagnosed(fallback, backend!.direct),
    remarks: backend ? aggregator.remarks(apiService) : [],
    routed: (backend?.routed ?? []).map(({ name, target, direct }) => ({ name, ...diagnosed(target, direct) })),
  }
}

async function routes(ctx: RequestContext, o: DebugParts): Promise<void> {
  const target = ctx.query.get('path')
  if (target === null) throw badRequest('path: is needed')
  const method = (ctx.query.get('method') ?? 'GET').toUpperCase()
  const user = userOf(ctx)
  const headers = headersOf(ctx)
  const { explanation, info } = await explainRoute({ method, target, user }, o)
  const entry =
    explanation.delegate === undefined ? undefined : o.aggregator.table.value.get(info.apiGroup, info.apiVersion)
  if (!entry || !info.isResourceRequest) return answerJson(ctx, explanation)
  const policy = o.aggregator.routingPolicyOf(entry.apiService)
  const apiService = explainBackend(entry, { info, user, exchange: { headers } }, policy)
  answerJson(ctx, { ...explanation, apiService })
}

/** The user that is asked about, with the groups that impersonation would give; the caller, where none is named. */
function userOf(ctx: RequestContext): UserInfo {
  const name = ctx.query.get('as')
  const groups = ctx.query.getAll('as-group')
  if (name) return impersonatedUser({ name, groups, uid: '', extra: new Map() })
  if (name === '' || groups.length > 0) throw badRequest('as: is needed with as-group, and may not be empty')
  return ctx.user!
}
function headersOf(ctx: RequestContext): HeaderView {
  try {
    return new ListView(askedHeaders(ctx.query.getAll('header')))
  } catch (e) {
    throw badRequest(`header: ${(e as Error).message}`)
  }
}

async function terminatingNamespaces(client: Client): Promise<string[]> {
  const { items } = await client.resource<KubeObject>({ group: '', version: 'v1', resource: 'namespaces' }).list()
  return items.filter((n) => n.metadata.deletionTimestamp !== undefined).map((n) => n.metadata.name!)
}

function answerJson(ctx: RequestContext, value: object): void {
  const body = Buffer.from(`${encodeJson(value)}\n`)
  ctx.answer(200, ['Content-Type', 'application/json', 'Content-Length', String(body.byteLength)], body)
}
