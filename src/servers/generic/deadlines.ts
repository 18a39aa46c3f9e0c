/**
 * The deadlines of requests that all get the same time: a list in the order of their end, looked at now and then.
 * A timer per request would cost more than all filters before it together.
 *
 * Owns: one timer, while there is anything to wait for.
 */
import type { Clock } from '../../lib/clock.ts'

/** Deadlines are late by this at most. */
const LOOK_EVERY_MS = 250
/** Or by this part of a short one. */
const LOOKS_PER_TIMEOUT = 20

interface Entry {
  readonly dueMs: number
  expire: (() => void) | undefined
  previous: Entry | undefined
  next: Entry | undefined
}

export class Deadlines {
  readonly #clock: Clock
  readonly #timeoutMs: number
  #first: Entry | undefined
  #last: Entry | undefined
  #looking = false

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }
  /** @returns forgets it. */
  add(expire: () => void): () => void {
    const entry: Entry = {
      dueMs: this.#clock.monotonicMs() + this.#timeoutMs,
      expire,
      previous: this.#last,
      next: undefined,
    }
    if (this.#last) this.#last.next = entry
    else this.#first = entry
    this.#last = entry
    if (!this.#looking) this.#look()
    return () => this.#remove(entry)
  }

  /** Leaves nothing behind that points from an old entry to a newer one: such chains outlive young collections. */
  #remove(entry: Entry): void {
    if (!entry.expire) return
    entry.expire = undefined
    if (entry.previous) entry.previous.next = entry.next
    else this.#first = entry.next
    if (entry.next) entry.next.previous = entry.previous
    else this.#last = entry.previous
    entry.previous = undefined
    entry.next = undefined
  }
  #look(): void {
    this.#looking = true
    this.#clock.after(Math.min(LOOK_EVERY_MS, this.#timeoutMs / LOOKS_PER_TIMEOUT), () => {
      const now = this.#clock.monotonicMs()
      while (this.#first && this.#first.dueMs <= now) {
        const { expire } = this.#first
        this.#remove(this.#first)
        expire!()
      }
      this.#looking = false
      if (this.#first) this.#look()
    })
  }
}
