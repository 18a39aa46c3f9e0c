/**
 * One client's HTTP/2 connection.
 *
 * Owns:     the wire, and through it the socket; the streams that are open.
 * Callers:  listener.ts. Written by hand: an answer costs half of what node:http2's streams cost, and those of one turn
 *           of the event loop leave in one write.
 * Not here: frames (wire.ts), one request (server-exchange.ts).
 *
 *   open --retire(): GOAWAY--> draining --last stream--> closed
 */
import type { VerifiedCertificate } from '../exchange.ts'
import type { ConnectionSeed, ServerConnection } from '../server-connection.ts'
import { H2Code, Http2Error } from './errors.ts'
import { Setting } from './frames.ts'
import type { HeaderBlock } from './hpack-decoder.ts'
import { type Http2RequestHead, requestHead } from './request-head.ts'
import { Http2Exchange, STREAM_WINDOW_BYTES, type StreamOwner } from './server-exchange.ts'
import { RecentStreams } from './recent-streams.ts'
import { StreamTable } from './stream-table.ts'
import { Http2Wire, type WireOwner } from './wire.ts'

/** What a client may send on all streams before we take it in. */
const CONNECTION_WINDOW_BYTES = 8_388_608
/** The limit of the headers of all open requests together: beyond it streams are refused. */
const MAX_OPEN_HEADER_BYTES = 16_777_216

export class Http2ServerConnection implements ServerConnection, WireOwner, StreamOwner {
  readonly id: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  readonly protocol = 'h2'
  readonly secure: boolean
  readonly #seed: ConnectionSeed
  readonly #wire: Http2Wire
  readonly #streams = new StreamTable<Http2Exchange>()
  #lastStream = 0
  /** How many streams the client opened. */
  #opened = 0
  readonly #abandoned = new RecentStreams()
  #openHeaderBytes = 0
  #draining = false
  #since: number
  #resets: { left: number; atMs: number }

  constructor(seed: ConnectionSeed) {
    this.#seed = seed
    this.id = seed.id
    this.secure = seed.secure
    this.remoteAddress = seed.socket.remoteAddress ?? ''
    this.remotePort = seed.socket.remotePort ?? 0
    this.localPort = seed.socket.localPort ?? 0
    this.#since = seed.now()
    const { limits } = seed
    this.#resets = { left: limits.streamResetBurst, atMs: this.#since }
    this.#wire = new Http2Wire(seed.socket, this, {
      side: 'server',
      settings: [
        [Setting.maxConcurrentStreams, limits.maxConcurrentStreams],
        [Setting.initialWindowSize, STREAM_WINDOW_BYTES],
        [Setting.maxHeaderListSize, limits.maxHeaderBytes],
        [Setting.enableConnectProtocol, 1],
      ],
      connectionWindowBytes: CONNECTION_WINDOW_BYTES,
      maxHeaderBytes: limits.maxHeaderBytes,
      maxHeaderCount: limits.maxHeaderCount,
      now: seed.now,
    })
  }

  get clientCertificate(): VerifiedCertificate | undefined {
    return this.#seed.peer?.current()
  }
  get hasBadCertificate(): boolean {
    const { peer } = this.#seed
    return peer !== undefined && peer.current() === undefined
  }
  retire(): void {
    if (this.#draining || this.#wire.closed) return
    this.#draining = true
    this.#wire.sendGoaway(this.#lastStream, H2Code.noError)
    if (this.#streams.size === 0) this.#wire.end()
  }
  destroy(): void {
    this.#wire.destroy()
  }
  sweep(nowMs: number): void {
    const { idleTimeoutMs, headerTimeoutMs, bodyTimeoutMs } = this.#seed.limits
    if (this.#wire.unfinishedForMs(nowMs) > headerTimeoutMs)
      return this.#wire.fail(new Http2Error(H2Code.enhanceYourCalm, 'what was begun took too long'))
    if (this.#streams.size === 0 && nowMs - this.#since > idleTimeoutMs) this.retire()
    for (const exchange of this.#streams.all())
      if (exchange.starvedForMs(nowMs) > bodyTimeoutMs) exchange.abort(new Error('the body took too long'))
  }

  // What exchanges report.
  dateValue(): string {
    return this.#seed.dateValue()
  }
  ended(id: number, headerBytes: number, resetByUs: boolean): void {
    if (!this.#streams.delete(id)) return
    if (resetByUs) this.#abandoned.add(id)
    this.#openHeaderBytes -= headerBytes
    if (this.#streams.size > 0) return
    this.#since = this.#seed.now()
    if (this.#draining) this.#wire.end()
  }
  /** What the client did wrong counts as a reset of its own: it costs us as much. */
  faulted(): void {
    this.#countReset()
  }

  // What the wire reports.
  headers(id: number, block: HeaderBlock, endStream: boolean): void {
    if (id % 2 === 0) throw new Http2Error(H2Code.protocol, 'HEADERS on a stream of ours')
    if (id <= this.#lastStream) {
      const exchange = this.#streams.get(id)
      return exchange ? exchange.receiveTrailers(block, endStream) : this.#tooLate(id)
    }
    // Those behind our GOAWAY are the client's to send again.
    if (this.#draining) return
    this.#lastStream = id
    this.#opened++
    if (block.malformed) return this.#refuse(id, H2Code.protocol)
    const { maxConcurrentStreams } = this.#seed.limits
    if (this.#streams.size >= maxConcurrentStreams || this.#openHeaderBytes > MAX_OPEN_HEADER_BYTES)
      return this.#refuse(id, H2Code.refusedStream)
    const head = requestHead(block, endStream)
    if (head === undefined) return this.#refuse(id, H2Code.protocol)
    if (typeof head === 'number') return this.#answer(id, head, endStream)
    this.#start(id, head, block.bytes)
  }
  data(id: number, chunk: Buffer, endStream: boolean, counted: number): void {
    const exchange = this.#streams.get(id)
    if (exchange) return exchange.receive(chunk, endStream, counted)
    this.#wire.consumed(counted)
    if (id <= this.#lastStream) this.#tooLate(id)
  }
  reset(id: number, code: number): void {
    this.#streams.get(id)?.receiveReset(code)
    this.#countReset()
  }
  goaway(): void {
    this.#draining = true
    if (this.#streams.size === 0) this.#wire.end()
  }
  settings(windowGrowth: number): void {
    if (windowGrowth !== 0) for (const { id } of this.#streams.all()) this.#grow(id, windowGrowth, false)
  }
  windowGrown(id: number, bytes: number): void {
    if (bytes === 0) this.#streams.get(id)?.broken(H2Code.protocol, 'window update of nothing')
    else this.#grow(id, bytes, true)
  }
  writable(): void {
    for (const exchange of this.#streams.all()) exchange.wake()
  }
  isIdle(id: number): boolean {
    return id % 2 === 0 || (id > this.#lastStream && !this.#draining)
  }
  get lastStream(): number {
    return this.#lastStream
  }
  closed(error: Error | undefined): void {
    this.#draining = true
    if (error) this.#seed.onProtocolError(error)
    for (const exchange of this.#streams.all()) exchange.lost(error)
  }

  #start(id: number, head: Http2RequestHead, headerBytes: number): void {
    const exchange = new Http2Exchange({ id, wire: this.#wire, owner: this, connection: this, head, headerBytes })
    this.#streams.add(exchange)
    this.#openHeaderBytes += headerBytes
    this.#seed.onRequest(exchange)
  }
  /**
   * A stream that we reset may go on until the client hears of it. Whatever else is over was ended by the client itself,
   * or skipped.
   */
  #tooLate(id: number): void {
    if (this.#abandoned.has(id)) return
    const skipped = this.#lastStream !== 2 * this.#opened - 1
    throw new Http2Error(skipped ? H2Code.protocol : H2Code.streamClosed, 'a frame on a stream that is over')
  }
  #refuse(id: number, code: number): void {
    this.#wire.sendReset(id, code)
    this.#abandoned.add(id)
    this.#countReset()
  }
  /** Answers a request that no handler sees. */
  #answer(id: number, status: number, endStream: boolean): void {
    const fields = [':status', String(status), 'content-type', 'text/plain; charset=utf-8', 'date', this.dateValue()]
    this.#wire.sendHeaders(id, [...fields, 'content-length', '0'], true)
    if (endStream) return
    this.#wire.sendReset(id, H2Code.noError)
    this.#abandoned.add(id)
  }
  /** Streams are cheap to open and to reset, and dear to serve. */
  #countReset(): void {
    const { streamResetBurst, streamResetRate } = this.#seed.limits
    const now = this.#seed.now()
    const { left, atMs } = this.#resets
    const filled = Math.min(streamResetBurst, left + ((now - atMs) * streamResetRate) / 1_000)
    this.#resets = { left: filled - 1, atMs: now }
    if (filled < 1) throw new Http2Error(H2Code.enhanceYourCalm, 'too many streams were reset')
  }
  #grow(id: number, bytes: number, isGrant: boolean): void {
    const exchange = this.#streams.get(id)
    exchange?.grow(bytes, isGrant)
    exchange?.wake()
  }
}
