/**
 * A request body as a stream of its own: destroying it never touches the answer, on HTTP/2 neither.
 *
 * Callers: the two exchanges, which push into it as bytes arrive.
 */
import { Readable } from 'node:stream'

export interface BodySource {
  /** More is wanted: called again after each read that emptied the buffer. */
  resumeBody(): void
  /** The handler reads no more. */
  discardBody(): void
}

export class RequestBody extends Readable {
  readonly #source: BodySource
  constructor(source: BodySource) {
    super({ highWaterMark: 65_536 })
    this.#source = source
  }
  override _read(): void {
    this.#source.resumeBody()
  }
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#source.discardBody()
    // Errors reach the reader; where there is no listener, a client that went away must not end the process.
    if (error && this.listenerCount('error') === 0) done()
    else done(error)
  }
}
