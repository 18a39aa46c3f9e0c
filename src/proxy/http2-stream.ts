/**
 * One request and its answer on an HTTP/2 session to a backend.
 *
 * Callers: http2-client.ts.
 *
 *   sent --1xx--> sent --answer--> body --END_STREAM--> ended, once the handler took all of it
 *   anything else: failed, and the stream is reset
 */
import type { HeaderList } from '../http/exchange.ts'
import { isToken, sendableValue } from '../http/header-list.ts'
import { H2Code } from '../http/http2/errors.ts'
import type { HeaderBlock } from '../http/http2/hpack-decoder.ts'
import { Outbound } from '../http/http2/outbound.ts'
import type { Http2Wire } from '../http/http2/wire.ts'
import { UpstreamError, type UpstreamHandler, type UpstreamRequest, type UpstreamStream } from './upstream.ts'

export interface StreamOwner {
  /** The stream is over. */
  ended(id: number): void
}

/** What a backend may send on a stream before it is taken in. */
export const STREAM_WINDOW_BYTES = 262_144
const MAX_INFORMED = 64
const STATUS = /^[1-9]\d\d$/
const LENGTH = /^\d{1,15}$/

export class Http2UpstreamStream implements UpstreamStream {
  readonly id: number
  readonly #session: StreamOwner
  readonly #wire: Http2Wire
  /** No body of it counts: HEAD, and later 204 and 304. */
  #bodyless: boolean
  #handler: UpstreamHandler | undefined
  #outbound: Outbound | undefined
  readonly #bytesReadBefore: number
  #informed = 0
  #answered = false
  #trailers: HeaderList = NONE
  #expected = Number.NaN
  #received = 0
  #window = STREAM_WINDOW_BYTES
  #unacknowledged = 0
  /** Chunks and what they count, while the handler takes none. */
  #held: { readonly chunk: Buffer; readonly counted: number }[] | undefined
  #endSeen = false

  constructor(o: {
    readonly id: number
    readonly session: StreamOwner
    readonly wire: Http2Wire
    readonly request: UpstreamRequest
    readonly handler: UpstreamHandler
  }) {
    this.id = o.id
    this.#session = o.session
    this.#wire = o.wire
    this.#handler = o.handler
    this.#bodyless = o.request.method === 'HEAD'
    this.#bytesReadBefore = o.wire.bytesRead
    if (o.request.body !== 'none') this.#outbound = new Outbound(o.wire, o.id)
  }

  // What the sender calls.
  write(chunk: Uint8Array): boolean {
    if (!this.#handler || !this.#outbound) return true
    return this.#outbound.write(chunk)
  }
  end(trailers: HeaderList = NONE): void {
    if (!this.#handler || !this.#outbound) return
    const fields: string[] = []
    for (let i = 0; i < trailers.length; i += 2) {
      const name = trailers[i]!
      if (isToken(name)) fields.push(name.toLowerCase(), sendableValue(name, trailers[i + 1]!))
    }
    this.#outbound.end(undefined, fields)
  }
  resume(): void {
    const held = this.#held
    if (!held) return
    this.#held = undefined
    for (let i = 0; i < held.length && this.#handler; i++) {
      const { chunk, counted } = held[i]!
      const more = this.#handler.data(chunk)
      this.#consumed(counted)
      if (more) continue
      this.#held = held.slice(i + 1)
      return
    }
    if (this.#endSeen) this.#finish()
  }
  abort(): void {
    if (!this.#handler) return
    this.#over()
    if (!this.#wire.closed) this.#wire.sendReset(this.id, H2Code.cancel)
  }

  // What the session calls.
  headers(block: HeaderBlock, endStream: boolean): void {
    if (this.#endSeen) return this.broken(H2Code.streamClosed, 'HEADERS behind the end')
    if (block.malformed) return this.broken(H2Code.protocol, 'malformed header fields')
    if (block.tooLarge) return this.broken(H2Code.cancel, 'response header fields too large')
    if (this.#answered) {
      if (!endStream || block.pseudo.length > 0) return this.broken(H2Code.protocol, 'malformed trailers')
      this.#trailers = block.fields
      return this.#ended()
    }
    const status = block.pseudo[1]
    if (block.pseudo.length !== 2 || block.pseudo[0] !== ':status' || !STATUS.test(status!))
      return this.broken(H2Code.protocol, 'malformed pseudo-fields')
    this.#head(Number(status), block.fields, endStream)
  }
  data(chunk: Buffer, endStream: boolean, counted: number): void {
    this.#window -= counted
    this.#received += chunk.length
    const wrong = this.#wrongData()
    if (wrong !== undefined) {
      this.#wire.consumed(counted)
      return this.broken(this.#window < 0 ? H2Code.flowControl : H2Code.protocol, wrong)
    }
    // Held bytes are few: they must not keep the whole chunk of the connection in memory.
    if (this.#held) this.#held.push({ chunk: Buffer.from(chunk), counted })
    else {
      if (chunk.length > 0 && !this.#handler!.data(chunk)) this.#held = []
      if (!endStream) this.#consumed(counted)
      else this.#wire.consumed(counted)
    }
    if (endStream) this.#ended()
  }
  reset(code: number): void {
    // The answer is whole; the backend wants no more of the request.
    if (this.#endSeen) return
    this.#fail(`stream error: the backend reset the stream (code ${code})`, undefined, {
      unprocessed: !this.#answered && code === H2Code.refusedStream,
    })
  }
  /** The backend goes away and never looked at this request. */
  unprocessed(code: number): void {
    this.#fail(`http2: the backend goes away (code ${code})`, undefined, { unprocessed: true })
  }
  /** The connection is gone. */
  lost(error: Error | undefined, served: boolean): void {
    const { bytesRead } = this.#wire
    const silent = bytesRead === this.#bytesReadBefore
    this.#fail(error?.message ?? (silent ? 'EOF' : 'unexpected EOF'), error, {
      stale: served && silent && !this.#answered,
    })
  }
  /** What came is no answer. */
  broken(code: number, why: string): void {
    this.#wire.sendReset(this.id, code)
    this.#fail(`http2: ${why}`, undefined, {})
  }
  grow(bytes: number): void {
    try {
      this.#outbound?.grow(bytes)
    } catch (e) {
      this.broken(H2Code.flowControl, (e as Error).message)
    }
  }
  /** The windows or the socket may take more. */
  wake(): void {
    if (this.#outbound?.wake() === true) this.#handler?.drained()
  }

  #head(status: number, fields: HeaderList, endStream: boolean): void {
    if (status < 200) {
      if (endStream || status === 101) return this.broken(H2Code.protocol, `unexpected status ${status}`)
      if (++this.#informed > MAX_INFORMED) return this.broken(H2Code.cancel, 'too many 1xx responses')
      if (status !== 100) this.#handler!.informed(status, fields)
      return
    }
    this.#bodyless ||= status === 204 || status === 304
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] !== 'content-length') continue
      const length = fields[i + 1]!
      if (!LENGTH.test(length) || !(Number.isNaN(this.#expected) || this.#expected === Number(length)))
        return this.broken(H2Code.protocol, 'ambiguous content-length')
      this.#expected = Number(length)
    }
    this.#answered = true
    this.#handler!.answered(status, fields)
    if (endStream && this.#handler) this.#ended()
  }
  #wrongData(): string | undefined {
    if (this.#endSeen) return 'DATA behind the end'
    if (this.#window < 0) return 'more data than the stream window'
    if (!this.#answered) return 'DATA in front of HEADERS'
    if (this.#received === 0) return undefined
    if (this.#bodyless) return 'a body where there is none'
    return this.#received > this.#expected ? 'more data than content-length' : undefined
  }
  #ended(): void {
    if (!this.#handler) return
    if (!this.#bodyless && this.#received < this.#expected) return this.broken(H2Code.protocol, 'unexpected EOF')
    this.#endSeen = true
    if (!this.#held) this.#finish()
  }
  #finish(): void {
    const handler = this.#handler
    // The answer is whole; what is left of the request is not wanted any more.
    if (this.#outbound && !this.#outbound.done) this.#wire.sendReset(this.id, H2Code.noError)
    this.#over()
    handler?.ended(this.#trailers)
  }
  #fail(message: string, cause: Error | undefined, o: { unprocessed?: boolean; stale?: boolean }): void {
    const handler = this.#handler
    const phase = this.#answered ? 'stream' : 'first-byte'
    this.#over()
    handler?.failed(new UpstreamError(phase, message, { cause, ...o }))
  }
  /** Held bytes are given back to the connection's window: nobody will take them. */
  #over(): void {
    this.#handler = undefined
    for (const { counted } of this.#held ?? []) this.#wire.consumed(counted)
    this.#held = undefined
    this.#session.ended(this.id)
  }
  #consumed(counted: number): void {
    this.#wire.consumed(counted)
    this.#unacknowledged += counted
    if (this.#unacknowledged < STREAM_WINDOW_BYTES / 2 || this.#endSeen || !this.#handler) return
    this.#window += this.#unacknowledged
    this.#wire.sendWindowUpdate(this.id, this.#unacknowledged)
    this.#unacknowledged = 0
  }
}

const NONE: HeaderList = []
