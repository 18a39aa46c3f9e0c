/**
 * Follows a resource for all of the process: a store to read, and events that wake controllers.
 *
 * Owns:     the run of its source, from start() on; released by [Symbol.asyncDispose].
 * Callers:  informers.ts makes them, one for each resource.
 * Not here: where objects come from (object-source.ts); queues (work-queue.ts): handlers only put keys into them.
 */
import type { KubeObject } from '../api/meta.ts'
import { Deferred } from '../lib/deferred.ts'
import type { Published } from '../lib/published.ts'
import type { Logger } from '../observability/logger.ts'
import { type Indexer, objectKey, type Lister, ObjectStore } from './object-store.ts'
import type { ObjectSource } from './object-source.ts'

/** Called synchronously, in the order of the changes. A throw is logged and concerns no other handler. Objects are shared: a handler changes none. */
export interface EventHandler<T> {
  added?(object: T): void
  updated?(before: T, after: T): void
  /** The last state known; the deletion itself may have been missed. */
  deleted?(object: T): void
}
export interface InformerOptions<T> {
  readonly source: ObjectSource<T>
  readonly log: Logger
}

export class Informer<T extends KubeObject> implements AsyncDisposable {
  readonly #o: InformerOptions<T>
  readonly #store = new ObjectStore<T>()
  readonly #handlers = new Set<EventHandler<T>>()
  readonly #synced = new Deferred()
  readonly #abort = new AbortController()
  #running: Promise<void> | undefined
  #overlay = new Map<string, T>()
  /** Objects of the source that overlay objects hide. */
  readonly #hidden = new Map<string, T>()

  constructor(o: InformerOptions<T>) {
    this.#o = o
  }
  get lister(): Lister<T> {
    return this.#store
  }
  /** Resolves after the first list, when its events were handled. */
  get synced(): Promise<void> {
    return this.#synced.promise
  }
  get hasSynced(): boolean {
    return this.#synced.settled
  }

  /** Finds objects by more than their key, with Lister.byIndex. `namespace` is always there. */
  addIndexer(name: string, indexer: Indexer<T>): void {
    this.#store.addIndexer(name, indexer)
  }
  /**
   * Adds objects of another origin, files for example; an informer has one such origin at most. Each hides the source's
   * object of its name. They have no resourceVersion.
   */
  overlay(objects: Published<readonly T[]>): void {
    objects.subscribe((now) => this.#lay(now))
    this.#lay(objects.value)
  }

  /** Objects that are in the store already are added first. The result removes the handler. */
  addHandler(handler: EventHandler<T>): () => void {
    this.#handlers.add(handler)
    for (const object of this.#store.list()) this.#guard(() => handler.added?.(object))
    return () => this.#handlers.delete(handler)
  }

  /** Each controller that needs the informer starts it; the first call counts. */
  start(): void {
    if (this.#running) return
    const sink = {
      replace: (items: readonly T[]) => this.#replace(items),
      apply: (type: string, object: T) =>
        type === 'DELETED' ? this.#mirrorRemoved(objectKey(object), object) : this.#mirror(object),
    }
    this.#running = this.#o.source.run(sink, this.#abort.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  #replace(items: readonly T[]): void {
    const kept = new Set(items.map(objectKey))
    for (const key of [...this.#store.keys(), ...this.#hidden.keys()]) if (!kept.has(key)) this.#mirrorRemoved(key)
    for (const object of items) this.#mirror(object)
    this.#synced.resolve()
  }
  #mirror(object: T): void {
    const key = objectKey(object)
    if (this.#overlay.has(key)) this.#hidden.set(key, object)
    else this.#put(object)
  }
  #mirrorRemoved(key: string, last?: T): void {
    if (this.#overlay.has(key)) this.#hidden.delete(key)
    else this.#remove(key, last)
  }
  #lay(objects: readonly T[]): void {
    const before = this.#overlay
    this.#overlay = new Map(objects.map((o) => [objectKey(o), o]))
    for (const [key, object] of this.#overlay) {
      const mirrored = before.has(key) ? undefined : this.#store.get(key)
      if (mirrored) this.#hidden.set(key, mirrored)
      if (before.get(key) !== object) this.#put(object)
    }
    for (const key of before.keys()) {
      if (this.#overlay.has(key)) continue
      const mirrored = this.#hidden.get(key)
      this.#hidden.delete(key)
      if (mirrored) this.#put(mirrored)
      else this.#remove(key)
    }
  }

  /** The store takes the newer of two equal objects as well, so that the older can be freed. */
  #put(object: T): void {
    const before = this.#store.set(object)
    if (before && isSameState(before, object)) return
    for (const h of this.#handlers) this.#guard(() => (before ? h.updated?.(before, object) : h.added?.(object)))
  }

  #remove(key: string, last?: T): void {
    const before = this.#store.delete(key)
    const object = last ?? before
    if (!before || !object) return
    for (const h of this.#handlers) this.#guard(() => h.deleted?.(object))
  }

  #guard(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.#o.log.error('an event handler failed', { error })
    }
  }
}

/** Whether a new list only brought again what was known. Objects without a resourceVersion are never taken for the same. */
function isSameState({ metadata: a }: KubeObject, { metadata: b }: KubeObject): boolean {
  return a.resourceVersion !== undefined && a.resourceVersion === b.resourceVersion && a.uid === b.uid
}
