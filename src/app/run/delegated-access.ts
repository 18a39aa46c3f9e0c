/** Authentication and authorization that another API server or a webhook decides, from the configuration. */
import { type CachedTokenAuthenticator, tokenReviewAuthenticator } from '../../access/authentication/token-review.ts'
import { type CachedAuthorizer, accessReviewAuthorizer } from '../../access/authorization/access-review.ts'
import { ReviewClient, type ReviewClientOptions } from '../../access/review-client.ts'
import type { MetricsRecorder } from '../../observability/metrics.ts'
import { missingSanCounter } from '../../proxy/reach/missing-san.ts'
import { ReachMetricsFamilies } from '../../proxy/reach/reach-metrics.ts'
import { followServer } from '../files/followed-server.ts'
import type { OptionName } from '../config/options.ts'
import type { AppContext } from './app-context.ts'

/** How long aggregated API servers remember answers of their kube-apiserver. */
const DELEGATED_TTL_MS = 10_000
const REQUEST_S = [0.25, 0.5, 0.7, 1, 1.5, 3, 5, 10]

/** @returns undefined where no server is to be asked. @throws ConfigurationError */
export function delegatedTokens(around: AppContext): CachedTokenAuthenticator | undefined {
  const { values, given } = around.config
  const source = sourceOf(around, 'authentication-kubeconfig', 'authentication-token-webhook-config-file')
  if (!source) return undefined
  const ttl = 'authentication-token-webhook-cache-ttl'
  return reviewer(
    around,
    { ...source, kind: 'TokenReview', reviews: 'authentication.k8s.io/v1/tokenreviews' },
    (client) =>
      tokenReviewAuthenticator({
        client,
        version: source.webhook && values['authentication-token-webhook-version'] === 'v1beta1' ? 'v1beta1' : 'v1',
        cacheTtlMs: source.webhook || given.has(ttl) ? values[ttl] : DELEGATED_TTL_MS,
        clock: around.clock,
        metrics: around.metrics,
      }),
  )
}

/** @returns undefined where no server is to be asked. @throws ConfigurationError */
export function delegatedAuthorizer(around: AppContext): CachedAuthorizer | undefined {
  const { values, given } = around.config
  const source = sourceOf(around, 'authorization-kubeconfig', 'authorization-webhook-config-file')
  if (!source) return undefined
  const ttl = (name: 'authorized' | 'unauthorized'): number => {
    const option = `authorization-webhook-cache-${name}-ttl` as const
    return source.webhook || given.has(option) ? values[option] : DELEGATED_TTL_MS
  }
  const asked = {
    ...source,
    kind: 'SubjectAccessReview',
    reviews: 'authorization.k8s.io/v1/subjectaccessreviews',
  } as const
  return reviewer(around, asked, (client) =>
    accessReviewAuthorizer({
      name: 'default',
      client,
      version: source.webhook && values['authorization-webhook-version'] === 'v1beta1' ? 'v1beta1' : 'v1',
      authorizedTtlMs: ttl('authorized'),
      unauthorizedTtlMs: ttl('unauthorized'),
      clock: around.clock,
      metrics: around.metrics,
    }),
  )
}

interface Source {
  readonly flag: OptionName
  /** The URL is the webhook's own, not an API server's. */
  readonly webhook: boolean
}
function sourceOf({ config }: AppContext, kubeconfig: OptionName, webhook: OptionName): Source | undefined {
  if (config.values[kubeconfig] !== '') return { flag: kubeconfig, webhook: false }
  return config.values[webhook] === '' ? undefined : { flag: webhook, webhook: true }
}

/** Who is asked may change with the kubeconfig: answers of before do not count then. */
function reviewer<T extends { clear(): void }>(
  around: AppContext,
  o: Source & { readonly kind: ReviewClientOptions['kind']; readonly reviews: string },
  make: (client: ReviewClient) => T,
): T {
  const { clock, log, metrics } = around
  const server = followServer(around, {
    flag: o.flag,
    changed: () => made.clear(),
    onMissingSan: missingSanCounter(metrics, 'webhooks'),
    metrics: new ReachMetricsFamilies(metrics).of(o.kind === 'TokenReview' ? 'authentication' : 'authorization'),
  })
  const client = new ReviewClient({
    transport: server.transport,
    path: o.webhook ? '' : `/apis/${o.reviews}`,
    kind: o.kind,
    clock,
    log,
    random: Math.random,
    attempted: requestMetrics(metrics, o.kind === 'TokenReview' ? 'authn' : 'authz'),
  })
  const made = make(client)
  return made
}

function requestMetrics(metrics: MetricsRecorder, what: 'authn' | 'authz'): ReviewClientOptions['attempted'] {
  const total = metrics.counter({
    name: `apiserver_delegated_${what}_request_total`,
    help: '[ALPHA] Requests to who decides, by HTTP status; <error> where there was none.',
    labels: ['code'],
  })
  const duration = metrics.histogram({
    name: `apiserver_delegated_${what}_request_duration_seconds`,
    help: '[ALPHA] Duration of requests to who decides, by HTTP status; <error> where there was none.',
    labels: ['code'],
    buckets: REQUEST_S,
  })
  return (code, seconds) => {
    total.with(code).inc()
    duration.with(code).observe(seconds)
  }
}
