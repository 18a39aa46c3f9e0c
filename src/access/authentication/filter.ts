import { serviceUnavailable, unauthorized } from '../../api/status-error.ts'
import type { Filter, Handler } from '../../http/filter.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Counter, MetricsRecorder } from '../../observability/metrics.ts'
import type { Authenticator, AuthnResult } from './authenticator.ts'

const DURATION_S = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i)

/** A server that was restarted is back soon. */
const RETRY_AFTER_SECONDS = 1

export function authenticationFilter(authenticator: Authenticator, metrics: MetricsRecorder, clock: Clock): Filter {
  const attempts = metrics.counter({
    name: 'authentication_attempts',
    help: '[ALPHA] Authentication attempts by result.',
    labels: ['result'],
  })
  const count = {
    authenticated: attempts.with('success'),
    rejected: attempts.with('failure'),
    'no-opinion': attempts.with('failure'),
    error: attempts.with('error'),
  }
  const duration = metrics.histogram({
    name: 'authentication_duration_seconds',
    help: '[ALPHA] Time to authenticate, by result.',
    labels: ['result'],
    buckets: DURATION_S,
  })
  const took = { ok: duration.with('success'), failed: duration.with('failure') }
  const users = metrics.counter({
    name: 'authenticated_user_requests',
    help: '[ALPHA] Requests by kind of user name.',
    labels: ['username'],
  })

  const byLabel = new Map<string, Counter>()
  function countUser(name: string): void {
    const label = userLabel(name)
    let counter = byLabel.get(label)
    if (!counter) {
      counter = users.with(label)
      byLabel.set(label, counter)
    }
    counter.inc()
  }
  function admit(ctx: RequestContext, result: AuthnResult, next: Handler): void | Promise<void> {
    count[result.kind].inc()
    const seconds = (clock.monotonicMs() - ctx.filterStartMs) / 1000
    if (result.kind !== 'authenticated') {
      took.failed.observe(seconds)
      if (result.kind === 'rejected' && result.unanswered === true)
        throw serviceUnavailable('the server that knows who callers are does not answer', RETRY_AFTER_SECONDS)
      // An HTTP/2 client that shows nothing good gets no more streams on this connection.
      if (ctx.exchange.connection.protocol === 'h2') ctx.exchange.connection.retire()
      ctx.log.verbose?.('authentication failed', {
        reason: result.kind === 'rejected' ? result.reason : 'no credentials',
      })
      throw unauthorized()
    }
    took.ok.observe(seconds)
    ctx.user = result.user
    countUser(result.user.name)
    return next(ctx)
  }
  return {
    name: 'authentication',
    about: 'Puts the caller on the context, or answers 401.',
    wrap: (next) => (ctx) => {
      const result = authenticator.authenticate(ctx)
      if (!(result instanceof Promise)) return admit(ctx, result, next)
      return result.then((r) => admit(ctx, r, next))
    },
  }
}

/** The metric's label for a user, from a closed set: user names would be an unbounded one. */
function userLabel(name: string): string {
  if (
    name === 'admin' ||
    name === 'client' ||
    name === 'kubelet' ||
    name === 'system:serviceaccount:kube-system:default'
  )
    return name
  if (name === 'kube_proxy') return name
  return name.includes('@') ? 'email_id' : 'other'
}
