/** Lets few pieces of work go on at once, in the order in which they came; what is slow is no longer counted. */
import type { Clock } from './clock.ts'
import { Deferred } from './deferred.ts'

export class Turns {
  readonly #o: { readonly atOnce: number; readonly maxMs: number; readonly clock: Clock }
  readonly #waiting: Deferred[] = []
  #taken = 0

  /** @param o.maxMs after which a turn ends by itself: what hangs must not hold up the others. */
  constructor(o: { readonly atOnce: number; readonly maxMs: number; readonly clock: Clock }) {
    this.#o = o
  }
  /** @returns what ends the turn. */
  async take(): Promise<Disposable> {
    if (this.#taken === this.#o.atOnce) {
      const turn = new Deferred()
      this.#waiting.push(turn)
      await turn.promise
    } else this.#taken++
    let over = false
    const end = (): void => {
      if (over) return
      over = true
      cancel()
      const next = this.#waiting.shift()
      if (next) next.resolve()
      else this.#taken--
    }
    const cancel = this.#o.clock.after(this.#o.maxMs, end)
    return { [Symbol.dispose]: end }
  }
}
