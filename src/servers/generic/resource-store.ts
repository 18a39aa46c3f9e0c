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
import { ConvertingCodec } from '../../registry/converting-codec.ts'
import { type ObjectCodec, objectCodec, type SyncObjectCodec } from '../../registry/object-codec.ts'
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
  readonly #claims = new Map<string, number>()

  constructor(metrics: MetricsRecorder) {
    this.storage = new StorageMetrics(metrics)
    this.cache = new WatchCacheMetrics(metrics)
    this.objects = metrics.gauge({
      name: 'apiserver_storage_objects',
      help: '[STABLE] Stored objects by resource.',
      labels: ['resource'],
    })
  }
  /** Stores of one resource in several versions share its series. */
  claim(name: string): void {
    this.#claims.set(name, (this.#claims.get(name) ?? 0) + 1)
  }
  /** The series go with the last store. */
  release(name: string, { group, resource }: StoreSpec['resource']): void {
    const left = this.#claims.get(name)! - 1
    if (left > 0) return void this.#claims.set(name, left)
    this.#claims.delete(name)
    this.objects.remove(name)
    this.cache.release(group, resource)
    this.storage.release(group, resource)
  }
}

function decodedNow(
  codec: SyncObjectCodec,
  { value, revision }: StoredValue,
  decoded: (object: KubeObject) => Decoded<KubeObject>,
): Decoded<KubeObject> | Undecodable {
  try {
    return decoded(codec.decode(value, revision))
  } catch (error) {
    return new Undecodable(error)
  }
}

export class ResourceStore implements AsyncDisposable {
  readonly spec: StoreSpec
  readonly storage: Storage
  readonly codec: ObjectCodec
  readonly decode: Decode<KubeObject>
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
    const codec = spec.converted
      ? new ConvertingCodec({ ...spec.converted, form: spec.form })
      : objectCodec(spec.form, spec.storedAs)
    this.codec = codec
    const decoded = (object: KubeObject): Decoded<KubeObject> => ({
      object,
      labels: object.metadata.labels ?? {},
      fields: selectableFieldsOf(spec, object),
    })
    this.decode =
      codec instanceof ConvertingCodec
        ? async (values) => (await codec.decodeAll(values)).map((o) => (o instanceof Undecodable ? o : decoded(o)))
        : (values) => values.map((stored) => decodedNow(codec, stored, decoded))
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
    metrics.claim(this.#name)
    const series = metrics.objects.with(this.#name)
    // Set at each scrape; -1 until the watch cache has been filled.
    this.#stopCounting = o.metrics.onCollect(() => series.set(this.cache.isReady ? this.cache.size : -1))
  }
  get #name(): string {
    const { group, resource } = this.spec.resource
    return group === '' ? resource : `${resource}.${group}`
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopCounting()
    await this.cache[Symbol.asyncDispose]()
    this.#metrics.release(this.#name, this.spec.resource)
  }
}
