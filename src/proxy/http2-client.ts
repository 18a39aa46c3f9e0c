/**
 * One HTTP/2 session to a backend.
 *
 * Owns:     the wire, and through it the socket; the streams that are open.
 * Callers:  upstream-pool.ts. Written by hand: requests of one turn of the event loop leave in one write, which costs
 *           a third of what a connection each costs.
 * Not here: frames (http/http2/wire.ts), one request (http2-stream.ts).
 *
 *   opening --peer's SETTINGS--> open --GOAWAY, ping unanswered, retire()--> draining --last stream--> closed
 */
import type { Socket } from 'node:net'
import type { Cancel, Clock } from '../lib/clock.ts'
import { isToken, lowerName, sendableValue } from '../http/header-list.ts'
import { H2Code, Http2Error } from '../http/http2/errors.ts'
import { Setting } from '../http/http2/frames.ts'
import type { HeaderBlock } from '../http/http2/hpack-decoder.ts'
import { StreamTable } from '../http/http2/stream-table.ts'
import { Http2Wire, type WireOwner } from '../http/http2/wire.ts'
import { Http2UpstreamStream, STREAM_WINDOW_BYTES } from './http2-stream.ts'
import { SilentEndpointError, type UpstreamHandler, type UpstreamRequest, type UpstreamStream } from './upstream.ts'

export interface Http2ClientOptions {
  readonly clock: Clock
  /** Nothing read for this long: a ping. Upstream: 30 s. */
  readonly readIdleMs: number
  /** A ping unanswered for this long: the connection is dead. Upstream: 15 s. */
  readonly pingTimeoutMs: number
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
}
export interface Http2ClientOwner {
  /** A stream ended, or the peer's settings changed. */
  changed(session: Http2ClientSession): void
  closed(session: Http2ClientSession): void
}

/** What a backend may send before we take it in, on all streams. A client that stalls holds back its own. */
const CONNECTION_WINDOW_BYTES = 67_108_864
/** For a peer that names no limit. */
const DEFAULT_STREAMS = 1_000
/** Of the peer's limit: the next session is opened before this one is full. */
const FILL = 0.8
const LAST_STREAM = 2 ** 31 - 1
/** From the first byte of a header block, or of a frame that is no DATA, to its last. */
const UNFINISHED_MS = 10_000

export class Http2ClientSession implements WireOwner {
  readonly #wire: Http2Wire
  readonly #owner: Http2ClientOwner
  readonly #options: Http2ClientOptions
  readonly #streams = new StreamTable<Http2UpstreamStream>()
  /** The backend opens none. */
  readonly lastStream = 0
  #nextStream = 1
  #served = false
  #draining = false
  #closed = false
  #lastBytesRead = 0
  #cancelPing: Cancel
  #cancelPong: Cancel | undefined
  /** Monotonic ms; the pool's. */
  idleSince = 0

  constructor(socket: Socket, owner: Http2ClientOwner, options: Http2ClientOptions) {
    this.#owner = owner
    this.#options = options
    this.#cancelPing = options.clock.after(options.readIdleMs, this.#checkAlive)
    this.#wire = new Http2Wire(socket, this, {
      side: 'client',
      settings: [
        [Setting.enablePush, 0],
        [Setting.initialWindowSize, STREAM_WINDOW_BYTES],
        [Setting.maxHeaderListSize, options.maxHeaderBytes],
      ],
      connectionWindowBytes: CONNECTION_WINDOW_BYTES,
      maxHeaderBytes: options.maxHeaderBytes,
      maxHeaderCount: options.maxHeaderCount,
      now: () => options.clock.monotonicMs(),
    })
  }
  /** The peer's settings are here: streams beyond its limit would be refused. */
  get ready(): boolean {
    return this.#wire.settled
  }
  get usable(): boolean {
    return this.#wire.settled && !this.#draining && !this.#closed
  }
  /** Streams that are open. */
  get open(): number {
    return this.#streams.size
  }
  get full(): boolean {
    return this.#streams.size >= this.#limit
  }
  /** True where another session should be opened already. */
  get nearlyFull(): boolean {
    return this.#streams.size >= this.#limit * FILL
  }
  get #limit(): number {
    return Math.min(this.#wire.maxStreams, DEFAULT_STREAMS)
  }

  /** Only while usable and not full. @throws TypeError on a header that cannot be sent. */
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream {
    const fields = fieldsOf(request)
    const id = this.#nextStream
    this.#nextStream += 2
    const stream = new Http2UpstreamStream({ id, session: this, wire: this.#wire, request, handler })
    this.#streams.add(stream)
    this.#wire.sendHeaders(id, fields, request.body === 'none')
    if (this.#nextStream > LAST_STREAM) this.retire()
    return stream
  }
  /** No new requests; those under way go on. */
  retire(): void {
    if (this.#draining) return
    this.#draining = true
    this.#owner.changed(this)
    if (this.#streams.size === 0) this.#wire.end()
  }
  close(): void {
    this.#wire.destroy()
  }

  // What streams report.
  ended(id: number): void {
    if (!this.#streams.delete(id)) return
    this.#served = true
    if (this.#closed) return
    this.#owner.changed(this)
    if (this.#draining && this.#streams.size === 0) this.#wire.end()
  }

  // What the wire reports.
  headers(id: number, block: HeaderBlock, endStream: boolean): void {
    if (this.isIdle(id)) throw new Http2Error(H2Code.protocol, 'HEADERS on an idle stream')
    this.#streams.get(id)?.headers(block, endStream)
  }
  data(id: number, chunk: Buffer, endStream: boolean, counted: number): void {
    const stream = this.#streams.get(id)
    if (stream) stream.data(chunk, endStream, counted)
    else this.#wire.consumed(counted)
  }
  reset(id: number, code: number): void {
    this.#streams.get(id)?.reset(code)
  }
  goaway(lastStream: number, code: number): void {
    this.#draining = true
    for (const stream of this.#streams.all()) if (stream.id > lastStream) stream.unprocessed(code)
    if (this.#closed) return
    this.#owner.changed(this)
    if (this.#streams.size === 0) this.#wire.end()
  }
  settings(windowGrowth: number): void {
    if (windowGrowth !== 0) for (const { id } of this.#streams.all()) this.#grow(id, windowGrowth)
    if (!this.#closed) this.#owner.changed(this)
  }
  windowGrown(id: number, bytes: number): void {
    if (bytes === 0) this.#streams.get(id)?.broken(H2Code.protocol, 'window update of nothing')
    else this.#grow(id, bytes)
  }
  writable(): void {
    for (const stream of this.#streams.all()) stream.wake()
  }
  isIdle(id: number): boolean {
    return id % 2 === 0 || id >= this.#nextStream
  }
  closed(error: Error | undefined): void {
    this.#closed = true
    this.#cancelPing()
    this.#cancelPong?.()
    for (const stream of this.#streams.all()) stream.lost(error, this.#served)
    this.#owner.closed(this)
  }

  #grow(id: number, bytes: number): void {
    const stream = this.#streams.get(id)
    stream?.grow(bytes)
    stream?.wake()
  }
  /** A ping goes out only where nothing was read since the last look. */
  readonly #checkAlive = (): void => {
    const { clock, readIdleMs, pingTimeoutMs } = this.#options
    const read = this.#wire.bytesRead
    const quiet = read === this.#lastBytesRead
    this.#lastBytesRead = read
    this.#cancelPing = clock.after(readIdleMs, this.#checkAlive)
    if (this.#wire.settled && this.#wire.unfinishedForMs(clock.monotonicMs()) > UNFINISHED_MS)
      return this.#wire.fail(new Http2Error(H2Code.enhanceYourCalm, 'headers that do not end'))
    if (!quiet || this.#cancelPong) return
    this.#cancelPong = clock.after(pingTimeoutMs, () => {
      this.#wire.destroy(new SilentEndpointError('http2: client connection lost'))
    })
    this.#wire.sendPing(() => {
      this.#cancelPong?.()
      this.#cancelPong = undefined
    })
  }
}

function fieldsOf(request: UpstreamRequest): string[] {
  const fields = [
    ':method',
    request.method,
    ':scheme',
    'https',
    ':path',
    request.target,
    ':authority',
    request.authority,
  ]
  const { headers } = request
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    if (!isToken(name)) throw new TypeError(`header name ${JSON.stringify(name)} cannot be sent`)
    fields.push(lowerName(name), sendableValue(name, headers[i + 1]!))
  }
  if (typeof request.body === 'number') fields.push('content-length', String(request.body))
  return fields
}
