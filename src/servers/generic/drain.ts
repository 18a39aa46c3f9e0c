/**
 * Where a server stands between its start and its end, and what is under way.
 *
 *   serving --refuse()--> refusing --(nothing under way)--> drained
 *
 * Callers: filters/draining.ts counts and refuses; endpoints' watches listen to watchesEnd; app/run/stop.ts drives it.
 */
import type { Clock } from '../../lib/clock.ts'
import { Deferred } from '../../lib/deferred.ts'

export class Drain {
  /** Requests that are not long-running are over. */
  readonly drained = new Deferred()
  readonly #watches = new Set<() => void>()
  readonly #clock: Clock
  #refusing = false
  #underWay = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }
  get refusing(): boolean {
    return this.#refusing
  }
  get underWay(): number {
    return this.#underWay
  }
  get watches(): number {
    return this.#watches.size
  }
  /** From now on new requests are refused. */
  refuse(): void {
    this.#refusing = true
    this.#settle()
  }
  enter(): void {
    this.#underWay++
  }
  leave(): void {
    this.#underWay--
    this.#settle()
  }
  /** @param end called once when the long-running request should end by itself. The result unregisters. */
  trackWatch(end: () => void): () => void {
    this.#watches.add(end)
    return () => this.#watches.delete(end)
  }
  /** Ends the long-running requests one after another, spread over graceMs; resolves when all were told. */
  async endWatches(graceMs: number): Promise<void> {
    const all = [...this.#watches]
    const stepMs = all.length === 0 ? 0 : graceMs / all.length
    const startMs = this.#clock.monotonicMs()
    for (const [i, end] of all.entries()) {
      const waitMs = startMs + i * stepMs - this.#clock.monotonicMs()
      // Timers cannot do less than a millisecond: several watches share one.
      if (waitMs >= 1) await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve))
      if (this.#watches.delete(end)) end()
    }
  }
  #settle(): void {
    if (this.#refusing && this.#underWay === 0) this.drained.resolve()
  }
}
