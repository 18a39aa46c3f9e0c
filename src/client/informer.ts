/**
 * One mirror of a resource for everyone in the process: a store to read, and events for who wants to be woken.
 *
 * Owns:     a reflector, from start() on; released by [Symbol.asyncDispose].
 * Not here: queues (work-queue.ts); handlers only put keys into them.
 */
import type { KubeObject } from '../api/meta.ts'
import { Deferred } from '../lib/deferred.ts'
import type { Published } from '../lib/published.ts'
import { type Indexer, keyOf, type Lister, ObjectStore } from './object-store.ts'
import { Reflector, type ReflectorOptions } from './reflector.ts'

/** Called synchronously, in the order of the changes; one that throws is logged. */
export interface EventHandler<T> {
  added?(object: T): void
  updated?(before: T, after: T): void
  /** The last state known; the deletion itself may have been missed. */
  deleted?(object: T): void
}
export interface InformerOptions<T> extends Omit<ReflectorOptions<T>, 'sink'> {
  /** By name; `namespace` is always there. */
  readonly indexers?: Readonly<Record<string, Indexer<T>>>
  /** Objects of another origin, files for example; one hides a mirrored object of its name. They have no resourceVersion. */
  readonly overlay?: Published<readonly T[]> | undefined
}

export class Informer<T extends KubeObject> implements AsyncDisposable {
  readonly #o: InformerOptions<T>
  readonly #store: ObjectStore<T>
  readonly #handlers = new Set<EventHandler<T>>()
  readonly #synced = new Deferred()
  readonly #abort = new AbortController()
  #running: Promise<void> | undefined
  #overlay = new Map<string, T>()
  /** What overlay objects hide. */
  readonly #hidden = new Map<string, T>()

  constructor(o: InformerOptions<T>) {
    this.#o = o
    this.#store = new ObjectStore(o.indexers)
    o.overlay?.subscribe((objects) => this.#lay(objects))
    if (o.overlay) this.#lay(o.overlay.value)
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

  /** What is in the store already is added first. The result ends it. */
  addHandler(handler: EventHandler<T>): () => void {
    this.#handlers.add(handler)
    for (const object of this.#store.list()) this.#guard(() => handler.added?.(object))
    return () => this.#handlers.delete(handler)
  }

  start(): void {
    if (this.#running) return
    const sink = {
      replace: (items: readonly T[]) => this.#replace(items),
      apply: (type: string, object: T) =>
        type === 'DELETED' ? this.#mirrorRemoved(keyOf(object), object) : this.#mirror(object),
    }
    this.#running = new Reflector({ ...this.#o, sink }).run(this.#abort.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#running
  }

  #replace(items: readonly T[]): void {
    const kept = new Set(items.map(keyOf))
    for (const key of [...this.#store.keys(), ...this.#hidden.keys()]) if (!kept.has(key)) this.#mirrorRemoved(key)
    for (const object of items) this.#mirror(object)
    this.#synced.resolve()
  }
  #mirror(object: T): void {
    const key = keyOf(object)
    if (this.#overlay.has(key)) this.#hidden.set(key, object)
    else this.#put(object)
  }
  #mirrorRemoved(key: string, last?: T): void {
    if (this.#overlay.has(key)) this.#hidden.delete(key)
    else this.#remove(key, last)
  }
  #lay(objects: readonly T[]): void {
    const before = this.#overlay
    this.#overlay = new Map(objects.map((o) => [keyOf(o), o]))
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

  #put(object: T): void {
    const before = this.#store.set(object)
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
