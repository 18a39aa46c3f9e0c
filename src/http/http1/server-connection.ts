/**
 * One client's HTTP/1.1 connection: reads requests one after the other, and answers them in order.
 *
 * Owns:     the socket, until a request takes it over.
 * Callers:  listener.ts.
 *
 *   head --complete--> exchange under way (body, answer) --answer flushed--> head
 *     `-- malformed, too large, idle, slow --> answered and closed     `-- close --> closed
 *
 * Pipelined requests wait in one buffer while the socket is paused.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Connection, VerifiedCertificate } from '../exchange.ts'
import type { ConnectionSeed, ServerConnection } from '../server-connection.ts'
import { expectationIsKnown } from '../expectation.ts'
import { bodyDecoder } from './body-decoder.ts'
import { requestFraming } from './body-framing.ts'
import { endOfHead, RequestHeads } from './message-head.ts'
import { ProtocolError } from './protocol-error.ts'
import { requestTarget } from './request-target.ts'
import { Http1Exchange, type Http1Wire, MAX_DISCARDED_BYTES } from './server-exchange.ts'

/** How long a connection that is being closed still takes in what the client sends: a reset would lose the answer. */
const LINGER_MS = 1_000
const EMPTY = Buffer.alloc(0)

export class Http1ServerConnection implements ServerConnection, Http1Wire {
  readonly id: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  readonly protocol = 'http/1.1'
  readonly secure: boolean
  readonly #seed: ConnectionSeed
  readonly #socket: Socket
  #pending: Buffer = EMPTY
  #searched = 0
  #exchange: Http1Exchange | undefined
  /** Answered, but its body is still on its way. */
  #discarding: { exchange: Http1Exchange; bytes: number } | undefined
  #processing = false
  #retired = false
  #closing = false
  #detached = false
  /** When the state under way began, in monotonic ms: bytes that trickle in move it in none of them. */
  #since: number
  /** When a body's reader last got bytes, or asked for some. */
  #bodySince: number
  /** Whether a request was read. */
  #served = false
  /** The body under way is none: what the client still sends means nothing, and the answer is the last. */
  #malformed = false
  #error: Error | undefined
  readonly #heads = new RequestHeads()

  constructor(seed: ConnectionSeed) {
    this.#seed = seed
    this.id = seed.id
    this.secure = seed.secure
    this.#socket = seed.socket
    this.remoteAddress = seed.socket.remoteAddress ?? ''
    this.remotePort = seed.socket.remotePort ?? 0
    this.localPort = seed.socket.localPort ?? 0
    this.#since = seed.now()
    this.#bodySince = this.#since
    this.#socket.on('data', this.#onData)
    this.#socket.on('end', this.#onEnd)
    this.#socket.on('drain', this.#onDrain)
    this.#socket.on('error', this.#onError)
    this.#socket.on('close', this.#onClose)
  }

  get connection(): Connection {
    return this
  }
  get clientCertificate(): VerifiedCertificate | undefined {
    return this.#seed.peer?.current()
  }
  get hasBadCertificate(): boolean {
    const { peer } = this.#seed
    return peer !== undefined && peer.current() === undefined
  }
  get retired(): boolean {
    return this.#retired
  }
  retire(): void {
    this.#retired = true
    if (!this.#exchange && this.#pending.length === 0) this.#endGently()
  }
  destroy(): void {
    this.#socket.destroy()
  }
  sweep(nowMs: number): void {
    const elapsed = nowMs - this.#since
    const { idleTimeoutMs, headerTimeoutMs, bodyTimeoutMs } = this.#seed.limits
    if (this.#detached) return
    if (this.#closing) {
      if (elapsed > LINGER_MS) this.destroy()
    } else if (this.#exchange) {
      if (this.#malformed && elapsed > LINGER_MS) this.#exchange.abort(new Error('nobody answered a malformed body'))
      const starvedMs = this.#exchange.starved ? nowMs - this.#bodySince : 0
      if (starvedMs > bodyTimeoutMs) this.#exchange.abort(new Error('the body took too long'))
    } else if (this.#discarding) {
      if (elapsed > bodyTimeoutMs) this.destroy()
    } else if (this.#pending.length > 0) {
      if (elapsed > headerTimeoutMs) this.#refuse(new ProtocolError('the headers took too long', 408))
    } else if (elapsed > (this.#served ? idleTimeoutMs : headerTimeoutMs)) this.#endGently()
  }

  // What the exchange calls.
  dateValue(): string {
    return this.#seed.dateValue()
  }
  send(bytes: Uint8Array | string, flushed?: () => void): boolean {
    if (typeof bytes === 'string') return this.#socket.write(bytes, 'latin1', flushed)
    return this.#socket.write(bytes, flushed)
  }
  wantBody(): void {
    this.#bodySince = this.#seed.now()
    if (this.#processing) return
    if (this.#pending.length > 0) this.#process()
    if (this.#socket.isPaused()) this.#socket.resume()
  }
  detach(): { stream: Duplex; head: Uint8Array } {
    this.#detached = true
    this.#exchange = undefined
    this.#socket.pause()
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#socket.off('drain', this.#onDrain)
    const head = this.#pending
    this.#pending = EMPTY
    return { stream: this.#socket, head }
  }
  finished(exchange: Http1Exchange, close: boolean): void {
    if (this.#exchange !== exchange) return
    this.#exchange = undefined
    this.#since = this.#seed.now()
    if (!exchange.bodyDone) {
      exchange.discardBody()
      this.#discarding = { exchange, bytes: 0 }
    }
    if (close) this.#endGently()
    if (this.#processing) return
    if (this.#pending.length > 0) this.#process()
    if (this.#socket.isPaused()) this.#socket.resume()
    if (this.#retired && !this.#exchange && this.#pending.length === 0) this.#endGently()
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#closing || this.#malformed) return
    // The first byte of a head; the very first head is timed from the connection's start.
    if (!this.#exchange && !this.#discarding && this.#pending.length === 0 && this.#served)
      this.#since = this.#seed.now()
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#process()
  }
  /** The client sends no more: as Go's server does, this counts as gone while a request is under way. */
  readonly #onEnd = (): void => {
    this.#exchange?.clientGone(undefined)
    this.#socket.end()
    if (this.#exchange) this.destroy()
  }
  readonly #onDrain = (): void => {
    this.#exchange?.drained()
  }
  readonly #onError = (error: Error): void => {
    this.#error = error
  }
  readonly #onClose = (): void => {
    this.#exchange?.clientGone(this.#error)
    this.#exchange = undefined
  }

  /** Works off what is pending until it needs more bytes, a reader for a body, or an answer. */
  #process(): void {
    this.#processing = true
    try {
      while (this.#pending.length > 0 && !this.#closing && !this.#detached && this.#step());
    } catch (e) {
      this.#broken(e)
    } finally {
      this.#processing = false
    }
  }
  /** @returns whether it made progress. */
  #step(): boolean {
    if (this.#discarding) return this.#discard(this.#discarding)
    if (!this.#exchange) return this.#readHead()
    if (this.#exchange.bodyDone || this.#exchange.holdsBody) {
      this.#socket.pause()
      return false
    }
    const before = this.#exchange.bytesIn
    const { at, full } = this.#exchange.feed(this.#pending, 0)
    if (this.#exchange.bytesIn > before) this.#bodySince = this.#seed.now()
    this.#pending = at === this.#pending.length ? EMPTY : this.#pending.subarray(at)
    if (full) this.#socket.pause()
    return true
  }
  #readHead(): boolean {
    const bytes = this.#pending
    const { maxHeaderBytes, maxHeaderCount } = this.#seed.limits
    // One empty line in front of a request is allowed: old clients send it behind a body.
    const start = bytes[0] === 13 && bytes[1] === 10 ? 2 : 0
    const end = endOfHead(bytes, Math.max(start, this.#searched - 3))
    if ((end < 0 ? bytes.length : end) > maxHeaderBytes) throw new ProtocolError('request header fields too large', 431)
    if (end < 0) {
      this.#searched = bytes.length
      return false
    }
    this.#searched = 0
    const head = this.#heads.parse(
      start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end),
      maxHeaderCount,
    )
    this.#pending = end === bytes.length ? EMPTY : bytes.subarray(end)
    const at = requestTarget(head)
    if (!expectationIsKnown(head.headers)) throw new ProtocolError('Expectation Failed', 417)
    const exchange = new Http1Exchange(this, head, at, bodyDecoder(requestFraming(head)))
    this.#exchange = exchange
    this.#served = true
    this.#seed.onRequest(exchange)
    return true
  }
  #discard(discarding: { exchange: Http1Exchange; bytes: number }): boolean {
    const before = this.#pending.length
    const { at } = discarding.exchange.feed(this.#pending, 0)
    this.#pending = this.#pending.subarray(at)
    discarding.bytes += before - this.#pending.length
    if (discarding.exchange.bodyDone) {
      this.#discarding = undefined
      this.#since = this.#seed.now()
    } else if (discarding.bytes > MAX_DISCARDED_BYTES) this.#endGently()
    return true
  }
  #broken(error: unknown): void {
    if (!(error instanceof ProtocolError)) {
      this.#seed.onProtocolError(error)
      this.destroy()
      return
    }
    const exchange = this.#exchange
    if (!exchange || exchange.phase === 'finished') return this.#refuse(error)
    this.#seed.onProtocolError(error)
    if (exchange.phase === 'waiting') {
      this.#malformed = true
      this.#since = this.#seed.now()
      this.#pending = EMPTY
      exchange.bodyMalformed(error)
    } else {
      exchange.clientGone(error)
      this.destroy()
    }
  }
  #refuse(error: ProtocolError): void {
    this.#seed.onProtocolError(error)
    const body = `${error.status} ${error.message}\n`
    this.#socket.write(
      `HTTP/1.1 ${error.status} \r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      'latin1',
    )
    this.#endGently()
  }
  /** Sends what is queued and a FIN, and reads on for a moment. */
  #endGently(): void {
    if (this.#closing || this.#detached) return
    this.#closing = true
    this.#pending = EMPTY
    this.#since = this.#seed.now()
    this.#socket.end()
    this.#socket.resume()
  }
}
