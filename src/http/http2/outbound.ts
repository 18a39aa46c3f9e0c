/**
 * What one stream sends: body bytes wait here for the windows and for the socket.
 *
 * Callers: server-exchange.ts and proxy/http2-stream.ts, one per message with a body.
 */
import type { HeaderList } from '../exchange.ts'
import { H2Code, Http2Error } from './errors.ts'
import { MAX_WINDOW_BYTES } from './frames.ts'
import type { Http2Wire } from './wire.ts'

export class Outbound {
  readonly #wire: Http2Wire
  readonly #stream: number
  #window: number
  #queue: Uint8Array[] = []
  #ended = false
  #trailers: HeaderList | undefined
  /** Its writer waits for the windows or the socket. */
  #waits = false
  /** All is framed, its end too. */
  done = false

  /** @param granted what the peer gave the stream beyond the initial window before anything was sent on it. */
  constructor(wire: Http2Wire, stream: number, granted = 0) {
    this.#wire = wire
    this.#stream = stream
    this.#window = wire.initialWindow + granted
  }
  /** @returns false when the caller should wait until wake() answers true. */
  write(chunk: Uint8Array): boolean {
    if (chunk.length > 0) this.#queue.push(chunk)
    return this.#pump()
  }
  /** @param trailers sendable, names in lower case. */
  end(chunk?: Uint8Array, trailers?: HeaderList): void {
    if (chunk && chunk.length > 0) this.#queue.push(chunk)
    this.#ended = true
    this.#trailers = trailers !== undefined && trailers.length > 0 ? trailers : undefined
    this.#frame()
    this.#waits = !this.done
  }
  /** The windows or the socket may take more. @returns whether a writer waited that may go on: once per wait. */
  wake(): boolean {
    if (!this.#waits) return false
    this.#waits = false
    return this.#pump()
  }
  /** @throws Http2Error where the window would be too large: of the stream alone. */
  grow(bytes: number): void {
    this.#window += bytes
    if (this.#window > MAX_WINDOW_BYTES) throw new Http2Error(H2Code.flowControl, 'stream window too large')
  }
  /** Frames what the windows allow. @returns whether more is welcome. */
  #pump(): boolean {
    const more = this.#frame()
    if (!more) this.#waits = true
    return more
  }
  #frame(): boolean {
    const wire = this.#wire
    while (this.#queue.length > 0 && !wire.congested && !wire.closed) {
      const chunk = this.#queue[0]!
      const room = Math.min(this.#window, wire.sendWindow, wire.maxFrameBytes)
      if (room <= 0) return false
      const part = chunk.length <= room ? chunk : chunk.subarray(0, room)
      this.#window -= part.length
      if (part === chunk) this.#queue.shift()
      else this.#queue[0] = chunk.subarray(room)
      this.done = this.#ended && this.#queue.length === 0 && !this.#trailers
      wire.sendData(this.#stream, part, this.done)
    }
    if (this.#queue.length > 0) return false
    if (this.#ended && !this.done) {
      this.done = true
      if (this.#trailers) wire.sendHeaders(this.#stream, this.#trailers, true)
      else wire.sendData(this.#stream, EMPTY, true)
    }
    return !wire.congested
  }
}

const EMPTY = new Uint8Array(0)
