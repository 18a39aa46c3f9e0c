import { badRequest, timeout } from '../../../api/status-error.ts'
import type { Filter } from '../../../http/filter.ts'
import type { RequestContext } from '../../../http/request-context.ts'
import { writeStatusError } from '../../../http/write-status.ts'
import type { Clock } from '../../../lib/clock.ts'
import { parseDuration } from '../../../lib/duration.ts'
import type { MetricsRecorder } from '../../../observability/metrics.ts'
import { Deadlines } from '../deadlines.ts'
import { terminationCounter } from '../request-metrics.ts'

const TEXT = 'request did not complete within the allotted timeout'

export function deadlineFilter(requestTimeoutMs: number, clock: Clock, metrics: MetricsRecorder): Filter {
  const terminated = terminationCounter(metrics)
  const usual = new Deadlines(clock, requestTimeoutMs)
  function expire(ctx: RequestContext): void {
    terminated(ctx, '504')
    if (ctx.exchange.phase === 'waiting') writeStatusError(ctx, timeout(TEXT, ctx.waitsFor?.causes()))
    else ctx.exchange.abort(new Error(`the ${TEXT}`))
  }
  return {
    name: 'deadline',
    about:
      'Ends requests that are not long-running after --request-timeout, or sooner where `?timeout=` says so: 504 while nothing was answered, else the answer is broken off.',
    wrap: (next) => (ctx) => {
      if (ctx.longRunning) return next(ctx)
      const timeoutMs = effectiveTimeout(ctx, ctx.rules?.totalMs ?? requestTimeoutMs)
      ctx.deadlineMs = ctx.receivedMonotonicMs + timeoutMs
      const onDeadline = (): void => expire(ctx)
      ctx.exchange.onFinish(timeoutMs === requestTimeoutMs ? usual.add(onDeadline) : clock.after(timeoutMs, onDeadline))
      return next(ctx)
    },
  }
}

function effectiveTimeout(ctx: RequestContext, maxMs: number): number {
  if (!ctx.rawQuery.includes('timeout=')) return maxMs
  const text = ctx.query.get('timeout')
  if (text === null || text === '') return maxMs
  try {
    const wantedMs = parseDuration(text)
    return wantedMs > 0 && wantedMs < maxMs ? wantedMs : maxMs
  } catch (e) {
    throw badRequest(`invalid timeout specified in the request URL - ${(e as Error).message}`)
  }
}
