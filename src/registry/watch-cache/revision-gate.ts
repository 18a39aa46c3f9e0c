/** Holds reads back until the cache has reached the revision that they need. */
import type { Clock } from '../../lib/clock.ts'
import type { Revision } from '../../storage/storage.ts'
import { WatchCacheError } from './watch-cache-error.ts'

interface Waiter {
  readonly revision: Revision
  reached(): void
}

export class RevisionGate {
  readonly #clock: Clock
  readonly #waiters = new Set<Waiter>()
  #current: Revision = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }
  get current(): Revision {
    return this.#current
  }

  /** @param revision may be an older one: a storage that was restored from a backup goes back. */
  move(revision: Revision): void {
    this.#current = revision
    for (const waiter of this.#waiters) if (waiter.revision <= revision) waiter.reached()
  }

  /** @throws WatchCacheError too-large after timeoutMs; the signal's reason. */
  wait(revision: Revision, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (revision <= this.#current) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        this.#waiters.delete(waiter)
        cancel()
        signal?.removeEventListener('abort', onAbort)
        end()
      }
      const waiter: Waiter = { revision, reached: () => settle(resolve) }
      const onAbort = (): void => settle(() => reject(signal!.reason))
      const cancel = this.#clock.after(timeoutMs, () => settle(() => reject(this.#tooLarge(revision))))
      this.#waiters.add(waiter)
      if (signal?.aborted) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  #tooLarge(requested: Revision): WatchCacheError {
    const message = `Too large resource version: ${requested}, current: ${this.#current}`
    return new WatchCacheError('too-large', message, { requested, available: this.#current })
  }
}
