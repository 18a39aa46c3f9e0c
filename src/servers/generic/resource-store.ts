/**
 * The kept objects of one resource: its watch cache and what all versions of it share.
 *
 * Owns:    the cache, the series of its metrics. Released by [Symbol.asyncDispose], which ends its watches.
 * Callers: resource-server.ts makes one per StoreSpec and keeps it while the spec stays.
 */
import type { KubeObject } from '../../api/meta.ts'
import { LatestFrames } from '../../endpoints/latest-frames.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Family, Gauge, MetricsRecorder } from '../../observability/metrics.ts'
import { type BoundStorageMetrics, StorageMetrics, meteredStorage } from '../../registry/metered-storage.ts'
import { type ObjectCodec, objectCodec } from '../../registry/object-codec.ts'
import { selectableFieldsOf } from '../../registry/selectable-fields.ts'
import { type Decode, type Decoded, Undecodable } from '../../registry/watch-cache/cache-item.ts'
import { WatchCache } from '../../registry/watch-cache/watch-cache.ts'
import { WatchCacheMetrics } from '../../registry/watch-cache/watch-cache-metrics.ts'
import type { Storage, StoredValue } from '../../storage/storage.ts'
import type { StoreSpec } from './served-resource.ts'

export interface StoreSurroundings {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsRecorder
}

/** The metrics of all stores of a server. */
export class StoreMetrics {
  readonly storage: StorageMetrics
  readonly cache: WatchCacheMetrics
  readonly objects: Family<Gauge>

  constructor(metrics: MetricsRecorder) {
    this.storage = new StorageMetrics(metrics)
    this.cache = new WatchCacheMetrics(metrics)
    this.objects = metrics.gauge({
      name: 'apiserver_storage_objects',
      help: '[STABLE] Stored objects by resource.',
      labels: ['resource'],
    })
  }
}

export class ResourceStore implements AsyncDisposable {
  readonly spec: StoreSpec
  readonly storage: Storage
  readonly codec: ObjectCodec
  readonly cache: WatchCache<KubeObject>
  readonly frames = new LatestFrames()
  readonly #metrics: StoreMetrics
  readonly #stopCounting: () => void

  constructor(spec: StoreSpec, o: StoreSurroundings, metrics: StoreMetrics) {
    this.spec = spec
    this.#metrics = metrics
    const { group, resource } = spec.resource
    const bound: BoundStorageMetrics = metrics.storage.bind(group, resource)
    this.storage = meteredStorage(o.storage, bound, o.clock)
    this.codec = objectCodec(spec.form, spec.storedAs)
    this.cache = new WatchCache<KubeObject>({
      storage: this.storage,
      prefix: `${spec.prefix}/`,
      decode: this.decode,
      restamp: (object, revision) => ({
        ...object,
        metadata: { ...object.metadata, resourceVersion: String(revision) },
      }),
      clock: o.clock,
      log: o.log,
      metrics: metrics.cache.bind(group, resource),
    })
    const series = metrics.objects.with(this.#name)
    // Set at each scrape; -1 until the watch cache has been filled.
    this.#stopCounting = o.metrics.onCollect(() => series.set(this.cache.isReady ? this.cache.size : -1))
  }
  readonly decode: Decode<KubeObject> = (values) => values.map((value) => this.#decodeOne(value))

  #decodeOne({ value, revision }: StoredValue): Decoded<KubeObject> | Undecodable {
    try {
      const object = this.codec.decode(value, revision)
      return { object, labels: object.metadata.labels ?? {}, fields: selectableFieldsOf(this.spec, object) }
    } catch (error) {
      return new Undecodable(error)
    }
  }
  get #name(): string {
    const { group, resource } = this.spec.resource
    return group === '' ? resource : `${resource}.${group}`
  }
  async [Symbol.asyncDispose](): Promise<void> {
    const { group, resource } = this.spec.resource
    this.#stopCounting()
    await this.cache[Symbol.asyncDispose]()
    this.#metrics.objects.remove(this.#name)
    this.#metrics.cache.release(group, resource)
    this.#metrics.storage.release(group, resource)
  }
}
