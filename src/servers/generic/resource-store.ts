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
import { type ObjectCodec, objectCodec } from '../../registry/object-codec.ts'
import type { DecodeStored } from '../../registry/list-reader.ts'
import { selectableFieldsOf } from '../../registry/selectable-fields.ts'
import type { Decoded } from '../../registry/watch-cache/cache-item.ts'
import { WatchCache, type WatchCacheOptions } from '../../registry/watch-cache/watch-cache.ts'
import { WatchCacheMetrics } from '../../registry/watch-cache/watch-cache-metrics.ts'
import type { Storage } from '../../storage/storage.ts'
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

/** The three ways in which stored values are read; those of the cache are one or the other. */
type Decoding = Pick<WatchCacheOptions<KubeObject>, 'decodeBatch'> & {
  readonly codec: ObjectCodec
  readonly decodeOne?: WatchCacheOptions<KubeObject>['decode']
  readonly decode: DecodeStored
}
function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason
  return result.value
}

export class ResourceStore implements AsyncDisposable {
  readonly spec: StoreSpec
  readonly storage: Storage
  readonly codec: ObjectCodec
  readonly decode: DecodeStored
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
    const decoding = this.#decoding(spec)
    this.codec = decoding.codec
    this.decode = decoding.decode
    this.cache = new WatchCache<KubeObject>({
      storage: this.storage,
      prefix: `${spec.prefix}/`,
      decode: decoding.decodeOne,
      decodeBatch: decoding.decodeBatch,
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
  #decoding(spec: StoreSpec): Decoding {
    const decoded = (object: KubeObject): Decoded<KubeObject> => ({
      object,
      labels: object.metadata.labels ?? {},
      fields: selectableFieldsOf(spec, object),
    })
    if (!spec.converted) {
      const codec = objectCodec(spec.form, spec.storedAs)
      const decodeOne = (value: Uint8Array, revision: number): Decoded<KubeObject> =>
        decoded(codec.decode(value, revision))
      return { codec, decodeOne, decode: (values) => values.map((v) => decodeOne(v.value, v.revision)) }
    }
    const codec = new ConvertingCodec({ ...spec.converted, form: spec.form })
    const decodeBatch: NonNullable<Decoding['decodeBatch']> = async (values) =>
      (await codec.decodeAll(values)).map((r) => (r.status === 'rejected' ? r : { ...r, value: decoded(r.value) }))
    return { codec, decodeBatch, decode: async (values) => (await decodeBatch(values)).map(valueOf) }
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
