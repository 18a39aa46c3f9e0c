/** The apiserver_request_* families: names, labels and buckets are kube-apiserver's. */
import type { Outcome } from '../../http/exchange.ts'
import type { Filter } from '../../http/filter.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { RequestInfo } from '../../http/request-info.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Counter, Histogram, MetricsRecorder } from '../../observability/metrics.ts'

const REQUEST = ['verb', 'group', 'version', 'resource', 'subresource', 'scope', 'component']
const DURATION_S = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const SLI_S = DURATION_S.slice(2)
const SIZES = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]
const MAX_SERIES = 4000
const CONNECT = new Set(['log', 'exec', 'portforward', 'attach', 'proxy'])
const METHODS = new Set(['POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'GET', 'HEAD'])
const MUTATING = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

type Labels = [
  verb: string,
  group: string,
  version: string,
  resource: string,
  subresource: string,
  scope: string,
  component: string,
]

export function requestMetricsFilter(metrics: MetricsRecorder, clock: Clock): Filter {
  const bind = bindings(metrics)
  const inflight = metrics.gauge({
    name: 'apiserver_current_inflight_requests',
    help: '[STABLE] Requests under way, by kind.',
    labels: ['request_kind'],
  })
  const longRunning = metrics.gauge({
    name: 'apiserver_longrunning_requests',
    help: '[STABLE] Long-running requests under way.',
    labels: REQUEST,
    maxSeries: MAX_SERIES,
  })
  const kinds = { mutating: inflight.with('mutating'), readOnly: inflight.with('readOnly') }

  function over(ctx: RequestContext, outcome: Outcome): void {
    const [bound, dryRun] = bind(ctx)
    const code = String(outcome.status === 0 ? 0 : outcome.status)
    bound.count(dryRun, code)
    const seconds = (clock.monotonicMs() - ctx.receivedMonotonicMs) / 1000
    bound.duration(dryRun, seconds, outcome.bytesOut)
  }
  return {
    name: 'latency',
    about: 'Counts each request when it is over, and the long-running ones while they last.',
    wrap: (next) => (ctx) => {
      if (ctx.longRunning) {
        // Whether a delegate serves it shows only once it is routed: the gauge is raised by the delegate that does.
        ctx.onServed = () => {
          const active = longRunning.with(...labelsOf(ctx))
          active.add(1)
          ctx.exchange.onFinish(() => active.add(-1))
        }
        ctx.exchange.onFinish((outcome) => over(ctx, outcome))
        return next(ctx)
      }
      const kind = MUTATING.has(ctx.exchange.method) ? kinds.mutating : kinds.readOnly
      kind.add(1)
      ctx.exchange.onFinish((outcome) => {
        kind.add(-1)
        over(ctx, outcome)
      })
      return next(ctx)
    },
  }
}

type RequestMetrics = {
  count(dryRun: string, code: string): void
  duration(dryRun: string, seconds: number, bytesOut: number): void
}

/** Looks up the series of a request once per label set. */
function bindings(metrics: MetricsRecorder): (ctx: RequestContext) => [RequestMetrics, string] {
  const total = metrics.counter({
    name: 'apiserver_request_total',
    help: '[STABLE] Requests by verb, dry run, group, version, resource, subresource, scope, component and code.',
    labels: ['verb', 'dry_run', ...REQUEST.slice(1), 'code'],
    maxSeries: MAX_SERIES,
  })
  const duration = metrics.histogram({
    name: 'apiserver_request_duration_seconds',
    help: '[STABLE] Time from receiving a request to the end of its answer, in seconds.',
    labels: ['verb', 'dry_run', ...REQUEST.slice(1)],
    buckets: DURATION_S,
    maxSeries: MAX_SERIES,
  })
  const sli = metrics.histogram({
    name: 'apiserver_request_sli_duration_seconds',
    help: '[ALPHA] Time of requests that count for the service level: neither watches nor dry runs, in seconds.',
    labels: REQUEST,
    buckets: SLI_S,
    maxSeries: MAX_SERIES,
  })
  const sizes = metrics.histogram({
    name: 'apiserver_response_sizes',
    help: '[STABLE] Bytes of answers to GET and LIST.',
    labels: REQUEST,
    buckets: SIZES,
    maxSeries: MAX_SERIES,
  })
  const make = (labels: Labels): RequestMetrics => {
    const [verb, ...rest] = labels
    const codes = new Map<string, Counter>()
    const durations = new Map<string, Histogram>()
    const sliSeries = verb === 'WATCH' ? undefined : sli.with(...labels)
    const sizeSeries = verb === 'GET' || verb === 'LIST' ? sizes.with(...labels) : undefined
    return {
      count: (dryRun, code) => cached(codes, `${dryRun} ${code}`, () => total.with(verb, dryRun, ...rest, code)).inc(),
      duration: (dryRun, seconds, bytesOut) => {
        cached(durations, dryRun, () => duration.with(verb, dryRun, ...rest)).observe(seconds)
        if (dryRun === '') sliSeries?.observe(seconds)
        sizeSeries?.observe(bytesOut)
      },
    }
  }
  const known = new Map<string, RequestMetrics>()
  /** Requests without a query share their info: most need no look-up by all labels. */
  let last = new WeakMap<RequestInfo, { component: string; method: string; found: RequestMetrics }>()
  let { generation } = metrics
  return (ctx) => {
    if (generation !== metrics.generation) {
      generation = metrics.generation
      known.clear()
      last = new WeakMap()
    }
    const { component, info } = ctx
    const { method } = ctx.exchange
    const before = last.get(info)
    if (before?.component === component && before.method === method && method !== 'PATCH')
      return [before.found, dryRunOf(ctx)]
    const labels = labelsOf(ctx)
    const key = labels.join('\u0000')
    let found = known.get(key)
    if (!found) {
      found = make(labels)
      // Label values come from what is served (component is empty else), so this stays small; the bound is for safety.
      if (known.size < MAX_SERIES) known.set(key, found)
    }
    if (ctx.subresourceLabel === '') last.set(info, { component, method, found })
    return [found, dryRunOf(ctx)]
  }
}

function cached<T>(map: Map<string, T>, key: string, make: () => T): T {
  let found = map.get(key)
  if (found === undefined) {
    found = make()
    map.set(key, found)
  }
  return found
}

/** The path of a request that no delegate served is left out: it could be anything. */
function labelsOf(ctx: RequestContext): Labels {
  const { info } = ctx
  const verb = reportedVerb(ctx)
  if (ctx.component === '') return [verb, '', '', '', info.isResourceRequest ? '' : healthPath(info.path), '', '']
  if (!info.isResourceRequest) return [verb, '', '', '', ctx.subresourceLabel, '', ctx.component]
  return [verb, info.apiGroup, info.apiVersion, info.resource, info.subresource, scopeOf(info), ctx.component]
}

const healthPath = (path: string): string =>
  path === '/healthz' || path === '/livez' || path === '/readyz' ? path : ''

/** By HTTP method, as upstream does: POST and PUT, not create and update. */
export function reportedVerb(ctx: RequestContext): string {
  const { info, exchange } = ctx
  if (info.verb === 'watch') return 'WATCH'
  if (info.isResourceRequest && CONNECT.has(info.subresource)) return 'CONNECT'
  const method = exchange.method
  if (method === 'GET' || method === 'HEAD') {
    const scope = scopeOf(info)
    return scope === 'resource' || scope === '' ? 'GET' : 'LIST'
  }
  if (method === 'PATCH' && exchange.headers.get('content-type') === 'application/apply-patch+yaml') return 'APPLY'
  return METHODS.has(method) ? method : 'other'
}

export function scopeOf(info: RequestInfo): string {
  if (info.name !== '' || info.verb === 'create') return 'resource'
  if (info.namespace !== '') return 'namespace'
  return info.isResourceRequest ? 'cluster' : ''
}

function dryRunOf(ctx: RequestContext): string {
  if (!ctx.rawQuery.includes('dryRun=')) return ''
  const values = ctx.query.getAll('dryRun')
  return values.every((v) => v === 'All') ? 'All' : 'invalid'
}

/** apiserver_request_terminations_total: answers that a part of the front made because the request could not be served. */
export function terminationCounter(
  metrics: MetricsRecorder,
): (ctx: RequestContext, code: string, component?: string) => void {
  const family = metrics.counter({
    name: 'apiserver_request_terminations_total',
    help: '[ALPHA] Requests that the server ended in self-defence or because a backend could not serve them.',
    labels: [...REQUEST, 'code'],
    maxSeries: MAX_SERIES,
  })
  return (ctx, code, component = 'apiserver') => {
    const { info } = ctx
    const known = ctx.component !== '' || component !== 'apiserver'
    family
      .with(
        reportedVerb(ctx),
        known ? info.apiGroup : '',
        known ? info.apiVersion : '',
        known ? info.resource : '',
        known ? info.subresource : '',
        scopeOf(info),
        component,
        code,
      )
      .inc()
  }
}
