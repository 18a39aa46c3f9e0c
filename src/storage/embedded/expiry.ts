/** One timer for all TTLs: sweeps when the next one is due. */
import type { Cancel, Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'

/** A wall clock may be set: look again at least this often, and not more often than that. */
const MOST_MS = 60_000
const LEAST_MS = 100

export class Expiry implements Disposable {
  readonly #o: { clock: Clock; log: Logger; sweep: () => Promise<number | undefined> }
  #timer: { dueMs: number; cancel: Cancel } | undefined
  #sweeping = false
  #closed = false

  /** @param o.sweep answers when the next TTL is due, in ms since the epoch, or undefined when there is none. */
  constructor(o: { clock: Clock; log: Logger; sweep: () => Promise<number | undefined> }) {
    this.#o = o
  }

  /** Something is due then, in ms since the epoch. */
  wake(atMs: number): void {
    if (this.#closed || this.#sweeping) return // the sweep looks for itself
    const waitMs = Math.min(MOST_MS, Math.max(LEAST_MS, atMs - this.#o.clock.now()))
    const dueMs = this.#o.clock.monotonicMs() + waitMs
    if (this.#timer && this.#timer.dueMs <= dueMs) return
    this.#timer?.cancel()
    this.#timer = { dueMs, cancel: this.#o.clock.after(waitMs, () => void this.#sweep()) }
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  async #sweep(): Promise<void> {
    this.#timer = undefined
    this.#sweeping = true
    let nextMs: number | undefined
    try {
      nextMs = await this.#o.sweep()
    } catch (error) {
      if (!this.#closed) this.#o.log.warn('expired keys could not be deleted', { error })
      nextMs = this.#o.clock.now() + MOST_MS
    }
    this.#sweeping = false
    if (nextMs !== undefined) this.wake(nextMs)
  }
}
