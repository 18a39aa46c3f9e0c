/** A Storage that counts and times what one resource asks of it. Names are kube-apiserver's, whatever the engine. */
import type { Clock } from '../lib/clock.ts'
import type { Counter, Histogram, MetricsRecorder } from '../observability/metrics.ts'
import type { Storage } from '../storage/storage.ts'

const DURATION_S = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
type Operation = 'get' | 'list' | 'create' | 'update' | 'delete'
const OPERATIONS: readonly Operation[] = ['get', 'list', 'create', 'update', 'delete']

export class StorageMetrics {
  readonly #duration
  readonly #total
  readonly #errors

  constructor(metrics: MetricsRecorder) {
    const labels = ['operation', 'group', 'resource']
    this.#duration = metrics.histogram({
      name: 'etcd_request_duration_seconds',
      help: '[ALPHA] Time of requests to the storage by operation, group and resource, in seconds.',
      labels,
      buckets: DURATION_S,
    })
    this.#total = metrics.counter({
      name: 'etcd_requests_total',
      help: '[ALPHA] Requests to the storage by operation, group and resource.',
      labels,
    })
    this.#errors = metrics.counter({
      name: 'etcd_request_errors_total',
      help: '[ALPHA] Failed requests to the storage by operation, group and resource.',
      labels,
    })
  }
  bind(group: string, resource: string): BoundStorageMetrics {
    const of = <T>(family: { with(...values: string[]): T }): Record<Operation, T> =>
      Object.fromEntries(OPERATIONS.map((o) => [o, family.with(o, group, resource)])) as Record<Operation, T>
    return { duration: of(this.#duration), total: of(this.#total), errors: of(this.#errors) }
  }
  /** The resource is served no more: its series go. */
  release(group: string, resource: string): void {
    for (const operation of OPERATIONS)
      for (const family of [this.#duration, this.#total, this.#errors]) family.remove(operation, group, resource)
  }
}
export interface BoundStorageMetrics {
  readonly duration: Record<Operation, Histogram>
  readonly total: Record<Operation, Counter>
  readonly errors: Record<Operation, Counter>
}

export function meteredStorage(inner: Storage, metrics: BoundStorageMetrics, clock: Clock): Storage {
  async function timed<T>(operation: Operation, call: () => Promise<T>): Promise<T> {
    const startMs = clock.monotonicMs()
    metrics.total[operation].inc()
    try {
      return await call()
    } catch (e) {
      metrics.errors[operation].inc()
      throw e
    } finally {
      metrics.duration[operation].observe((clock.monotonicMs() - startMs) / 1000)
    }
  }
  return {
    // It changes while the server runs: an etcd proves it after a while.
    get freshness() {
      return inner.freshness
    },
    get: (key, at) => timed('get', () => inner.get(key, at)),
    list: (prefix, o) => timed('list', () => inner.list(prefix, o)),
    put: (key, value, o) => timed(o.expected === 'absent' ? 'create' : 'update', () => inner.put(key, value, o)),
    delete: (key, expected) => timed('delete', () => inner.delete(key, expected)),
    watch: (prefix, o) => inner.watch(prefix, o),
    requestProgress: (prefix) => inner.requestProgress(prefix),
    compact: (upTo) => inner.compact(upTo),
    currentRevision: () => inner.currentRevision(),
    oldestRevision: () => inner.oldestRevision(),
    // The wrapped storage belongs to whoever opened it.
    [Symbol.asyncDispose]: async () => {},
  }
}
