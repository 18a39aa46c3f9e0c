import { StatusError } from '../../../api/status-error.ts'
import type { Filter } from '../../../http/filter.ts'
import type { RequestContext } from '../../../http/request-context.ts'
import { writeStatusError } from '../../../http/write-status.ts'
import type { MetricsRecorder } from '../../../observability/metrics.ts'

export function panicRecoveryFilter(metrics: MetricsRecorder): Filter {
  const panics = metrics
    .counter({ name: 'portico_request_panics_total', help: 'Requests that ended in an error nobody expected.' })
    .with()
  const fail = (ctx: RequestContext, thrown: unknown): void => {
    const error = StatusError.from(thrown)
    if (error !== thrown && ctx.exchange.phase !== 'finished') {
      panics.inc()
      ctx.log.error('a handler failed', { method: ctx.exchange.method, path: ctx.path, error: thrown })
    }
    if (ctx.exchange.phase === 'waiting') writeStatusError(ctx, error)
    else if (ctx.exchange.phase === 'responded') ctx.exchange.abort(thrown)
  }
  return {
    name: 'panic-recovery',
    about: 'Turns what a handler throws, at once or later, into the answer of this request; the others never notice.',
    wrap: (next) => (ctx) => {
      ctx.recover = fail
      try {
        const pending = next(ctx)
        return pending instanceof Promise ? pending.catch((thrown: unknown) => fail(ctx, thrown)) : undefined
      } catch (thrown) {
        fail(ctx, thrown)
      }
      return undefined
    },
  }
}
