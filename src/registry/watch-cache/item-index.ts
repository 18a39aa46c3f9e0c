/** The items of one resource by key: in byte order for lists, by name for gets, and as they were a while ago. */
import { compareKeys, lowerBound } from '../../storage/key-order.ts'
import type { Revision } from '../../storage/storage.ts'
import type { CacheItem, Predicate } from './cache-item.ts'
import type { History } from './history.ts'

export interface ListQuery<T> {
  /** Only keys greater than this one. */
  readonly after?: string
  /** Most items. */
  readonly limit?: number
  readonly matches?: Predicate<T>
}
export interface Page<T> {
  readonly items: readonly CacheItem<T>[]
  /** Whether there are matching items after the last one. */
  readonly more: boolean
  /** How many they are; counted only when there is no predicate, else 0. */
  readonly remaining: number
}

export class ItemIndex<T> {
  readonly #sorted: CacheItem<T>[] = []
  readonly #byKey = new Map<string, CacheItem<T>>()

  get size(): number {
    return this.#sorted.length
  }
  get(key: string): CacheItem<T> | undefined {
    return this.#byKey.get(key)
  }

  /** Its key must come after all others. O(1). */
  append(item: CacheItem<T>): void {
    this.#sorted.push(item)
    this.#byKey.set(item.key, item)
  }
  set(item: CacheItem<T>): void {
    const at = lowerBound(this.#sorted, item.key, keyOf)
    this.#sorted.splice(at, this.#byKey.has(item.key) ? 1 : 0, item)
    this.#byKey.set(item.key, item)
  }

  delete(key: string): void {
    if (!this.#byKey.delete(key)) return
    this.#sorted.splice(lowerBound(this.#sorted, key, keyOf), 1)
  }

  /** O(log n) and the length of the answer; with a predicate, the length of the range. */
  list(prefix: string, q: ListQuery<T>): Page<T> {
    const [start, end] = this.#bounds(prefix)
    return pageOf(this.#sorted, start, end, q)
  }

  /** The list as it was at a revision that history is complete after. O(range and events since). */
  listAt(prefix: string, at: Revision, history: History<T>, q: ListQuery<T>): Page<T> {
    const then = new Map<string, CacheItem<T> | undefined>()
    for (let s = history.sequenceAfter(at); s < history.end; s++) {
      const event = history.at(s)
      if (event.key.startsWith(prefix) && !then.has(event.key)) then.set(event.key, event.previous)
    }
    if (then.size === 0) return this.list(prefix, q)
    const unchanged = this.#sorted.slice(...this.#bounds(prefix)).filter((item) => !then.has(item.key))
    const changed = [...then.values()].filter((item) => item !== undefined)
    changed.sort((a, b) => compareKeys(a.key, b.key))
    const state = merge(unchanged, changed)
    return pageOf(state, 0, state.length, q)
  }

  /** From the first item with the prefix to after the last: no text comes after U+10FFFF. */
  #bounds(prefix: string): [start: number, end: number] {
    return [lowerBound(this.#sorted, prefix, keyOf), lowerBound(this.#sorted, `${prefix}\u{10ffff}`, keyOf)]
  }
}

const keyOf = (item: { readonly key: string }): string => item.key

function pageOf<T>(sorted: CacheItem<T>[], first: number, end: number, q: ListQuery<T>): Page<T> {
  let start = first
  if (q.after !== undefined) {
    start = Math.max(first, lowerBound(sorted, q.after, keyOf))
    if (sorted[start]?.key === q.after) start++
  }
  const limit = q.limit ?? Number.POSITIVE_INFINITY
  if (q.matches) return matchingPage(sorted.slice(start, Math.max(start, end)), limit, q.matches)
  const stop = Math.max(start, Math.min(end, start + limit))
  const remaining = Math.max(0, end - stop)
  return { items: sorted.slice(start, stop), more: remaining > 0, remaining }
}

function matchingPage<T>(range: CacheItem<T>[], limit: number, matches: Predicate<T>): Page<T> {
  const items: CacheItem<T>[] = []
  for (const item of range) {
    if (!matches(item)) continue
    if (items.length === limit) return { items, more: true, remaining: 0 }
    items.push(item)
  }
  return { items, more: false, remaining: 0 }
}

function merge<T>(a: CacheItem<T>[], b: CacheItem<T>[]): CacheItem<T>[] {
  const merged: CacheItem<T>[] = []
  let j = 0
  for (const item of a) {
    while (j < b.length && compareKeys(b[j]!.key, item.key) < 0) merged.push(b[j++]!)
    merged.push(item)
  }
  return merged.concat(b.slice(j))
}
