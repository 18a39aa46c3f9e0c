import type { Cancel, Clock } from './clock.ts'

type Timer = { at: number; order: number; fn: () => void }

/** A Clock that a test moves by hand. Timers fire in order of their time, then of their making. */
export class FakeClock implements Clock {
  #now: number
  #order = 0
  #timers: Timer[] = []

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#now = startMs
  }
  now(): number {
    return this.#now
  }
  monotonicMs(): number {
    return this.#now
  }
  after(delayMs: number, fn: () => void): Cancel {
    const timer: Timer = { at: this.#now + delayMs, order: this.#order++, fn }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((t) => t !== timer)
    }
  }
  get pending(): number {
    return this.#timers.length
  }
  /** Moves the time and fires what is due; callbacks see the time they were due at. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const due = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (!due) break
      this.#timers = this.#timers.filter((t) => t !== due)
      this.#now = Math.max(this.#now, due.at)
      due.fn()
    }
    this.#now = end
  }
}
