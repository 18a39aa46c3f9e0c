/**
 * Owns what a part acquired and releases it in reverse order.
 *
 * Owns:     every AsyncDisposable given to own().
 * Callers:  app/run/wire.ts, and each long-lived part that has parts of its own.
 * Not here: signals for steps of a shutdown (lib/deferred.ts).
 */
export class Lifetime implements AsyncDisposable {
  readonly #abort = new AbortController()
  readonly #owned: AsyncDisposable[] = []

  /** Aborted before the first resource is released. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  own<T extends AsyncDisposable>(resource: T): T {
    this.#owned.push(resource)
    return resource
  }

  /** Registers a release step that has no object of its own. */
  defer(release: () => void | Promise<void>): void {
    this.#owned.push({ [Symbol.asyncDispose]: async () => release() })
  }

  /** Goes on when one release fails. @throws AggregateError with every failure. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    const failures: unknown[] = []
    for (let resource = this.#owned.pop(); resource; resource = this.#owned.pop()) {
      try {
        await resource[Symbol.asyncDispose]()
      } catch (e) {
        failures.push(e)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'some resources were not released')
  }
}
