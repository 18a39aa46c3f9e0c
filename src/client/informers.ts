/**
 * The informers of a process: one for each resource, shared by all parts that follow it.
 *
 * Owns:     the informers, released by [Symbol.asyncDispose].
 * Callers:  app/ and servers/ ask while controllers are made; a controller starts what it needs.
 * Not here: where objects come from (object-source.ts), which app/ decides for each resource.
 */
import { formatGroupResource, type GroupVersionResource } from '../api/group-version.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Logger } from '../observability/logger.ts'
import type { MetricsRecorder } from '../observability/metrics.ts'
import { Informer } from './informer.ts'
import type { ObjectRange, ObjectSource } from './object-source.ts'

export interface InformersOptions {
  /** Called once for each informer. */
  readonly sourceOf: (resource: GroupVersionResource, range: ObjectRange) => ObjectSource<KubeObject>
  readonly log: Logger
  readonly metrics: MetricsRecorder
}

export class Informers implements AsyncDisposable {
  readonly #o: InformersOptions
  readonly #all = new Map<string, { resource: GroupVersionResource; informer: Informer<KubeObject> }>()
  readonly #stopCounting: () => void

  constructor(o: InformersOptions) {
    this.#o = o
    const objects = o.metrics.gauge({
      name: 'portico_informer_objects',
      help: 'Objects that informers of this process follow, by resource.',
      labels: ['resource'],
    })
    this.#stopCounting = o.metrics.onCollect(() => {
      const sizes = new Map<string, number>()
      for (const { resource, informer } of this.#all.values()) {
        const name = formatGroupResource(resource)
        sizes.set(name, (sizes.get(name) ?? 0) + informer.lister.size)
      }
      for (const [name, size] of sizes) objects.with(name).set(size)
    })
  }

  /** The informer of all objects of a resource. */
  of<T extends KubeObject>(resource: GroupVersionResource): Informer<T> {
    return this.#informer(resource, {})
  }
  /** The informer of one object, for a resource whose other objects do not matter. */
  ofOne<T extends KubeObject>(
    resource: GroupVersionResource,
    object: { readonly namespace: string; readonly name: string },
  ): Informer<T> {
    return this.#informer(resource, object)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopCounting()
    await Promise.all([...this.#all.values()].map(({ informer }) => informer[Symbol.asyncDispose]()))
  }

  /** The caller names the type of the resource's objects, as it does with Client.resource(). */
  #informer<T extends KubeObject>(resource: GroupVersionResource, range: ObjectRange): Informer<T> {
    const id = JSON.stringify([resource.group, resource.version, resource.resource, range.namespace, range.name])
    const known = this.#all.get(id)?.informer
    if (known) return known as unknown as Informer<T>
    const informer = new Informer<T>({ source: this.#o.sourceOf(resource, range) as ObjectSource<T>, log: this.#o.log })
    this.#all.set(id, { resource, informer: informer as unknown as Informer<KubeObject> })
    return informer
  }
}
