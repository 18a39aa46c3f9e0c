/**
 * One HTTP/2 connection, whichever side we are: frames in, frames out. Source: RFC 9113.
 *
 * Owns:     the socket, the compression state of both directions, the connection's windows.
 * Callers:  http2/server-session.ts, proxy/http2-client.ts.
 * Not here: what a stream means; each side has its own idea of that (WireOwner).
 *
 * What is sent in one turn of the event loop leaves in one piece at its end: a write costs more than a request.
 *
 *   open --destroy(), peer gone, protocol error (GOAWAY)--> closed
 */
import type { Socket } from 'node:net'
import type { HeaderList } from '../exchange.ts'
import { ByteSink } from './byte-sink.ts'
import { H2Code, Http2Error } from './errors.ts'
import {
  CLIENT_PREFACE,
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  Flag,
  FRAME_HEAD_BYTES,
  FrameType,
  MAX_WINDOW_BYTES,
  Setting,
} from './frames.ts'
import { type HeaderBlock, HpackDecoder, type HeaderLimits } from './hpack-decoder.ts'
import { HpackEncoder } from './hpack-encoder.ts'

/** The side's own part. Streams are numbers here. */
export interface WireOwner {
  headers(stream: number, block: HeaderBlock, endStream: boolean): void
  /** @param counted bytes that count against the windows: the chunk and its padding. */
  data(stream: number, chunk: Buffer, endStream: boolean, counted: number): void
  reset(stream: number, code: number): void
  goaway(lastStream: number, code: number): void
  /** The peer's settings, after they are in force. @param windowGrowth of each stream; may be negative. */
  settings(windowGrowth: number): void
  /** A stream may send more. @throws Http2Error */
  windowGrown(stream: number, bytes: number): void
  /** The socket, or the connection's window, takes more. */
  writable(): void
  /** Whether no such stream was ever opened: frames on it break the protocol. */
  isIdle(stream: number): boolean
  /** The last of the peer's streams that was looked at. */
  readonly lastStream: number
  /** Once. Nothing comes after it. */
  closed(error: Error | undefined): void
}
export interface WireOptions extends HeaderLimits {
  readonly side: 'client' | 'server'
  /** Identifier, value ... */
  readonly settings: readonly (readonly [id: number, value: number])[]
  /** What the peer may send before we take it in, on all streams together. */
  readonly connectionWindowBytes: number
  /** Monotonic ms. */
  readonly now: () => number
}

/** Longer ones are handed to the socket as they are; shorter ones are copied behind their frame's head. */
const COPIED_BYTES = 8_192
/** More than this does not wait for the end of the turn. */
const FLUSH_BYTES = 131_072
/** Pings and settings, which want an answer: so many at once, and then so many a second. */
const ANSWERED_BURST = 1_000
const ANSWERED_PER_SECOND = 100
/** The limit of unsent answers to pings and the like, for a peer that does not read them. */
const MAX_UNSENT_BYTES = 1_048_576
/** In one frame. */
const MAX_SETTINGS = 32
const EMPTY: Buffer = Buffer.alloc(0)

export class Http2Wire {
  readonly #socket: Socket
  readonly #owner: WireOwner
  readonly #options: WireOptions
  readonly #decoder: HpackDecoder
  readonly #encoder = new HpackEncoder()
  readonly #out = new ByteSink()
  /** In front of what is in #out. */
  #pieces: Uint8Array[] = []
  #piecesBytes = 0
  #flushing = false
  #sent: (() => void)[] = []
  #rest: Buffer = EMPTY
  /** Monotonic ms at which what is only half here began. */
  #restSinceMs: number
  #prefaceLeft: number
  #settled = false
  /** The DATA frame whose rest is still to come. */
  #partial: { readonly stream: number; left: number; readonly flags: number } | undefined
  /** The header block that goes on in CONTINUATION frames. */
  #block: { stream: number; endStream: boolean; parts: Buffer[]; bytes: number; sinceMs: number } | undefined
  #closed = false
  #onPong: (() => void) | undefined
  #receiveWindow: number
  #unacknowledged = 0
  #answered = { tokens: ANSWERED_BURST, atMs: 0 }
  /** What the peer allows. */
  maxFrameBytes = DEFAULT_FRAME_BYTES
  initialWindow = DEFAULT_WINDOW_BYTES
  maxStreams = Number.POSITIVE_INFINITY
  /** What we may send on all streams together. */
  sendWindow = DEFAULT_WINDOW_BYTES
  bytesRead = 0

  constructor(socket: Socket, owner: WireOwner, options: WireOptions) {
    this.#socket = socket
    this.#owner = owner
    this.#options = options
    this.#restSinceMs = options.now()
    this.#decoder = new HpackDecoder(options)
    this.#prefaceLeft = options.side === 'server' ? CLIENT_PREFACE.length : 0
    this.#receiveWindow = options.connectionWindowBytes
    socket.on('data', this.#onBytes)
    socket.on('drain', () => owner.writable())
    socket.on('error', (error) => this.destroy(error))
    // Sockets are half-open for the sake of HTTP/1.1 tunnels; here an end is the end.
    socket.on('end', () => this.destroy())
    socket.on('close', () => this.destroy())
    if (options.side === 'client') {
      this.#out.reserve(CLIENT_PREFACE.length)
      this.#out.bytes(CLIENT_PREFACE)
    }
    this.#sendSettings()
    this.#sendWindowUpdate(0, options.connectionWindowBytes - DEFAULT_WINDOW_BYTES)
  }
  get closed(): boolean {
    return this.#closed
  }
  /** The peer's settings are here. */
  get settled(): boolean {
    return this.#settled
  }
  /**
   * How long the peer has been at what it should say in one go, however it trickles in: the preface with its settings, a
   * header block, a frame that is no DATA. 0 where nothing of the kind is half here.
   */
  unfinishedForMs(nowMs: number): number {
    if (this.#block) return nowMs - this.#block.sinceMs
    return this.#settled && this.#rest.length === 0 ? 0 : nowMs - this.#restSinceMs
  }
  /** The socket has enough to do: body bytes wait. */
  get congested(): boolean {
    return this.#socket.writableNeedDrain || this.#piecesBytes > FLUSH_BYTES
  }

  /** @param fields sendable, names in lower case, pseudo-fields first. */
  sendHeaders(stream: number, fields: HeaderList, endStream: boolean): void {
    const out = this.#out
    const from = out.length
    const flags = endStream ? Flag.endStream : 0
    out.frameHead(0, FrameType.headers, flags | Flag.endHeaders, stream)
    this.#encoder.start(out)
    this.#encoder.fields(out, fields)
    const length = out.length - from - FRAME_HEAD_BYTES
    if (length <= this.maxFrameBytes) out.patchLength(from, length)
    else this.#splitBlock(stream, from, flags)
    this.#schedule()
  }
  /** The caller keeps to the windows and to maxFrameBytes. */
  sendData(stream: number, chunk: Uint8Array, endStream: boolean): void {
    const out = this.#out
    const copied = chunk.length <= COPIED_BYTES
    this.sendWindow -= chunk.length
    out.frameHead(chunk.length, FrameType.data, endStream ? Flag.endStream : 0, stream, copied ? chunk.length : 0)
    if (copied) out.bytes(chunk)
    else {
      this.#pieces.push(out.take(), chunk)
      this.#piecesBytes += FRAME_HEAD_BYTES + chunk.length
    }
    this.#schedule()
  }
  sendReset(stream: number, code: number): void {
    this.#out.frameHead(4, FrameType.reset, 0, stream)
    this.#out.uint32(code)
    this.#schedule()
  }
  sendGoaway(lastStream: number, code: number): void {
    this.#out.frameHead(8, FrameType.goaway, 0, 0)
    this.#out.uint32(lastStream)
    this.#out.uint32(code)
    this.#schedule()
  }
  /** One at a time: the answer to an earlier one counts too. */
  sendPing(onPong: () => void): void {
    this.#onPong = onPong
    this.#out.frameHead(8, FrameType.ping, 0, 0)
    this.#out.uint32(0)
    this.#out.uint32(0)
    this.#schedule()
  }
  /** Calls back once all that was given to send until now is handed to the system. */
  onceSent(fn: () => void): void {
    this.#sent.push(fn)
    this.#schedule()
  }
  /** Body bytes of a stream were taken in. @param stream 0: of the connection. */
  sendWindowUpdate(stream: number, bytes: number): void {
    if (!this.#closed) this.#sendWindowUpdate(stream, bytes)
  }
  /** Bytes of data() that no longer take up room here. */
  consumed(counted: number): void {
    this.#unacknowledged += counted
    if (this.#unacknowledged < this.#options.connectionWindowBytes / 4) return
    this.#receiveWindow += this.#unacknowledged
    this.sendWindowUpdate(0, this.#unacknowledged)
    this.#unacknowledged = 0
  }
  /** Says a last word, and closes once it is sent. */
  fail(error: Http2Error): void {
    if (this.#closed) return
    this.sendGoaway(this.#owner.lastStream, error.code)
    this.#flush()
    this.#close(error)
    // A peer that does not read would keep it open.
    if (this.#socket.writableNeedDrain) this.#socket.destroy()
    else this.#socket.destroySoon()
  }
  /** Sends what waits, and a FIN. */
  end(): void {
    if (this.#closed) return
    this.#flush()
    this.#close(undefined)
    this.#socket.destroySoon()
  }
  destroy(error?: Error): void {
    this.#socket.destroy()
    this.#close(error)
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#pieces = []
    this.#rest = EMPTY
    this.#owner.closed(error)
  }
  #schedule(): void {
    if (this.#out.length + this.#piecesBytes > FLUSH_BYTES) return this.#flush()
    if (this.#flushing || this.#closed) return
    this.#flushing = true
    setImmediate(this.#flush)
  }
  readonly #flush = (): void => {
    this.#flushing = false
    if (this.#closed) return
    const last = this.#out.take()
    if (this.#pieces.length > 0) this.#writePieces(last)
    else if (last.length > 0) this.#socket.write(last)
    if (this.#sent.length === 0) return
    const sent = this.#sent
    this.#sent = []
    for (const fn of sent) fn()
  }
  #writePieces(last: Buffer): void {
    this.#socket.cork()
    for (const piece of this.#pieces) this.#socket.write(piece)
    this.#pieces = []
    this.#piecesBytes = 0
    if (last.length > 0) this.#socket.write(last)
    this.#socket.uncork()
  }
  #sendSettings(): void {
    const { settings } = this.#options
    this.#out.frameHead(6 * settings.length, FrameType.settings, 0, 0)
    for (const [id, value] of settings) {
      this.#out.byte(id >> 8)
      this.#out.byte(id)
      this.#out.uint32(value)
    }
    this.#schedule()
  }
  #sendWindowUpdate(stream: number, bytes: number): void {
    this.#out.frameHead(4, FrameType.windowUpdate, 0, stream)
    this.#out.uint32(bytes)
    this.#schedule()
  }
  #splitBlock(stream: number, from: number, flags: number): void {
    const out = this.#out
    const block = out.cut(from + FRAME_HEAD_BYTES)
    out.cut(from)
    for (let at = 0; at < block.length; ) {
      const part = block.subarray(at, at + this.maxFrameBytes)
      const end = at + part.length === block.length ? Flag.endHeaders : 0
      if (at === 0) out.frameHead(part.length, FrameType.headers, flags | end, stream)
      else out.frameHead(part.length, FrameType.continuation, end, stream)
      out.bytes(part)
      at += part.length
    }
  }

  readonly #onBytes = (chunk: Buffer): void => {
    if (this.#closed) return
    this.bytesRead += chunk.length
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const continues = this.#rest.length > 0
    this.#rest = EMPTY
    try {
      const at = this.#takeFrames(bytes)
      if (at === bytes.length || this.#closed) return
      this.#rest = bytes.subarray(at)
      if (this.#settled && (at > 0 || !continues)) this.#restSinceMs = this.#options.now()
    } catch (e) {
      if (!(e instanceof Http2Error)) throw e
      this.fail(e)
    }
  }
  /** @returns the offset of the first frame that is not complete. */
  #takeFrames(bytes: Buffer): number {
    let at =
      this.#prefaceLeft > 0 ? this.#takePreface(bytes) : this.#partial ? this.#takePartial(bytes, this.#partial) : 0
    while (bytes.length - at >= FRAME_HEAD_BYTES && !this.#closed) {
      const length = bytes.readUIntBE(at, 3)
      if (length > DEFAULT_FRAME_BYTES) throw new Http2Error(H2Code.frameSize, 'frame too long')
      const from = at + FRAME_HEAD_BYTES
      if (bytes.length - from < length) return this.#startPartial(bytes, at, length) ? bytes.length : at
      this.#frame(bytes, at, from + length)
      at = from + length
    }
    return at
  }
  /** Body bytes go on as they come: to wait for the end of their frame would copy them, and hold them up. */
  #startPartial(bytes: Buffer, head: number, length: number): boolean {
    const from = head + FRAME_HEAD_BYTES
    const flags = bytes[head + 4]!
    if (bytes[head + 3] !== FrameType.data || (flags & Flag.padded) !== 0 || from === bytes.length) return false
    bytes[head + 4] = flags & ~Flag.endStream
    this.#frame(bytes, head, bytes.length)
    const stream = bytes.readUInt32BE(head + 5) & 0x7fffffff
    this.#partial = { stream, left: length - (bytes.length - from), flags }
    return true
  }
  #takePartial(bytes: Buffer, partial: { stream: number; left: number; flags: number }): number {
    const to = Math.min(bytes.length, partial.left)
    partial.left -= to
    if (partial.left === 0) this.#partial = undefined
    this.#onData(bytes, 0, to, partial.left === 0 ? partial.flags : 0, partial.stream)
    return to
  }
  #takePreface(bytes: Buffer): number {
    const from = CLIENT_PREFACE.length - this.#prefaceLeft
    const length = Math.min(this.#prefaceLeft, bytes.length)
    if (CLIENT_PREFACE.compare(bytes, 0, length, from, from + length) !== 0)
      throw new Http2Error(H2Code.protocol, 'no connection preface')
    this.#prefaceLeft -= length
    return length
  }
  #frame(bytes: Buffer, head: number, to: number): void {
    const type = bytes[head + 3]!
    const flags = bytes[head + 4]!
    const stream = bytes.readUInt32BE(head + 5) & 0x7fffffff
    const from = head + FRAME_HEAD_BYTES
    if (this.#block && (type !== FrameType.continuation || stream !== this.#block.stream))
      throw new Http2Error(H2Code.protocol, 'a header block was interrupted')
    if (!this.#settled && (type !== FrameType.settings || (flags & Flag.ack) !== 0))
      throw new Http2Error(H2Code.protocol, 'no settings in front')
    switch (type) {
      case FrameType.data:
        return this.#onData(bytes, from, to, flags, stream)
      case FrameType.headers:
        return this.#onHeaders(bytes, from, to, flags, stream)
      case FrameType.continuation:
        return this.#onContinuation(bytes, from, to, flags)
      case FrameType.settings:
        return this.#onSettings(bytes, from, to, flags, stream)
      case FrameType.windowUpdate:
        return this.#onWindowUpdate(bytes, from, to, stream)
      case FrameType.ping:
        return this.#onPing(bytes, from, to, flags, stream)
      case FrameType.reset:
        this.#wantLength(from, to, 4)
        this.#wantStream(stream)
        return this.#owner.reset(stream, bytes.readUInt32BE(from))
      case FrameType.goaway:
        if (to - from < 8) throw new Http2Error(H2Code.frameSize, 'GOAWAY too short')
        if (stream !== 0) throw new Http2Error(H2Code.protocol, 'GOAWAY on a stream')
        return this.#owner.goaway(bytes.readUInt32BE(from) & 0x7fffffff, bytes.readUInt32BE(from + 4))
      case FrameType.priority:
        this.#wantLength(from, to, 5)
        if (stream === 0) throw new Http2Error(H2Code.protocol, 'PRIORITY without a stream')
        return this.#countAnswered()
      case FrameType.pushPromise:
        throw new Http2Error(H2Code.protocol, 'PUSH_PROMISE where no push is allowed')
      default:
        return this.#countAnswered()
    }
  }
  #wantLength(from: number, to: number, length: number): void {
    if (to - from !== length) throw new Http2Error(H2Code.frameSize, 'frame of a wrong length')
  }
  #wantStream(stream: number): void {
    if (stream === 0 || this.#owner.isIdle(stream)) throw new Http2Error(H2Code.protocol, 'frame on an idle stream')
  }
  /** @returns the length of the padding. */
  #padding(bytes: Buffer, from: number, to: number, flags: number): number {
    if ((flags & Flag.padded) === 0) return 0
    const padding = bytes[from]!
    if (from === to || padding >= to - from) throw new Http2Error(H2Code.protocol, 'padding longer than its frame')
    return padding
  }
  #onData(bytes: Buffer, from: number, to: number, flags: number, stream: number): void {
    this.#wantStream(stream)
    const padding = this.#padding(bytes, from, to, flags)
    const counted = to - from
    this.#receiveWindow -= counted
    if (this.#receiveWindow < 0) throw new Http2Error(H2Code.flowControl, 'more data than the connection window')
    const start = (flags & Flag.padded) === 0 ? from : from + 1
    const endStream = (flags & Flag.endStream) !== 0
    if (start === to - padding && !endStream) this.#countAnswered()
    this.#owner.data(stream, bytes.subarray(start, to - padding), endStream, counted)
  }
  #onHeaders(bytes: Buffer, from: number, to: number, flags: number, stream: number): void {
    if (stream === 0) throw new Http2Error(H2Code.protocol, 'HEADERS without a stream')
    const padding = this.#padding(bytes, from, to, flags)
    const start = from + ((flags & Flag.padded) === 0 ? 0 : 1) + ((flags & Flag.priority) === 0 ? 0 : 5)
    if (start > to - padding) throw new Http2Error(H2Code.protocol, 'HEADERS too short')
    const endStream = (flags & Flag.endStream) !== 0
    if ((flags & Flag.endHeaders) !== 0)
      return this.#owner.headers(stream, this.#decoder.decode(bytes, start, to - padding), endStream)
    this.#block = { stream, endStream, parts: [], bytes: 0, sinceMs: this.#options.now() }
    this.#addToBlock(this.#block, bytes.subarray(start, to - padding))
  }
  #onContinuation(bytes: Buffer, from: number, to: number, flags: number): void {
    const block = this.#block
    if (!block) throw new Http2Error(H2Code.protocol, 'CONTINUATION of nothing')
    this.#addToBlock(block, bytes.subarray(from, to))
    if ((flags & Flag.endHeaders) === 0) return
    this.#block = undefined
    const whole = Buffer.concat(block.parts)
    this.#owner.headers(block.stream, this.#decoder.decode(whole, 0, whole.length), block.endStream)
  }
  /** Neither endless blocks nor endless frames of them are taken in. */
  #addToBlock(block: { parts: Buffer[]; bytes: number }, part: Buffer): void {
    block.parts.push(part)
    block.bytes += part.length
    const { maxHeaderBytes } = this.#options
    if (block.bytes > 2 * maxHeaderBytes || block.parts.length > 16 + (4 * maxHeaderBytes) / DEFAULT_FRAME_BYTES)
      throw new Http2Error(H2Code.enhanceYourCalm, 'header block too long')
  }
  #onSettings(bytes: Buffer, from: number, to: number, flags: number, stream: number): void {
    if (stream !== 0) throw new Http2Error(H2Code.protocol, 'SETTINGS on a stream')
    if ((flags & Flag.ack) !== 0) return this.#wantLength(from, to, 0)
    if ((to - from) % 6 !== 0) throw new Http2Error(H2Code.frameSize, 'SETTINGS of a wrong length')
    if (to - from > 6 * MAX_SETTINGS) throw new Http2Error(H2Code.enhanceYourCalm, 'too many settings')
    this.#countAnswered()
    const before = this.initialWindow
    for (let at = from; at < to; at += 6) this.#setting(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2))
    this.#settled = true
    this.#out.frameHead(0, FrameType.settings, Flag.ack, 0)
    this.#schedule()
    this.#owner.settings(this.initialWindow - before)
  }
  #setting(id: number, value: number): void {
    if (id === Setting.headerTableSize) this.#encoder.limitTable(value)
    else if (id === Setting.maxConcurrentStreams) this.maxStreams = value
    else if (id === Setting.initialWindowSize) {
      if (value > MAX_WINDOW_BYTES) throw new Http2Error(H2Code.flowControl, 'initial window too large')
      this.initialWindow = value
    } else if (id === Setting.maxFrameSize) {
      if (value < DEFAULT_FRAME_BYTES || value > 0xffffff) throw new Http2Error(H2Code.protocol, 'wrong frame size')
      // Longer frames would let one stream hold up the others.
      this.maxFrameBytes = DEFAULT_FRAME_BYTES
    } else if (id === Setting.enablePush && (value > 1 || (value === 1 && this.#options.side === 'client')))
      throw new Http2Error(H2Code.protocol, 'wrong value of ENABLE_PUSH')
  }
  #onWindowUpdate(bytes: Buffer, from: number, to: number, stream: number): void {
    this.#wantLength(from, to, 4)
    const by = bytes.readUInt32BE(from) & 0x7fffffff
    if (stream !== 0) {
      this.#wantStream(stream)
      return this.#owner.windowGrown(stream, by)
    }
    if (by === 0) throw new Http2Error(H2Code.protocol, 'window update of nothing')
    this.sendWindow += by
    if (this.sendWindow > MAX_WINDOW_BYTES) throw new Http2Error(H2Code.flowControl, 'connection window too large')
    this.#owner.writable()
  }
  #onPing(bytes: Buffer, from: number, to: number, flags: number, stream: number): void {
    this.#wantLength(from, to, 8)
    if (stream !== 0) throw new Http2Error(H2Code.protocol, 'PING on a stream')
    if ((flags & Flag.ack) !== 0) {
      this.#onPong?.()
      this.#onPong = undefined
      return
    }
    this.#countAnswered()
    this.#out.frameHead(8, FrameType.ping, Flag.ack, 0)
    this.#out.bytes(bytes.subarray(from, to))
    this.#schedule()
  }
  /** Frames that cost us something and are of no use to the peer. */
  #countAnswered(): void {
    const now = this.#options.now()
    const { tokens, atMs } = this.#answered
    const filled = Math.min(ANSWERED_BURST, tokens + ((now - atMs) * ANSWERED_PER_SECOND) / 1_000)
    this.#answered = { tokens: filled - 1, atMs: now }
    if (filled < 1 || this.#socket.writableLength > MAX_UNSENT_BYTES)
      throw new Http2Error(H2Code.enhanceYourCalm, 'too many frames that carry nothing')
  }
}
