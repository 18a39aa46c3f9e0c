/** What is counted of proxied traffic, per backend and per endpoint. Handles are bound once. */
import type { Counter, Family, Gauge, Histogram, MetricsRecorder } from '../observability/metrics.ts'
import type { UpstreamPhase } from './upstream.ts'

export interface BackendMetrics {
  readonly firstByteSeconds: Histogram
  readonly bytesSent: Counter
  readonly bytesReceived: Counter
  readonly retries: Counter
  readonly budgetExhausted: Counter
  readonly clientGone: Counter
  answered(status: number): void
  failed(phase: UpstreamPhase): void
  /** Refused before the backend was asked. */
  rejected(why: string): void
  /** Past MAX_ENDPOINTS they share one. */
  endpoint(id: string): EndpointMetrics
}
export interface EndpointMetrics {
  answered(status: number): void
  failed(phase: UpstreamPhase): void
  phase(phase: 'connect' | 'tls' | 'first-byte' | 'stream', seconds: number): void
  ejected(): void
  /** Requests, watches and tunnels that began or ended. */
  active(by: 1 | -1): void
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const PHASE_BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60]
/** Per backend: addresses come and go with every rollout. */
const MAX_ENDPOINTS = 10
const MAX_SERIES = 20_000
const CODES = ['1xx', '2xx', '3xx', '4xx', '5xx']
const PHASES: readonly UpstreamPhase[] = ['resolve', 'connect', 'tls', 'queue', 'first-byte', 'stream']
const TIMED = ['connect', 'tls', 'first-byte', 'stream'] as const
const REJECTIONS = ['unavailable', 'in-flight', 'queue-timeout', 'watches', 'rate', 'breaker']

export class ProxyMetrics {
  readonly #requests: Family<Counter>
  readonly #failures: Family<Counter>
  readonly #firstByte: Family<Histogram>
  readonly #bytes: Family<Counter>
  readonly #retries: Family<Counter>
  readonly #budget: Family<Counter>
  readonly #clientGone: Family<Counter>
  readonly #rejected: Family<Counter>
  readonly #endpointRequests: Family<Counter>
  readonly #endpointFailures: Family<Counter>
  readonly #endpointPhases: Family<Histogram>
  readonly #ejections: Family<Counter>
  readonly #active: Family<Gauge>
  readonly #bound = new Map<string, BoundBackend>()

  constructor(recorder: MetricsRecorder) {
    const counter = (name: string, help: string, labels: string[], maxSeries = 1_200): Family<Counter> =>
      recorder.counter({ name: `portico_proxy_${name}`, help, labels: ['backend', ...labels], maxSeries })
    this.#requests = counter('requests_total', 'Answers of backends, by backend and class of status code.', ['code'])
    this.#failures = counter(
      'failures_total',
      'Requests that a backend did not answer whole, by the phase that failed.',
      ['phase'],
      2_000,
    )
    this.#firstByte = recorder.histogram({
      name: 'portico_proxy_first_byte_seconds',
      help: 'From handing a request to the connection pool until the head of its answer, all attempts together.',
      labels: ['backend'],
      buckets: BUCKETS,
    })
    this.#bytes = counter('body_bytes_total', 'Body bytes to (sent) and from (received) backends.', ['direction'])
    this.#retries = counter('retries_total', 'Requests sent again because that could do no harm.', [])
    this.#budget = counter('retry_budget_exhausted_total', 'Requests not sent again because too many were.', [])
    this.#clientGone = counter('client_gone_total', 'Requests whose client left before the answer was whole.', [])
    this.#rejected = counter(
      'rejected_total',
      'Requests refused before the backend was asked, by the limit that was reached.',
      ['reason'],
      2_000,
    )
    this.#endpointRequests = counter(
      'endpoint_requests_total',
      'Answers by endpoint and class of status code.',
      ['endpoint', 'code'],
      MAX_SERIES,
    )
    this.#endpointFailures = counter(
      'endpoint_failures_total',
      'Attempts that an endpoint did not answer whole, by the phase that failed.',
      ['endpoint', 'phase'],
      MAX_SERIES,
    )
    this.#ejections = counter(
      'endpoint_ejections_total',
      'How often an endpoint was left out for a while because it failed.',
      ['endpoint'],
      MAX_SERIES,
    )
    this.#active = recorder.gauge({
      name: 'portico_proxy_endpoint_active_requests',
      help: 'Requests under way, watches and tunnels among them, by endpoint.',
      labels: ['backend', 'endpoint'],
      maxSeries: MAX_SERIES,
    })
    this.#endpointPhases = recorder.histogram({
      name: 'portico_proxy_endpoint_phase_seconds',
      help: 'How long attempts spent in each phase, by endpoint; a connection that is there already has no connect and tls.',
      labels: ['backend', 'endpoint', 'phase'],
      buckets: PHASE_BUCKETS,
      maxSeries: MAX_SERIES,
    })
  }
  of(backend: string): BackendMetrics {
    let bound = this.#bound.get(backend)
    if (!bound) {
      bound = { metrics: this.#bind(backend), endpoints: new Map() }
      this.#bound.set(backend, bound)
    }
    return bound.metrics
  }
  /** The backend is gone: its series are no longer shown. */
  forget(backend: string): void {
    for (const endpoint of this.#bound.get(backend)?.endpoints.keys() ?? []) this.#forgetEndpoint(backend, endpoint)
    this.#bound.delete(backend)
    for (const code of CODES) this.#requests.remove(backend, code)
    for (const phase of PHASES) this.#failures.remove(backend, phase)
    for (const reason of REJECTIONS) this.#rejected.remove(backend, reason)
    this.#firstByte.remove(backend)
    this.#bytes.remove(backend, 'sent')
    this.#bytes.remove(backend, 'received')
    for (const family of [this.#retries, this.#budget, this.#clientGone]) family.remove(backend)
  }
  /** Of one backend: those that are not in `present` are gone. */
  keepEndpoints(backend: string, present: ReadonlySet<string>): void {
    const endpoints = this.#bound.get(backend)?.endpoints
    for (const id of endpoints?.keys() ?? []) {
      if (present.has(id)) continue
      endpoints!.delete(id)
      this.#forgetEndpoint(backend, id)
    }
  }

  #forgetEndpoint(backend: string, endpoint: string): void {
    for (const code of CODES) this.#endpointRequests.remove(backend, endpoint, code)
    for (const phase of PHASES) this.#endpointFailures.remove(backend, endpoint, phase)
    for (const phase of TIMED) this.#endpointPhases.remove(backend, endpoint, phase)
    this.#ejections.remove(backend, endpoint)
    this.#active.remove(backend, endpoint)
  }
  #bind(backend: string): BackendMetrics {
    const codes = CODES.map((code) => this.#requests.with(backend, code))
    const failures = new Map(PHASES.map((phase) => [phase, this.#failures.with(backend, phase)]))
    return {
      firstByteSeconds: this.#firstByte.with(backend),
      bytesSent: this.#bytes.with(backend, 'sent'),
      bytesReceived: this.#bytes.with(backend, 'received'),
      retries: this.#retries.with(backend),
      budgetExhausted: this.#budget.with(backend),
      clientGone: this.#clientGone.with(backend),
      answered: (status) => codes[Math.floor(status / 100) - 1]?.inc(),
      failed: (phase) => failures.get(phase)?.inc(),
      rejected: (why) => {
        if (this.#bound.has(backend)) this.#rejected.with(backend, why).inc()
      },
      endpoint: (id) => this.#endpointOf(backend, id),
    }
  }
  #endpointOf(backend: string, id: string): EndpointMetrics {
    const endpoints = this.#bound.get(backend)?.endpoints
    // A request of a backend that is gone meanwhile must bring no series back.
    if (!endpoints) return NO_ENDPOINT
    const shown = endpoints.has(id) || endpoints.size < MAX_ENDPOINTS ? id : 'other'
    let metrics = endpoints.get(shown)
    if (!metrics) {
      metrics = this.#bindEndpoint(backend, shown)
      endpoints.set(shown, metrics)
    }
    return metrics
  }
  #bindEndpoint(backend: string, endpoint: string): EndpointMetrics {
    const isKnown = (): boolean => this.#bound.get(backend)?.endpoints.has(endpoint) === true
    const codes = CODES.map((code) => this.#endpointRequests.with(backend, endpoint, code))
    const phases = new Map(TIMED.map((phase) => [phase, this.#endpointPhases.with(backend, endpoint, phase)]))
    const active = this.#active.with(backend, endpoint)
    return {
      answered: (status) => codes[Math.floor(status / 100) - 1]?.inc(),
      failed: (phase) => {
        if (isKnown()) this.#endpointFailures.with(backend, endpoint, phase).inc()
      },
      phase: (phase, seconds) => phases.get(phase)?.observe(seconds),
      ejected: () => {
        if (isKnown()) this.#ejections.with(backend, endpoint).inc()
      },
      active: (by) => active.add(by),
    }
  }
}
const NO_ENDPOINT: EndpointMetrics = { answered() {}, failed() {}, phase() {}, ejected() {}, active() {} }
interface BoundBackend {
  readonly metrics: BackendMetrics
  readonly endpoints: Map<string, EndpointMetrics>
}
