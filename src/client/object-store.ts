/** The objects that an informer follows, by key and by index. They are shared with their source and never changed. */
import type { KubeObject } from '../api/meta.ts'

/** `namespace/name`, or `name` for a cluster-scoped object. */
export function objectKey(object: KubeObject): string {
  const { namespace, name = '' } = object.metadata
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
}

/** The values under which an object is found in one index. */
export type Indexer<T> = (object: T) => readonly string[]

/** Reads only. */
export interface Lister<T> {
  get(key: string): T | undefined
  /** @param namespace absent: of all namespaces. In no order. */
  list(namespace?: string): readonly T[]
  byIndex(index: string, value: string): readonly T[]
  readonly size: number
}

export class ObjectStore<T extends KubeObject> implements Lister<T> {
  readonly #objects = new Map<string, T>()
  readonly #indexes = new Map<string, Index<T>>()

  constructor() {
    this.addIndexer('namespace', (o) => [o.metadata.namespace ?? ''])
  }
  /** Objects that are here already are indexed as well. @throws Error for a name that is taken. */
  addIndexer(name: string, valuesOf: Indexer<T>): void {
    if (this.#indexes.has(name)) throw new Error(`there are two indexes of the name ${name}`)
    const index = new Index(valuesOf)
    this.#indexes.set(name, index)
    for (const [key, object] of this.#objects) index.add(key, object)
  }
  get size(): number {
    return this.#objects.size
  }
  get(key: string): T | undefined {
    return this.#objects.get(key)
  }
  keys(): IterableIterator<string> {
    return this.#objects.keys()
  }
  list(namespace?: string): readonly T[] {
    return namespace === undefined ? [...this.#objects.values()] : this.byIndex('namespace', namespace)
  }
  byIndex(index: string, value: string): readonly T[] {
    const found = this.#indexes.get(index)
    if (!found) throw new RangeError(`no index ${index}`)
    return Array.from(found.keys(value), (key) => this.#objects.get(key)!)
  }

  /** @returns what was there before. */
  set(object: T): T | undefined {
    const key = objectKey(object)
    const previous = this.delete(key)
    this.#objects.set(key, object)
    for (const index of this.#indexes.values()) index.add(key, object)
    return previous
  }

  delete(key: string): T | undefined {
    const previous = this.#objects.get(key)
    if (!previous) return undefined
    this.#objects.delete(key)
    for (const index of this.#indexes.values()) index.remove(key, previous)
    return previous
  }
}

class Index<T> {
  readonly #valuesOf: Indexer<T>
  readonly #keys = new Map<string, Set<string>>()

  constructor(valuesOf: Indexer<T>) {
    this.#valuesOf = valuesOf
  }
  keys(value: string): Iterable<string> {
    return this.#keys.get(value) ?? []
  }
  add(key: string, object: T): void {
    for (const value of this.#valuesOf(object)) {
      const keys = this.#keys.get(value)
      if (keys) keys.add(key)
      else this.#keys.set(value, new Set([key]))
    }
  }
  remove(key: string, object: T): void {
    for (const value of this.#valuesOf(object)) {
      const keys = this.#keys.get(value)
      keys?.delete(key)
      if (keys?.size === 0) this.#keys.delete(value)
    }
  }
}
