/**
 * Refused requests wait here for their answers, of which some are written in each turn of the event loop: others
 * have their turn between those of a burst, and a client that is refused waits for some milliseconds.
 *
 * Callers: backend.ts.
 */

/** In so many turns at most is each answered. */
const TURNS = 32

export class RefusalLane {
  #waiting: (() => void)[] = []

  add(refuse: () => void): void {
    if (this.#waiting.push(refuse) === 1) setImmediate(() => this.#turn())
  }
  #turn(): void {
    const due = this.#waiting.splice(0, Math.ceil(this.#waiting.length / TURNS))
    if (this.#waiting.length > 0) setImmediate(() => this.#turn())
    for (const refuse of due) refuse()
  }
}
