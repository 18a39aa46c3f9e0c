/**
 * Stored values to items of a watch cache. Synchronous where the cache's owner decodes so, since a promise per batch is
 * paid by every event; a batch that fails as a whole is tried again until it succeeds or the cache is closed.
 *
 * Callers: watch-cache.ts, with one page or one batch of events at a time: their order is the caller's.
 */
import { Backoff } from '../../lib/backoff.ts'
import { type Clock, sleep } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Revision, StorageEvent, StoredValue } from '../../storage/storage.ts'
import { CacheItem, type Decode, type Decoded, Undecodable } from './cache-item.ts'

export interface CorruptKey {
  readonly key: string
  readonly revision: Revision
  readonly error: unknown
}
type Outcomes<T> = readonly (Decoded<T> | Undecodable)[]
/** One for each value, in order. */
export type Items<T> = readonly (CacheItem<T> | CorruptKey)[]

export const hasValue = (event: StorageEvent): event is StorageEvent & StoredValue => event.value !== undefined

export const RETRY = { baseMs: 100, maxMs: 10_000 }

export class Decoder<T> {
  readonly #decode: Decode<T>
  readonly #clock: Clock
  readonly #log: Logger
  readonly #closed: AbortSignal

  /** @param closed ends what waits; its reason is then thrown. */
  constructor(o: { decode: Decode<T>; clock: Clock; log: Logger }, closed: AbortSignal) {
    this.#decode = o.decode
    this.#clock = o.clock
    this.#log = o.log
    this.#closed = closed
  }

  /** A promise only where decoding gave one, or has failed. */
  items(values: readonly StoredValue[]): Items<T> | Promise<Items<T>> {
    if (values.length === 0) return []
    let outcomes: Outcomes<T> | Promise<Outcomes<T>>
    try {
      outcomes = this.#decode(values)
    } catch (error) {
      outcomes = Promise.reject(error as Error)
    }
    if (!(outcomes instanceof Promise)) return this.#itemsOf(values, outcomes)
    return this.#patiently(values, outcomes)
  }

  async #patiently(values: readonly StoredValue[], first: Promise<Outcomes<T>>): Promise<Items<T>> {
    const backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
    for (let tried = first; ; tried = (async () => this.#decode(values))()) {
      try {
        return this.#itemsOf(values, await this.#untilClosed(tried))
      } catch (error) {
        this.#closed.throwIfAborted()
        const delayMs = backoff.next('')
        this.#log.warn('stored objects cannot be decoded now', { first: values[0]!.key, delayMs, error })
        await sleep(this.#clock, delayMs, this.#closed)
      }
    }
  }

  /** Whoever decodes need not end when the cache does. */
  async #untilClosed<V>(promise: Promise<V>): Promise<V> {
    const closed = Promise.withResolvers<never>()
    const close = (): void => closed.reject(this.#closed.reason)
    this.#closed.addEventListener('abort', close, { once: true })
    try {
      this.#closed.throwIfAborted()
      return await Promise.race([promise, closed.promise])
    } finally {
      this.#closed.removeEventListener('abort', close)
    }
  }

  #itemsOf(values: readonly StoredValue[], outcomes: Outcomes<T>): Items<T> {
    return values.map(({ key, revision }, i) => {
      const outcome = outcomes[i]!
      if (!(outcome instanceof Undecodable)) return new CacheItem(key, revision, outcome)
      const { error } = outcome
      this.#log.error('a stored object cannot be decoded', { key, revision, error })
      return { key, revision, error }
    })
  }
}
