/**
 * What one backend may take of this process: requests under way, requests that wait, watches, a rate. Absolute numbers,
 * so that a backend that hangs costs its own callers alone.
 *
 * Owns: the queue of those who wait, and one timer each.
 */
import type { Cancel, Clock } from '../lib/clock.ts'

export interface BulkheadRules {
  /** Without watches and the like. */
  readonly maxInFlight: number
  readonly maxQueued: number
  readonly maxQueueMs: number
  readonly maxWatches: number
  /** 0: no limit. */
  readonly requestsPerSecond: number
  readonly burst: number
}
export const defaultBulkhead: BulkheadRules = {
  maxInFlight: 600,
  maxQueued: 0,
  maxQueueMs: 1_000,
  maxWatches: 20_000,
  requestsPerSecond: 0,
  burst: 0,
}
export type Refusal = 'in-flight' | 'queue-timeout' | 'watches' | 'rate'
export interface Entry {
  readonly entered: () => void
  /** maxQueueMs is over. */
  readonly refused: () => void
}

interface Waiting extends Entry {
  readonly cancelTimer: Cancel
}

export class Bulkhead {
  #rules: BulkheadRules
  readonly #clock: Clock
  readonly #queue = new Set<Waiting>()
  #inFlight = 0
  #watches = 0
  #tokens: number
  #refilledMs: number

  constructor(rules: BulkheadRules, clock: Clock) {
    this.#rules = rules
    this.#clock = clock
    this.#tokens = rules.burst
    this.#refilledMs = clock.monotonicMs()
  }
  get stats(): { inFlight: number; queued: number; watches: number } {
    return { inFlight: this.#inFlight, queued: this.#queue.size, watches: this.#watches }
  }

  /** Other limits for the same requests: what is under way goes on and is counted. */
  reconfigure(rules: BulkheadRules): this {
    this.#rules = rules
    return this
  }

  /** @returns undefined: it is in, and leave() is due; `wait`: it may wait(). */
  enter(watch: boolean): Refusal | 'wait' | undefined {
    const { maxInFlight, maxQueued, maxWatches, requestsPerSecond } = this.#rules
    if (requestsPerSecond > 0 && !this.#takeToken()) return 'rate'
    if (watch) {
      if (this.#watches >= maxWatches) return 'watches'
      this.#watches++
      return undefined
    }
    if (this.#inFlight < maxInFlight) {
      this.#inFlight++
      return undefined
    }
    return this.#queue.size < maxQueued ? 'wait' : 'in-flight'
  }
  /** Calls one of the two. @returns gives up the place in the queue. */
  wait(entry: Entry): () => void {
    const waiting: Waiting = {
      ...entry,
      cancelTimer: this.#clock.after(this.#rules.maxQueueMs, () => {
        this.#queue.delete(waiting)
        entry.refused()
      }),
    }
    this.#queue.add(waiting)
    return () => {
      waiting.cancelTimer()
      this.#queue.delete(waiting)
    }
  }
  leave(watch: boolean): void {
    if (watch) {
      this.#watches--
      return
    }
    const [next] = this.#queue
    if (!next) {
      this.#inFlight--
      return
    }
    this.#queue.delete(next)
    next.cancelTimer()
    next.entered()
  }

  #takeToken(): boolean {
    const { requestsPerSecond, burst } = this.#rules
    const now = this.#clock.monotonicMs()
    this.#tokens = Math.min(Math.max(burst, 1), this.#tokens + ((now - this.#refilledMs) / 1_000) * requestsPerSecond)
    this.#refilledMs = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
