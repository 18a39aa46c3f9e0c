/** A request that has no connection yet; it passes on what its sender calls once it has one. Callers: upstream-pool.ts. */
import { UpstreamError, type UpstreamHandler, type UpstreamRequest, type UpstreamStream } from './upstream.ts'

export class Waiting implements UpstreamStream {
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  readonly #cancelled: (w: Waiting) => void
  #stream: UpstreamStream | undefined
  #told = false

  constructor(request: UpstreamRequest, handler: UpstreamHandler, cancelled: (w: Waiting) => void) {
    this.request = request
    this.handler = handler
    this.#cancelled = cancelled
  }
  /** @returns false where it was told before. */
  handshaking(): boolean {
    if (this.#told) return false
    this.#told = true
    this.handler.handshaking?.()
    return true
  }
  startOn(connection: { send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream }): void {
    try {
      this.#stream = connection.send(this.request, this.handler)
      this.handler.connected?.()
      if (this.request.body !== 'none') this.handler.drained()
    } catch (cause) {
      this.handler.failed(new UpstreamError('queue', (cause as Error).message, { cause, unprocessed: true }))
    }
  }
  /** Nothing is taken before there is a connection: the body stays with the client. */
  write(chunk: Uint8Array): boolean {
    if (!this.#stream) throw new Error('write() before drained()')
    return this.#stream.write(chunk)
  }
  end(trailers?: readonly string[]): void {
    this.#stream?.end(trailers)
  }
  resume(): void {
    this.#stream?.resume()
  }
  abort(): void {
    if (this.#stream) this.#stream.abort()
    else this.#cancelled(this)
  }
}
