/** A promise with its resolve and reject outside: a named signal that others wait for. */
export class Deferred<T = void> {
  readonly promise: Promise<T>
  resolve!: (value: T) => void
  reject!: (error: unknown) => void
  #settled = false

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = (v) => {
        this.#settled = true
        resolve(v)
      }
      this.reject = (e) => {
        this.#settled = true
        reject(e)
      }
    })
    this.promise.catch(() => {}) // a signal nobody waits for is no unhandled rejection
  }
  get settled(): boolean {
    return this.#settled
  }
}

/** Resolves when the signal is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
