/** Exponential back-off per key: base, base*2, base*4 ... up to max. Forget a key once it succeeded. */
export class Backoff {
  readonly #failures = new Map<string, number>()
  readonly #baseMs: number
  readonly #maxMs: number

  constructor(baseMs: number, maxMs: number) {
    this.#baseMs = baseMs
    this.#maxMs = maxMs
  }
  /** The delay for the next try, in ms; counts the failure. */
  next(key: string): number {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    return Math.min(this.#baseMs * 2 ** Math.min(failures, 50), this.#maxMs)
  }
  failures(key: string): number {
    return this.#failures.get(key) ?? 0
  }
  forget(key: string): void {
    this.#failures.delete(key)
  }
}
