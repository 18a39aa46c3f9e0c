/** What is counted of proxied traffic, per backend. Handles are bound once per backend. */
import type { Counter, Histogram, MetricsRecorder } from '../observability/metrics.ts'
import type { UpstreamPhase } from './upstream.ts'

export interface BackendMetrics {
  readonly firstByteSeconds: Histogram
  readonly bytesSent: Counter
  readonly bytesReceived: Counter
  readonly retries: Counter
  readonly clientGone: Counter
  answered(status: number): void
  failed(phase: UpstreamPhase): void
}

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

export class ProxyMetrics {
  readonly #requests
  readonly #failures
  readonly #firstByte
  readonly #bytes
  readonly #retries
  readonly #clientGone
  readonly #bound = new Map<string, BackendMetrics>()

  constructor(recorder: MetricsRecorder) {
    this.#requests = recorder.counter({
      name: 'portico_proxy_requests_total',
      help: 'Answers of backends, by backend and class of status code.',
      labels: ['backend', 'code'],
    })
    this.#failures = recorder.counter({
      name: 'portico_proxy_failures_total',
      help: 'Requests that a backend did not answer whole, by the phase that failed.',
      labels: ['backend', 'phase'],
    })
    this.#firstByte = recorder.histogram({
      name: 'portico_proxy_first_byte_seconds',
      help: 'From handing a request to the connection pool until the head of its answer.',
      labels: ['backend'],
      buckets: BUCKETS,
    })
    this.#bytes = recorder.counter({
      name: 'portico_proxy_body_bytes_total',
      help: 'Body bytes to (sent) and from (received) backends.',
      labels: ['backend', 'direction'],
    })
    this.#retries = recorder.counter({
      name: 'portico_proxy_retries_total',
      help: 'Requests sent again because the backend provably had not processed them.',
      labels: ['backend'],
    })
    this.#clientGone = recorder.counter({
      name: 'portico_proxy_client_gone_total',
      help: 'Requests whose client left before the answer was whole.',
      labels: ['backend'],
    })
  }
  of(backend: string): BackendMetrics {
    let metrics = this.#bound.get(backend)
    if (!metrics) {
      metrics = this.#bind(backend)
      this.#bound.set(backend, metrics)
    }
    return metrics
  }
  /** The backend is gone: its series are no longer shown. */
  forget(backend: string): void {
    this.#bound.delete(backend)
    for (const code of CODES) this.#requests.remove(backend, code)
    for (const phase of PHASES) this.#failures.remove(backend, phase)
    this.#firstByte.remove(backend)
    this.#bytes.remove(backend, 'sent')
    this.#bytes.remove(backend, 'received')
    this.#retries.remove(backend)
    this.#clientGone.remove(backend)
  }
  #bind(backend: string): BackendMetrics {
    const codes = CODES.map((code) => this.#requests.with(backend, code))
    const failures = new Map(PHASES.map((phase) => [phase, this.#failures.with(backend, phase)]))
    return {
      firstByteSeconds: this.#firstByte.with(backend),
      bytesSent: this.#bytes.with(backend, 'sent'),
      bytesReceived: this.#bytes.with(backend, 'received'),
      retries: this.#retries.with(backend),
      clientGone: this.#clientGone.with(backend),
      answered: (status) => codes[Math.floor(status / 100) - 1]?.inc(),
      failed: (phase) => failures.get(phase)?.inc(),
    }
  }
}
const CODES = ['1xx', '2xx', '3xx', '4xx', '5xx']
const PHASES: readonly UpstreamPhase[] = ['connect', 'tls', 'queue', 'first-byte', 'stream']
