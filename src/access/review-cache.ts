/**
 * Remembers answers that another server gave, good and bad ones apart: callers who try bad credentials push no
 * good ones out. Who asks while the same question is under way waits for its answer.
 *
 * Owns:     at most `max` answers of each sort, for as long as their time to live says.
 * Callers:  authentication/token-review.ts, authorization/access-review.ts.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../lib/clock.ts'

export interface ReviewCacheOptions<T> {
  readonly clock: Clock
  /** The most answers of each sort that are kept. */
  readonly max: number
  /** Questions under way at once; further ones fail at once. */
  readonly maxUnderWay: number
  readonly isGood: (answer: T) => boolean
  /** 0: not remembered. */
  readonly goodTtlMs: number
  readonly badTtlMs: number
}

export class ReviewCache<T extends object> {
  readonly #o: ReviewCacheOptions<T>
  readonly #good: LRUCache<string, T>
  readonly #bad: LRUCache<string, T>
  #underWay = new Map<string, Promise<T>>()

  constructor(o: ReviewCacheOptions<T>) {
    this.#o = o
    const perf = { now: () => o.clock.monotonicMs() }
    const cache = (): LRUCache<string, T> => new LRUCache({ max: o.max, ttl: 1, ttlResolution: 0, perf })
    this.#good = cache()
    this.#bad = cache()
  }
  get underWay(): number {
    return this.#underWay.size
  }
  known(key: string): T | undefined {
    return this.#good.get(key) ?? this.#bad.get(key)
  }
  /** The same promise for all who ask while it is not settled. Failures are not remembered. */
  ask(key: string, load: () => Promise<T>): Promise<T> {
    const asked = this.#underWay.get(key)
    if (asked) return asked
    if (this.#underWay.size >= this.#o.maxUnderWay)
      return Promise.reject(new RangeError(`${this.#o.maxUnderWay} reviews are under way already`))
    const flights = this.#underWay
    const answer = load().then(
      (value) => {
        // Not where the cache was cleared meanwhile: the answer is from who is not asked any more.
        if (flights === this.#underWay) this.#remember(key, value)
        flights.delete(key)
        return value
      },
      (error: unknown) => {
        flights.delete(key)
        throw error
      },
    )
    flights.set(key, answer)
    return answer
  }
  isUnderWay(key: string): boolean {
    return this.#underWay.has(key)
  }
  clear(): void {
    this.#good.clear()
    this.#bad.clear()
    this.#underWay = new Map()
  }
  #remember(key: string, value: T): void {
    const good = this.#o.isGood(value)
    const ttl = good ? this.#o.goodTtlMs : this.#o.badTtlMs
    if (ttl > 0) (good ? this.#good : this.#bad).set(key, value, { ttl })
  }
}
