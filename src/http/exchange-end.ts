/** How a request ends: exactly one Outcome, at whatever time it is asked for. Both exchanges build on it. */
import type { Outcome } from './exchange.ts'

type Listener = (outcome: Outcome) => void

export class ExchangeEnd {
  #outcome: Outcome | undefined
  /** Most requests have a handful of listeners; the first needs no array. */
  #first: Listener | undefined
  #others: Listener[] | undefined
  #abort: AbortController | undefined

  get outcome(): Outcome | undefined {
    return this.#outcome
  }
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.#outcome && this.#outcome.kind !== 'complete') this.#abort.abort(this.#outcome.error)
    }
    return this.#abort.signal
  }
  listen(fn: Listener): void {
    if (this.#outcome) fn(this.#outcome)
    else if (!this.#first) this.#first = fn
    else (this.#others ??= []).push(fn)
  }
  /** The first call wins. One listener's throw does not keep the others from hearing of it. */
  settle(outcome: Outcome): void {
    if (this.#outcome) return
    this.#outcome = outcome
    if (this.#abort && outcome.kind !== 'complete') this.#abort.abort(outcome.error)
    if (this.#first) call(this.#first, outcome)
    for (const fn of this.#others ?? []) call(fn, outcome)
  }
}

function call(fn: Listener, outcome: Outcome): void {
  try {
    fn(outcome)
  } catch (e) {
    // Surfaces as an uncaught exception, after the remaining listeners ran.
    queueMicrotask(() => {
      throw e
    })
  }
}

/** Why a signal of a request is aborted when its client went away. */
export class ClientGoneError extends Error {
  override readonly name = 'AbortError'
  constructor(message = 'the client went away') {
    super(message)
  }
}
