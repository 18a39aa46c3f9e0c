/**
 * Asks another API server whether a user may do something, with a SubjectAccessReview.
 * Where it cannot be asked there is no opinion, with the error: an outage lets no user in.
 * Source: apiserver's webhook authorizer.
 */
import { hash } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { MetricsRecorder } from '../../observability/metrics.ts'
import { ReviewCache } from '../review-cache.ts'
import { type ReviewClient, ReviewError, type ReviewOutcome } from '../review-client.ts'
import type { Attributes, Authorizer, Decision } from './authorizer.ts'

const MAX_REMEMBERED = 8192
const MAX_UNDER_WAY = 1000
/** Longer questions are made by those who want to fill the cache. */
const MAX_REMEMBERED_LENGTH = 10_000
const DURATION_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const TYPE = 'Webhook'

export interface AccessReviewOptions {
  /** For metrics. */
  readonly name: string
  readonly client: Pick<ReviewClient, 'ask'>
  readonly version: 'v1' | 'v1beta1'
  readonly authorizedTtlMs: number
  readonly unauthorizedTtlMs: number
  readonly clock: Clock
  readonly metrics: MetricsRecorder
}
export interface CachedAuthorizer extends Authorizer {
  /** Nothing that was answered before counts any more. */
  clear(): void
}

export function accessReviewAuthorizer(o: AccessReviewOptions): CachedAuthorizer {
  const cache = new ReviewCache<Decision>({
    clock: o.clock,
    max: MAX_REMEMBERED,
    maxUnderWay: MAX_UNDER_WAY,
    isGood: (decision) => decision.kind === 'allow',
    goodTtlMs: o.authorizedTtlMs,
    badTtlMs: o.unauthorizedTtlMs,
  })
  const count = reviewMetrics(o)

  async function review(spec: object): Promise<Decision> {
    const startMs = o.clock.monotonicMs()
    let outcome: ReviewOutcome = 'success'
    try {
      return decisionOf(await o.client.ask(`authorization.k8s.io/${o.version}`, spec))
    } catch (error) {
      outcome = error instanceof ReviewError ? error.outcome : 'error'
      throw error
    } finally {
      count.evaluated(outcome, (o.clock.monotonicMs() - startMs) / 1000)
    }
  }
  const unanswered = (error: unknown): Decision => ({ kind: 'no-opinion', reason: '', error })
  const counted = (decision: Decision): Decision => {
    count.decided(decision.kind)
    return decision
  }
  return {
    name: TYPE,
    authorize: (attributes) => {
      const spec = specOf(attributes, o.version)
      const text = JSON.stringify(spec)
      if (text.length >= MAX_REMEMBERED_LENGTH) return review(spec).then(counted, unanswered)
      const key = hash('sha256', text, 'base64')
      const known = cache.known(key)
      return known ? counted(known) : cache.ask(key, () => review(spec)).then(counted, unanswered)
    },
    clear: () => cache.clear(),
  }
}

function reviewMetrics({ name, metrics }: AccessReviewOptions) {
  const decisions = metrics.counter({
    name: 'apiserver_authorization_decisions_total',
    help: '[ALPHA] Requests that an authorizer allowed or denied.',
    labels: ['type', 'name', 'decision'],
  })
  const evaluations = metrics.counter({
    name: 'apiserver_authorization_webhook_evaluations_total',
    help: '[ALPHA] SubjectAccessReviews that were asked for, by result.',
    labels: ['name', 'result'],
  })
  const duration = metrics.histogram({
    name: 'apiserver_authorization_webhook_duration_seconds',
    help: '[ALPHA] Time until a SubjectAccessReview was answered, by result.',
    labels: ['name', 'result'],
    buckets: DURATION_S,
  })
  const [allowed, denied] = [decisions.with(TYPE, name, 'allowed'), decisions.with(TYPE, name, 'denied')]
  return {
    /** Only where the decision ends the question. */
    decided: (kind: Decision['kind']): void => {
      if (kind === 'allow') allowed.inc()
      else if (kind === 'deny') denied.inc()
    },
    evaluated: (result: ReviewOutcome, seconds: number): void => {
      evaluations.with(name, result).inc()
      duration.with(name, result).observe(seconds)
    },
  }
}

function specOf(a: Attributes, version: 'v1' | 'v1beta1'): object {
  const { user } = a
  return {
    ...(a.isResourceRequest
      ? {
          resourceAttributes: {
            ...filled({
              namespace: a.namespace,
              verb: a.verb,
              group: a.apiGroup,
              version: a.apiVersion,
              resource: a.resource,
              subresource: a.subresource,
              name: a.name,
            }),
            ...(a.fieldSelector ? { fieldSelector: { requirements: a.fieldSelector } } : {}),
            ...(a.labelSelector ? { labelSelector: { requirements: a.labelSelector } } : {}),
          },
        }
      : { nonResourceAttributes: filled({ path: a.path, verb: a.verb }) }),
    user: user.name,
    ...(user.groups.length === 0 ? {} : { [version === 'v1' ? 'groups' : 'group']: user.groups }),
    ...(user.extra ? { extra: Object.fromEntries(user.extra) } : {}),
    ...(user.uid ? { uid: user.uid } : {}),
  }
}
const filled = (fields: Readonly<Record<string, string>>): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''))

function decisionOf(status: Readonly<Record<string, unknown>>): Decision {
  const reason = typeof status['reason'] === 'string' ? status['reason'] : ''
  const problem = status['evaluationError']
  const [allowed, denied] = [status['allowed'] === true, status['denied'] === true]
  if (allowed && denied) {
    const error = new Error('the SubjectAccessReview was answered with both allowed and denied')
    return { kind: 'deny', reason, error }
  }
  if (allowed) return { kind: 'allow', reason }
  if (denied) return { kind: 'deny', reason }
  // Asked and answered: a refusal with the reason, unless the other server itself could not decide.
  const undecided = typeof problem === 'string' && problem !== '' && reason === ''
  return { kind: 'no-opinion', reason: undecided ? problem : reason }
}
