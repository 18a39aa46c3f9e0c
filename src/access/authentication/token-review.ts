/**
 * Knows bearer tokens by asking another API server, with a TokenReview. A caller that the server cannot be asked about is refused.
 * Source: apiserver's webhook token authenticator and token cache.
 */
import { hash } from 'node:crypto'
import type { UserInfo } from '../../api/meta.ts'
import type { Clock } from '../../lib/clock.ts'
import type { MetricsRecorder } from '../../observability/metrics.ts'
import { ReviewCache } from '../review-cache.ts'
import { type ReviewClient, ReviewError } from '../review-client.ts'
import type { AuthnResult, TokenAuthenticator } from './authenticator.ts'

const MAX_REMEMBERED = 10_000
const MAX_UNDER_WAY = 1000
const DURATION_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export interface TokenReviewOptions {
  readonly client: Pick<ReviewClient, 'ask'>
  readonly version: 'v1' | 'v1beta1'
  /** Known and unknown tokens alike; 0: ask each time. */
  readonly cacheTtlMs: number
  readonly clock: Clock
  readonly metrics: MetricsRecorder
}

export interface CachedTokenAuthenticator extends TokenAuthenticator {
  /** Nothing that was answered before counts any more. */
  clear(): void
}

export function tokenReviewAuthenticator(o: TokenReviewOptions): CachedTokenAuthenticator {
  const { clock } = o
  const cache = new ReviewCache<AuthnResult>({
    clock,
    max: MAX_REMEMBERED,
    maxUnderWay: MAX_UNDER_WAY,
    isGood: (result) => result.kind === 'authenticated',
    goodTtlMs: o.cacheTtlMs,
    badTtlMs: o.cacheTtlMs,
  })
  const count = cacheMetrics(o.metrics, () => cache.underWay)

  async function review(token: string): Promise<AuthnResult> {
    try {
      const status = await o.client.ask(`authentication.k8s.io/${o.version}`, { token })
      const result = resultOf(status)
      count.fetched.ok.inc()
      return result
    } catch (error) {
      count.fetched.error.inc()
      throw error
    }
  }
  async function asked(key: string, token: string): Promise<AuthnResult> {
    const startMs = clock.monotonicMs()
    const blocked = cache.isUnderWay(key)
    if (blocked) count.blocked.add(1)
    try {
      return await cache.ask(key, () => review(token))
    } catch (error) {
      const unanswered = error instanceof ReviewError && error.passing
      return { kind: 'rejected', reason: (error as Error).message, unanswered }
    } finally {
      if (blocked) count.blocked.add(-1)
      count.miss.observe((clock.monotonicMs() - startMs) / 1000)
    }
  }
  return {
    authenticateToken: (token) => {
      const startMs = clock.monotonicMs()
      // The token itself is kept nowhere.
      const key = hash('sha256', token, 'base64')
      const known = cache.known(key)
      if (!known) return asked(key, token)
      count.hit.observe((clock.monotonicMs() - startMs) / 1000)
      return known
    },
    clear: () => cache.clear(),
  }
}

function cacheMetrics(metrics: MetricsRecorder, underWay: () => number) {
  const requests = metrics.counter({
    name: 'authentication_token_cache_request_total',
    help: '[ALPHA] Tokens that were looked up, by whether they were remembered.',
    labels: ['status'],
  })
  const duration = metrics.histogram({
    name: 'authentication_token_cache_request_duration_seconds',
    help: '[ALPHA] Time to know a token, by whether it was remembered.',
    labels: ['status'],
    buckets: DURATION_S,
  })
  const fetches = metrics.counter({
    name: 'authentication_token_cache_fetch_total',
    help: '[ALPHA] Tokens that were asked for, by whether there was an answer.',
    labels: ['status'],
  })
  const active = metrics.gauge({
    name: 'authentication_token_cache_active_fetch_count',
    help: '[ALPHA] Questions under way, and requests that wait for one of another request.',
    labels: ['status'],
  })
  const inFlight = active.with('in_flight')
  metrics.onCollect(() => inFlight.set(underWay()))
  const observer = (status: string): { observe(seconds: number): void } => {
    const [total, took] = [requests.with(status), duration.with(status)]
    return {
      observe: (seconds) => {
        total.inc()
        took.observe(seconds)
      },
    }
  }
  return {
    hit: observer('hit'),
    miss: observer('miss'),
    fetched: { ok: fetches.with('ok'), error: fetches.with('error') },
    blocked: active.with('blocked'),
  }
}

/** @throws TypeError for an answer that says yes without saying who. */
function resultOf(status: Readonly<Record<string, unknown>>): AuthnResult {
  if (status['authenticated'] !== true) {
    const reason = textOf(status['error'])
    return { kind: 'rejected', reason: reason === '' ? 'invalid bearer token' : reason }
  }
  const user = (status['user'] ?? {}) as Readonly<Record<string, unknown>>
  const name = textOf(user['username'])
  if (name === '') throw new TypeError('the TokenReview was answered without a user name')
  const audiences = textsOf(status['audiences'])
  return {
    kind: 'authenticated',
    user: userOf(name, user),
    ...(audiences.length === 0 ? {} : { audiences }),
  }
}

function userOf(name: string, user: Readonly<Record<string, unknown>>): UserInfo {
  const uid = textOf(user['uid'])
  const extra = new Map(Object.entries((user['extra'] ?? {}) as object).map(([k, v]) => [k, textsOf(v)]))
  return {
    name,
    groups: textsOf(user['groups']),
    ...(uid === '' ? {} : { uid }),
    ...(extra.size === 0 ? {} : { extra }),
  }
}
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((v): v is string => typeof v === 'string') : []
