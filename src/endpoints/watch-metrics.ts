import type { Counter, Family, Histogram, MetricsRecorder } from '../observability/metrics.ts'

/** The series of the watches of one resource. */
export interface WatchMetrics {
  readonly events: Counter
  readonly sizes: Histogram
}

const SIZES = Array.from({ length: 8 }, (_, k) => 1024 * 2 ** k)

/** The metrics of all watches: made once, then bound to one served resource each. */
export class AllWatchMetrics {
  readonly #events: Family<Counter>
  readonly #sizes: Family<Histogram>

  constructor(metrics: MetricsRecorder) {
    const labels = ['group', 'version', 'resource']
    this.#events = metrics.counter({
      name: 'apiserver_watch_events_total',
      help: '[BETA] Events sent to watches.',
      labels,
    })
    this.#sizes = metrics.histogram({
      name: 'apiserver_watch_events_sizes',
      help: '[BETA] Bytes of events sent to watches.',
      labels,
      buckets: SIZES,
    })
  }
  bind({ group, version, resource }: ServedNames): WatchMetrics {
    return { events: this.#events.with(group, version, resource), sizes: this.#sizes.with(group, version, resource) }
  }
  /** The resource is served no more: its series go. */
  release({ group, version, resource }: ServedNames): void {
    for (const family of [this.#events, this.#sizes]) family.remove(group, version, resource)
  }
}
interface ServedNames {
  readonly group: string
  readonly version: string
  readonly resource: string
}
