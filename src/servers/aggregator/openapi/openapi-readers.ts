/**
 * Whether a client reads OpenAPI documents of one version. Nothing of a backend's is fetched, read or merged before
 * a client does, and nothing is kept when no client did for a while.
 *
 * Owns:    the time since the last reader.
 * Callers: openapi-endpoint.ts, for each request.
 *
 *   unread --first reader--> fetching --all were asked, or WAIT_MS--> kept fresh --no reader for IDLE_MS--> unread
 */
import { type Cancel, type Clock, sleep } from '../../../lib/clock.ts'
import type { ReadDocuments } from '../../../endpoints/openapi/openapi-source.ts'

/** A first reader is not kept longer by a backend that hangs; what comes later is in the next answer. */
export const WAIT_MS = 5_000
export const IDLE_MS = 600_000

export class OpenApiReaders {
  readonly #sources: readonly ReadDocuments[]
  readonly #clock: Clock
  #ready: Promise<unknown> | undefined
  #cancelIdle: Cancel = () => {}

  constructor(sources: readonly ReadDocuments[], clock: Clock) {
    this.#sources = sources
    this.#clock = clock
  }
  /** A reader is here. Resolves when it can be answered; never rejects. */
  noteReader(): Promise<unknown> {
    this.#cancelIdle()
    this.#cancelIdle = this.#clock.after(IDLE_MS, () => this.stop())
    if (this.#ready) for (const source of this.#sources) source.again()
    return (this.#ready ??= this.#begin())
  }
  stop(): void {
    this.#cancelIdle()
    this.#ready = undefined
    for (const source of this.#sources) source.end()
  }
  async #begin(): Promise<void> {
    const over = new AbortController()
    const all = Promise.all(this.#sources.map((source) => source.begin()))
    await Promise.race([all, sleep(this.#clock, WAIT_MS, over.signal).catch(() => {})])
    over.abort()
  }
}
