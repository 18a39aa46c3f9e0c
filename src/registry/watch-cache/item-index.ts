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
  #sorted: CacheItem<T>[]
  readonly #byKey = new Map<string, CacheItem<T>>()

  /** @param sorted in byte order of their keys; taken over. */
  constructor(sorted: CacheItem<T>[] = []) {
    this.#sorted = sorted
    for (const item of sorted) this.#byKey.set(item.key, item)
  }
  get size(): number {
    return this.#sorted.length
  }
  get(key: string): CacheItem<T> | undefined {
    return this.#byKey.get(key)
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
    return pageOf(this.#range(prefix), q)
  }

  /** The list as it was at a revision that history is complete after. O(range and events since). */
  listAt(prefix: string, at: Revision, history: History<T>, q: ListQuery<T>): Page<T> {
    const then = new Map<string, CacheItem<T> | undefined>()
    for (let s = history.sequenceAfter(at); s < history.end; s++) {
      const event = history.at(s)
      if (event.key.startsWith(prefix) && !then.has(event.key)) then.set(event.key, event.previous)
    }
    if (then.size === 0) return this.list(prefix, q)
    const unchanged = this.#range(prefix).filter((item) => !then.has(item.key))
    const changed = [...then.values()].filter((item) => item !== undefined)
    return pageOf(
      merge(
        unchanged,
        changed.sort((a, b) => compareKeys(a.key, b.key)),
      ),
      q,
    )
  }

  #range(prefix: string): CacheItem<T>[] {
    const start = lowerBound(this.#sorted, prefix, keyOf)
    // No valid UTF-8 byte sequence follows U+10FFFF, so this is the end of the prefix's range.
    const end = lowerBound(this.#sorted, `${prefix}\u{10ffff}`, keyOf)
    return this.#sorted.slice(start, end)
  }
}

const keyOf = (item: { readonly key: string }): string => item.key

function pageOf<T>(range: CacheItem<T>[], q: ListQuery<T>): Page<T> {
  let start = 0
  if (q.after !== undefined) {
    start = lowerBound(range, q.after, keyOf)
    if (range[start]?.key === q.after) start++
  }
  const limit = q.limit ?? Number.POSITIVE_INFINITY
  if (q.matches) return matchingPage(range, start, limit, q.matches)
  const items = start === 0 && limit >= range.length ? range : range.slice(start, start + limit)
  const remaining = range.length - start - items.length
  return { items, more: remaining > 0, remaining: Math.max(0, remaining) }
}

function matchingPage<T>(range: CacheItem<T>[], start: number, limit: number, matches: Predicate<T>): Page<T> {
  const items: CacheItem<T>[] = []
  for (let i = start; i < range.length; i++) {
    if (!matches(range[i]!)) continue
    if (items.length === limit) return { items, more: true, remaining: 0 }
    items.push(range[i]!)
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
