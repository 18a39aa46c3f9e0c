/**
 * The latest events of one resource, complete after a revision. Bounded by number and by age. Each event has a
 * sequence number, which never repeats: a reader's place, also where several events share one revision.
 */
import type { Revision } from '../../storage/storage.ts'
import type { CacheEvent } from './cache-item.ts'

/** So many are kept however old they are. Source of all three: Kubernetes v1.35, cacher/watch_cache.go. */
const LEAST_EVENTS = 100
export const MOST_EVENTS = 100 * 1024
export const KEPT_MS = 75_000

export class History<T> {
  readonly #most: number
  /** What stands before #first is undefined: the list is cut seldom, the events are free at once. */
  #events: (CacheEvent<T> | undefined)[] = []
  #timesMs: number[] = []
  /** The sequence number of #events[0]. */
  #base = 0
  /** The sequence number of the oldest event that counts; those before it wait for #cut. */
  #first = 0
  #completeAfter: Revision = 0

  constructor(most: number) {
    this.#most = most
  }
  /** Every event after this revision is here. */
  get completeAfter(): Revision {
    return this.#completeAfter
  }
  /** The sequence number of the oldest event. */
  get first(): number {
    return this.#first
  }
  /** The sequence number of the next event. */
  get end(): number {
    return this.#base + this.#events.length
  }

  /** There is more than what is kept however old it is. */
  get ages(): boolean {
    return this.end - this.#first > LEAST_EVENTS
  }

  /** Forgets everything; sequence numbers go on. */
  reset(completeAfter: Revision): void {
    this.#base = this.end
    this.#first = this.#base
    this.#events = []
    this.#timesMs = []
    this.#completeAfter = completeAfter
  }

  append(event: CacheEvent<T>, nowMs: number): void {
    this.#events.push(event)
    this.#timesMs.push(nowMs)
  }

  /** Drops what is too much or too old. Call when everyone who follows closely has seen what was appended. */
  trim(nowMs: number): void {
    while (this.#tooMany(nowMs)) {
      this.#completeAfter = this.at(this.#first).revision
      this.#events[this.#first - this.#base] = undefined
      this.#first++
    }
    if (this.#first - this.#base > Math.max(64, this.#events.length / 2)) this.#cut()
  }

  /** @param sequence from first up to, not including, end. */
  at(sequence: number): CacheEvent<T> {
    return this.#events[sequence - this.#base]!
  }

  /** The sequence number of the first event after a revision that history is complete after. O(log n). */
  sequenceAfter(revision: Revision): number {
    let low = this.#first
    let high = this.end
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.at(middle).revision <= revision) low = middle + 1
      else high = middle
    }
    return low
  }

  #tooMany(nowMs: number): boolean {
    const length = this.end - this.#first
    if (length > this.#most) return true
    return length > LEAST_EVENTS && this.#timesMs[this.#first - this.#base]! < nowMs - KEPT_MS
  }

  #cut(): void {
    const dropped = this.#first - this.#base
    this.#events = this.#events.slice(dropped)
    this.#timesMs = this.#timesMs.slice(dropped)
    this.#base = this.#first
  }
}
