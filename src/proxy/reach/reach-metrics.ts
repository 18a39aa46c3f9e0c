/** What is counted of this process's own requests to other servers. */
import type { Counter, Family, Histogram, MetricsRecorder } from '../../observability/metrics.ts'
import type { UpstreamPhase } from '../upstream.ts'

export interface ReachMetrics {
  answered(status: number, seconds: number): void
  failed(phase: UpstreamPhase): void
}

const BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** Servers come from the configuration, and from webhooks' objects. */
const MAX_SERIES = 2_000

export class ReachMetricsFamilies {
  readonly #requests: Family<Counter>
  readonly #failures: Family<Counter>
  readonly #seconds: Family<Histogram>

  constructor(recorder: MetricsRecorder) {
    this.#requests = recorder.counter({
      name: 'portico_reach_requests_total',
      help: 'Answers to requests of this process itself, by what it asks and class of status code.',
      labels: ['server', 'code'],
      maxSeries: MAX_SERIES,
    })
    this.#failures = recorder.counter({
      name: 'portico_reach_failures_total',
      help: 'Requests of this process itself that were not answered whole, by the phase that failed.',
      labels: ['server', 'phase'],
      maxSeries: MAX_SERIES,
    })
    this.#seconds = recorder.histogram({
      name: 'portico_reach_first_byte_seconds',
      help: 'Until the head of an answer to a request of this process itself, all attempts together.',
      labels: ['server'],
      buckets: BUCKETS,
    })
  }
  /** @param server what is asked, in a word or two: `authentication webhook`. Not an address. */
  of(server: string): ReachMetrics {
    return {
      answered: (status, seconds) => {
        this.#requests.with(server, `${Math.floor(status / 100)}xx`).inc()
        this.#seconds.with(server).observe(seconds)
      },
      failed: (phase) => this.#failures.with(server, phase).inc(),
    }
  }
}
