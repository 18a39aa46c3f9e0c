/** The objects that an informer mirrors, by key and by index. Objects are shared: nobody changes them. */
import type { KubeObject } from '../api/meta.ts'

/** `namespace/name`, or `name` for a cluster-scoped object. */
export function keyOf(object: KubeObject): string {
  const { namespace, name = '' } = object.metadata
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
}
export function splitKey(key: string): { namespace: string | undefined; name: string } {
  const slash = key.indexOf('/')
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
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
  readonly #indexers: Readonly<Record<string, Indexer<T>>>
  readonly #indexes = new Map<string, Map<string, Set<string>>>()

  constructor(indexers: Readonly<Record<string, Indexer<T>>> = {}) {
    this.#indexers = { ...indexers, namespace: (o) => [o.metadata.namespace ?? ''] }
    for (const name of Object.keys(this.#indexers)) this.#indexes.set(name, new Map())
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
    const entries = this.#indexes.get(index)
    if (!entries) throw new RangeError(`no index ${index}`)
    return [...(entries.get(value) ?? [])].map((key) => this.#objects.get(key)!)
  }

  /** @returns what was there before. */
  set(object: T): T | undefined {
    const key = keyOf(object)
    const previous = this.delete(key)
    this.#objects.set(key, object)
    this.#eachValue(object, (entries, value) => {
      const keys = entries.get(value)
      if (keys) keys.add(key)
      else entries.set(value, new Set([key]))
    })
    return previous
  }

  delete(key: string): T | undefined {
    const previous = this.#objects.get(key)
    if (!previous) return undefined
    this.#objects.delete(key)
    this.#eachValue(previous, (entries, value) => {
      const keys = entries.get(value)
      keys?.delete(key)
      if (keys?.size === 0) entries.delete(value)
    })
    return previous
  }

  #eachValue(object: T, fn: (entries: Map<string, Set<string>>, value: string) => void): void {
    for (const [name, indexer] of Object.entries(this.#indexers)) {
      for (const value of indexer(object)) fn(this.#indexes.get(name)!, value)
    }
  }
}
