/** The metrics of all watch caches: made once, then bound to one resource each. */
import type { Counter, Family, Gauge, Histogram, MetricsRecorder } from '../../observability/metrics.ts'

export interface BoundWatchCacheMetrics {
  readonly received: Counter
  readonly dispatched: Counter
  readonly initEvents: Counter
  readonly terminated: Counter
  readonly watches: Gauge
  readonly initializations: Counter
  readonly initializationErrors: Counter
  readonly revision: Gauge
  readonly capacity: Gauge
  readonly readWaitSeconds: Histogram
  consistentRead(success: boolean): void
}

export class WatchCacheMetrics {
  readonly #counters: Record<string, Family<Counter>>
  readonly #watches: Family<Gauge>
  readonly #revision: Family<Gauge>
  readonly #capacity: Family<Gauge>
  readonly #readWait: Family<Histogram>
  readonly #consistent: Family<Counter>

  /** Names: Kubernetes v1.35, staging/src/k8s.io/apiserver/pkg/storage/cacher/metrics. */
  constructor(recorder: MetricsRecorder) {
    const labels = ['group', 'resource']
    const counter = (name: string, help: string): Family<Counter> => recorder.counter({ name, help, labels })
    this.#counters = {
      received: counter('apiserver_watch_cache_events_received_total', 'Changes received from the storage.'),
      dispatched: counter('apiserver_watch_cache_events_dispatched_total', 'Changes offered to watchers.'),
      init: counter('apiserver_init_events_total', 'Objects sent as initial events of watches.'),
      terminated: counter('apiserver_terminated_watchers_total', 'Watches ended because they were too slow.'),
      lists: counter('apiserver_watch_cache_initializations_total', 'Lists of the storage by a watch cache.'),
      errors: counter('apiserver_watch_cache_initialization_errors_total', 'Lists of the storage that failed.'),
    }
    this.#watches = recorder.gauge({
      name: 'portico_watch_cache_watches',
      help: 'Watches that a watch cache serves: those of clients, and one for each informer of this process.',
      labels,
    })
    this.#revision = recorder.gauge({
      name: 'apiserver_watch_cache_resource_version',
      help: 'The revision that a watch cache has reached.',
      labels,
    })
    this.#capacity = recorder.gauge({
      name: 'watch_cache_capacity',
      help: 'Events of history that a watch cache holds.',
      labels,
    })
    this.#readWait = recorder.histogram({
      name: 'apiserver_watch_cache_read_wait_seconds',
      help: 'How long reads waited for a watch cache to reach a revision.',
      labels,
      buckets: [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3],
    })
    this.#consistent = recorder.counter({
      name: 'apiserver_watch_cache_consistent_read_total',
      help: 'Reads that had to be proved up to date.',
      labels: ['group', 'resource', 'success', 'fallback'],
    })
  }

  bind(group: string, resource: string): BoundWatchCacheMetrics {
    const count = (name: string): Counter => this.#counters[name]!.with(group, resource)
    const succeeded = this.#consistent.with(group, resource, 'true', 'false')
    const failed = this.#consistent.with(group, resource, 'false', 'true')
    return {
      received: count('received'),
      dispatched: count('dispatched'),
      initEvents: count('init'),
      terminated: count('terminated'),
      watches: this.#watches.with(group, resource),
      initializations: count('lists'),
      initializationErrors: count('errors'),
      revision: this.#revision.with(group, resource),
      capacity: this.#capacity.with(group, resource),
      readWaitSeconds: this.#readWait.with(group, resource),
      consistentRead: (success) => (success ? succeeded : failed).inc(),
    }
  }
  /** The resource is served no more: its series go. */
  release(group: string, resource: string): void {
    for (const family of Object.values(this.#counters)) family.remove(group, resource)
    for (const family of [this.#watches, this.#revision, this.#capacity, this.#readWait]) family.remove(group, resource)
    for (const success of ['true', 'false'])
      this.#consistent.remove(group, resource, success, success === 'true' ? 'false' : 'true')
  }
}
