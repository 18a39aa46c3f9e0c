import type { Counter, Histogram, MetricsRecorder } from '../observability/metrics.ts'

/** Of the watches of one resource. */
export interface WatchMetrics {
  readonly events: Counter
  readonly sizes: Histogram
}

const SIZES = Array.from({ length: 8 }, (_, k) => 1024 * 2 ** k)

export function watchMetrics(
  metrics: MetricsRecorder,
): (group: string, version: string, resource: string) => WatchMetrics {
  const labels = ['group', 'version', 'resource']
  const events = metrics.counter({
    name: 'apiserver_watch_events_total',
    help: '[BETA] Events sent to watches.',
    labels,
  })
  const sizes = metrics.histogram({
    name: 'apiserver_watch_events_sizes',
    help: '[BETA] Bytes of events sent to watches.',
    labels,
    buckets: SIZES,
  })
  return (...values) => ({ events: events.with(...values), sizes: sizes.with(...values) })
}
