import { SYSTEM_MASTERS } from '../../../access/groups.ts'
import type { Filter } from '../../../http/filter.ts'
import { textOfValue } from '../../../http/header-list.ts'
import type { RequestContext } from '../../../http/request-context.ts'
import type { RequestInfo } from '../../../http/request-info.ts'
import type { Clock } from '../../../lib/clock.ts'
import { type StartSpan, type Tracer, parseTraceparent } from '../../../observability/tracer.ts'

const MAY_FORCE_SAMPLING = [SYSTEM_MASTERS, 'system:monitoring']

/** Stands after authentication: to follow a stranger's traceparent would let anybody decide what is sampled. */
export function tracingFilter(tracer: Tracer, clock: Clock): Filter {
  return {
    name: 'tracing',
    about: "Opens the request's span, back-dated to its arrival; a stranger's traceparent is only linked to.",
    wrap: (next) => {
      if (!tracer.enabled) return next
      return (ctx) => {
        startSpan(ctx, tracer)
        if (ctx.span.recording) authenticated(ctx, clock)
        return next(ctx)
      }
    },
  }
}

function startSpan(ctx: RequestContext, tracer: Tracer): void {
  const { headers } = ctx.exchange
  const header = headers.get('traceparent')
  const remote = header === undefined ? undefined : parseTraceparent(header, headers.get('tracestate'))
  const trusted = remote !== undefined && isTrusted(ctx)
  const leftOut = tracer.leftOut(trusted ? remote : undefined)
  if (leftOut) ctx.span = leftOut
  else record(ctx, tracer, remote === undefined ? {} : trusted ? { parent: remote } : { link: remote })
}
function isTrusted({ rules, user }: RequestContext): boolean {
  return rules?.trustTraceparent ?? MAY_FORCE_SAMPLING.some((group) => user!.groups.includes(group))
}
/** Apart from what all requests run through, which is compiled the better for it. */
function record(ctx: RequestContext, tracer: Tracer, above: Pick<StartSpan, 'parent' | 'link'>): void {
  const { exchange } = ctx
  const span = tracer.start(spanName(exchange.method, ctx.info), {
    kind: 'server',
    startMs: ctx.receivedAt,
    ...above,
    attributes: {
      'http.request.method': exchange.method,
      'url.path': ctx.path,
      'audit-id': ctx.auditId,
      'user_agent.original': textOfValue(exchange.headers.get('user-agent') ?? '') ?? '',
      'network.protocol.version': exchange.connection.protocol === 'h2' ? '2' : '1.1',
    },
  })
  ctx.span = span
  exchange.onFinish((outcome) => {
    span.setAttributes({
      'http.response.status_code': outcome.status,
      'http.response.body.size': outcome.bytesOut,
      outcome: outcome.kind,
    })
    if (outcome.status >= 500 || outcome.kind === 'aborted') span.fail(outcome.error ?? `status ${outcome.status}`)
    span.end()
  })
}
function authenticated(ctx: RequestContext, clock: Clock): void {
  ctx.span.enter('authentication', ctx.receivedAt)
  ctx.span.leave(ctx.receivedAt + (clock.monotonicMs() - ctx.receivedMonotonicMs))
}

/** `GET /api/v1/namespaces/{:namespace}/pods/{:name}`: no names in it, so that spans group. */
function spanName(method: string, info: RequestInfo): string {
  if (!info.isResourceRequest) return method
  const group = info.apiGroup === '' ? '' : `/${info.apiGroup}`
  const namespace = info.namespace === '' || info.resource === 'namespaces' ? '' : '/namespaces/{:namespace}'
  const name = info.name === '' ? '' : '/{:name}'
  const subresource = info.subresource === '' ? '' : `/${info.subresource}`
  return `${method} /${info.apiPrefix}${group}/${info.apiVersion}${namespace}/${info.resource}${name}${subresource}`
}
