import { StatusError, forbidden, internalError, serviceUnavailable } from '../../api/status-error.ts'
import type { Filter, Handler } from '../../http/filter.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { Clock } from '../../lib/clock.ts'
import type { MetricsRecorder } from '../../observability/metrics.ts'
import { ReviewError } from '../review-client.ts'
import { attributesOf, refusal } from './attributes.ts'
import type { Attributes, Authorizer, Decision } from './authorizer.ts'

const DURATION_S = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i)

/** A server that was restarted is back soon. */
const RETRY_AFTER_SECONDS = 1

export function authorizationFilter(authorizer: Authorizer, metrics: MetricsRecorder, clock: Clock): Filter {
  const attempts = metrics.counter({
    name: 'authorization_attempts_total',
    help: '[ALPHA] Authorization attempts by result.',
    labels: ['result'],
  })
  const count = {
    allow: attempts.with('allowed'),
    deny: attempts.with('denied'),
    'no-opinion': attempts.with('no-opinion'),
  }
  const duration = metrics.histogram({
    name: 'authorization_duration_seconds',
    help: '[ALPHA] Time to authorize, by result.',
    labels: ['result'],
    buckets: DURATION_S,
  })
  const took = {
    allow: duration.with('allowed'),
    deny: duration.with('denied'),
    'no-opinion': duration.with('no-opinion'),
  }

  function enforce(ctx: RequestContext, a: Attributes, d: Decision, next: Handler): void | Promise<void> {
    count[d.kind].inc()
    took[d.kind].observe((clock.monotonicMs() - ctx.filterStartMs) / 1000)
    if (d.kind === 'allow') return next(ctx)
    if (d.error instanceof ReviewError && d.error.passing)
      throw serviceUnavailable('the server that knows what callers may does not answer', RETRY_AFTER_SECONDS)
    if (d.error !== undefined) throw internalError('the request could not be authorized', d.error)
    ctx.answerHeaders.push('X-Content-Type-Options', 'nosniff')
    throw denied(a, d.reason)
  }
  return {
    name: 'authorization',
    about: 'Asks the authorizers in turn; 403 where none of them allows.',
    wrap: (next) => (ctx) => {
      const a = attributesOf(ctx)
      const decision = authorizer.authorize(a)
      // Decisions known at once are plain values: they skip the promise and one turn of the microtask queue.
      return decision instanceof Promise
        ? decision.then((d) => enforce(ctx, a, d, next))
        : enforce(ctx, a, decision, next)
    },
  }
}

function denied(a: Attributes, reason: string): StatusError {
  const text = refusal(a, reason)
  if (!a.isResourceRequest) return new StatusError(403, 'Forbidden', `forbidden: ${text}`, { details: {} })
  return forbidden({ group: a.apiGroup, resource: a.resource }, a.name, text)
}
