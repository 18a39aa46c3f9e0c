/**
 * Keys that wait for work. A key waits at most once; a key that is added while it is being worked on waits again after
 * that. Failed keys come back after a delay that doubles from 5 ms to 1000 s, each on its own.
 * Source of the rules: client-go's util/workqueue.
 *
 *   (gone) --add--> waiting --take--> working --done--> (gone), or waiting when added meanwhile
 */
import { Backoff } from '../lib/backoff.ts'
import type { Cancel, Clock } from '../lib/clock.ts'
import type { BoundWorkQueueMetrics } from './work-queue-metrics.ts'

export interface WorkQueueOptions {
  readonly clock: Clock
  readonly metrics: BoundWorkQueueMetrics
  /** Most keys that wait, and most that are delayed; more are dropped and counted. Default 100,000. */
  readonly limit?: number
}

const RETRY = { baseMs: 5, maxMs: 1_000_000 }

export class WorkQueue implements Disposable {
  readonly #clock: Clock
  readonly #metrics: BoundWorkQueueMetrics
  readonly #limit: number
  /** Keys in order of arrival, with the time of it. */
  readonly #waiting = new Map<string, number>()
  /** Keys in work, with the time the work began. */
  readonly #working = new Map<string, number>()
  /** Working, and added again. */
  readonly #again = new Set<string>()
  readonly #delayed = new Map<string, { dueMs: number; cancel: Cancel }>()
  readonly #backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
  readonly #takers: ((key: string | undefined) => void)[] = []
  readonly #stopMetrics: () => void
  /** Takes and gives nothing. */
  #suspended = false
  #disposed = false

  constructor(o: WorkQueueOptions) {
    this.#clock = o.clock
    this.#metrics = o.metrics
    this.#limit = o.limit ?? 100_000
    this.#stopMetrics = o.metrics.watchUnfinished(() => this.#ages())
  }
  /** Keys that wait. */
  get length(): number {
    return this.#waiting.size
  }
  /** Failures since forget(). */
  failures(key: string): number {
    return this.#backoff.failures(key)
  }

  /** @returns false when the queue is full or suspended: the key was dropped. */
  add(key: string): boolean {
    if (this.#suspended) return false
    if (this.#waiting.has(key)) return true
    if (this.#working.has(key)) {
      if (!this.#again.has(key)) this.#metrics.adds.inc()
      this.#again.add(key)
      return true
    }
    if (this.#waiting.size >= this.#limit) return this.#drop()
    this.#metrics.adds.inc()
    this.#enqueue(key)
    return true
  }

  /** Adds the key later; of several times the earliest counts. */
  addAfter(key: string, delayMs: number): boolean {
    if (this.#suspended) return false
    if (delayMs <= 0) return this.add(key)
    const dueMs = this.#clock.monotonicMs() + delayMs
    const known = this.#delayed.get(key)
    if (known && known.dueMs <= dueMs) return true
    if (!known && this.#delayed.size >= this.#limit) return this.#drop()
    known?.cancel()
    this.#metrics.retries.inc()
    const cancel = this.#clock.after(delayMs, () => {
      this.#delayed.delete(key)
      this.add(key)
    })
    this.#delayed.set(key, { dueMs, cancel })
    return true
  }

  /** Adds the key after its back-off. */
  retry(key: string): boolean {
    return this.addAfter(key, this.#backoff.next(key))
  }
  /** The key succeeded, or is given up: the next failure is its first. */
  forget(key: string): void {
    this.#backoff.forget(key)
  }

  /** The next key, now in work until done(). @returns undefined while the queue is suspended. */
  take(): Promise<string | undefined> {
    if (this.#suspended) return Promise.resolve(undefined)
    const next = this.#waiting.keys().next()
    if (!next.done) return Promise.resolve(this.#begin(next.value))
    return new Promise((resolve) => this.#takers.push(resolve))
  }

  done(key: string): void {
    const startMs = this.#working.get(key)
    if (startMs === undefined) return
    this.#working.delete(key)
    this.#metrics.workSeconds.observe((this.#clock.monotonicMs() - startMs) / 1000)
    if (this.#again.delete(key) && !this.#suspended) this.#enqueue(key)
  }

  /** Nothing is taken or given out until resume(); what waits or is delayed is dropped, what is in work goes on. */
  suspend(): void {
    this.#suspended = true
    for (const { cancel } of this.#delayed.values()) cancel()
    this.#delayed.clear()
    this.#waiting.clear()
    this.#metrics.depth.set(0)
    for (const taker of this.#takers.splice(0)) taker(undefined)
  }
  resume(): void {
    if (!this.#disposed) this.#suspended = false
  }
  /** Suspended for good: the next start lists everything again. */
  [Symbol.dispose](): void {
    this.#disposed = true
    this.suspend()
    this.#stopMetrics()
  }

  #enqueue(key: string): void {
    this.#waiting.set(key, this.#clock.monotonicMs())
    this.#metrics.depth.set(this.#waiting.size)
    this.#takers.shift()?.(this.#begin(this.#waiting.keys().next().value!))
  }

  #begin(key: string): string {
    const now = this.#clock.monotonicMs()
    this.#metrics.queueSeconds.observe((now - this.#waiting.get(key)!) / 1000)
    this.#waiting.delete(key)
    this.#metrics.depth.set(this.#waiting.size)
    this.#working.set(key, now)
    return key
  }

  #drop(): false {
    this.#metrics.dropped.inc()
    return false
  }

  #ages(): { totalSeconds: number; longestSeconds: number } {
    const now = this.#clock.monotonicMs()
    const seconds = [...this.#working.values()].map((startMs) => (now - startMs) / 1000)
    return { totalSeconds: seconds.reduce((a, b) => a + b, 0), longestSeconds: Math.max(0, ...seconds) }
  }
}
