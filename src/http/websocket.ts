/**
 * The server's half of a WebSocket that only we send messages on. Source: RFC 6455; RFC 8441 over HTTP/2.
 *
 * Owns:     the raw stream of the exchange, from acceptWebSocket() until both sides are closed.
 * Callers:  endpoints/watch-sink.ts.
 * Not here: WebSockets of backends, whose bytes are handed on as they are (proxy/upgrade-tunnel.ts).
 *
 *   open --close(), the client's close frame--> closing --the client's end, or it takes too long--> closed
 *     `---- what no client may send: close frame 1002 ----^
 */
import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { Cancel, Clock } from '../lib/clock.ts'
import type { HeaderList } from './exchange.ts'
import type { RequestContext } from './request-context.ts'
import { withoutTokenProtocols } from './websocket-token.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const VERSION = '13'
/** The time that a client has to close after it was told of the end. */
const CLOSING_MS = 5_000
/** The most bytes of pongs that a client may leave unread. */
const MAX_UNSENT_BYTES = 1_048_576
const MAX_CONTROL_BYTES = 125
const Op = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
const FIN = 0x80
const MASKED = 0x80
const NORMAL = 1_000
const PROTOCOL_ERROR = 1_002

/** @returns what `Sec-WebSocket-Accept` says to a key. */
export function webSocketAccept(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64')
}

/** Why a request opens no WebSocket, with the headers of its 400. */
export interface WebSocketRefusal {
  readonly text: string
  readonly headers: HeaderList
}

/** @returns what the answer to the handshake carries, or why there is none. At most one sub-protocol may be asked for, as upstream. */
export function webSocketHandshake({ exchange }: RequestContext): HeaderList | WebSocketRefusal {
  const { headers, connection } = exchange
  if (headers.get('sec-websocket-version') !== VERSION)
    return { text: 'missing or bad WebSocket Version', headers: ['Sec-WebSocket-Version', VERSION] }
  const protocols = subProtocols(headers.raw)
  if (protocols.length > 1) return { text: 'more than one WebSocket sub-protocol', headers: [] }
  const chosen = protocols.length === 0 ? [] : ['Sec-WebSocket-Protocol', protocols[0]!]
  if (connection.protocol === 'h2') return chosen
  const key = headers.get('sec-websocket-key')
  if (key === undefined || key === '') return { text: 'no WebSocket key', headers: [] }
  return ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', webSocketAccept(key), ...chosen]
}

/** In the letters they came in; a bearer token among them is none. */
function subProtocols(raw: HeaderList): string[] {
  const found: string[] = []
  const kept = withoutTokenProtocols(raw)
  for (let i = 0; i < kept.length; i += 2) {
    if (kept[i]!.toLowerCase() !== 'sec-websocket-protocol') continue
    for (const protocol of kept[i + 1]!.split(',')) if (protocol.trim() !== '') found.push(protocol.trim())
  }
  return found
}

/** @param handshake of webSocketHandshake(). */
export function acceptWebSocket(ctx: RequestContext, handshake: HeaderList, clock: Clock): WebSocket {
  const { stream, head } = ctx.exchange.takeOver(101, [...ctx.answerHeaders, ...handshake])
  const socket = new WebSocket(stream, clock)
  if (head.length > 0) stream.unshift(head)
  return socket
}

export class WebSocket {
  readonly #stream: Duplex
  readonly #clock: Clock
  readonly #reader: FrameReader
  #closing = false
  #cancel: Cancel | undefined

  constructor(stream: Duplex, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
    this.#reader = new FrameReader((op, payload) => this.#control(op, payload))
    stream.on('data', (chunk: Buffer) => this.#read(chunk))
    // Whatever is still to be sent goes first; over HTTP/2 there is no end of one side alone to wait for.
    stream.on('end', () => stream.end(() => stream.destroy()))
    stream.on('error', () => {})
    stream.once('close', () => this.#cancel?.())
    stream.resume()
  }
  /** @returns false when the caller should wait for onDrain. */
  send(payload: Uint8Array, kind: 'text' | 'binary'): boolean {
    if (this.#closing) return true
    return this.#frame(Op[kind], payload)
  }
  onDrain(resume: () => void): void {
    this.#stream.once('drain', resume)
  }
  close(code = NORMAL): void {
    if (this.#closing) return
    this.#closing = true
    const payload = Buffer.alloc(2)
    payload.writeUInt16BE(code)
    this.#frame(Op.close, payload)
    this.#stream.end()
    this.#cancel = this.#clock.after(CLOSING_MS, () => this.#stream.destroy())
  }

  #frame(op: number, payload: Uint8Array): boolean {
    const stream = this.#stream
    stream.cork()
    stream.write(frameHead(op, payload.length))
    const more = stream.write(payload)
    stream.uncork()
    return more
  }
  #read(chunk: Buffer): void {
    // What comes behind our close frame, the client's own among it, changes nothing.
    if (this.#closing) return
    if (!this.#reader.take(chunk)) this.close(PROTOCOL_ERROR)
  }
  #control(op: number, payload: Buffer): void {
    if (this.#closing) return
    if (op === Op.close) this.close(payload.length >= 2 ? payload.readUInt16BE() : NORMAL)
    else if (op !== Op.ping) return
    else if (this.#stream.writableLength > MAX_UNSENT_BYTES) this.#stream.destroy()
    else this.#frame(Op.pong, payload)
  }
}

function frameHead(op: number, length: number): Buffer {
  if (length <= MAX_CONTROL_BYTES) return Buffer.from([FIN | op, length])
  const head = Buffer.alloc(length <= 0xffff ? 4 : 10)
  head[0] = FIN | op
  if (length <= 0xffff) {
    head[1] = 126
    head.writeUInt16BE(length, 2)
  } else {
    head[1] = 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  return head
}

const MIN_HEAD_BYTES = 2
const MASK_BYTES = 4
const MAX_HEAD_BYTES = 14

/** Takes a client's frames apart. Control frames are handed on; of messages, which mean nothing here, nothing is kept. */
class FrameReader {
  readonly #onControl: (op: number, payload: Buffer) => void
  /** A head that is only half here, or a control frame. */
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes of a message's frame that are still to come. */
  #skip = 0

  constructor(onControl: (op: number, payload: Buffer) => void) {
    this.#onControl = onControl
  }
  /** @returns false on what no client may send. */
  take(chunk: Buffer): boolean {
    const skipped = Math.min(this.#skip, chunk.length)
    this.#skip -= skipped
    let bytes = chunk.subarray(skipped)
    if (this.#rest.length > 0) bytes = Buffer.concat([this.#rest, bytes])
    this.#rest = Buffer.alloc(0)
    while (bytes.length > 0) {
      const taken = this.#takeFrame(bytes)
      if (taken < 0) return false
      if (taken === 0) break
      bytes = bytes.subarray(taken)
    }
    // A few bytes of the chunk must not keep all of it.
    if (bytes.length > 0) this.#rest = Buffer.from(bytes)
    return true
  }
  /** @returns the bytes it took; 0 where more are needed, -1 where they are no frame. */
  #takeFrame(bytes: Buffer): number {
    if (bytes.length < MIN_HEAD_BYTES) return 0
    const [first, second] = [bytes[0]!, bytes[1]!]
    const isControl = (first & 0x08) !== 0
    const length = lengthOf(bytes)
    if ((first & 0x70) !== 0 || (second & MASKED) === 0) return -1
    if (isControl && ((first & FIN) === 0 || (second & 0x7f) > MAX_CONTROL_BYTES)) return -1
    if (length === undefined) return bytes.length >= MAX_HEAD_BYTES ? -1 : 0
    const from = length.end + MASK_BYTES
    if (bytes.length < from) return 0
    if (!isControl) {
      const here = Math.min(length.value, bytes.length - from)
      this.#skip = length.value - here
      return from + here
    }
    if (bytes.length < from + length.value) return 0
    const payload = Buffer.from(bytes.subarray(from, from + length.value))
    for (let i = 0; i < payload.length; i++) payload[i]! ^= bytes[length.end + (i % MASK_BYTES)]!
    this.#onControl(first & 0x0f, payload)
    return from + length.value
  }
}

/** @returns undefined where it is not all here, or beyond what a number holds. */
function lengthOf(bytes: Buffer): { value: number; end: number } | undefined {
  const short = bytes[1]! & 0x7f
  if (short < 126) return { value: short, end: 2 }
  if (short === 126) return bytes.length < 4 ? undefined : { value: bytes.readUInt16BE(2), end: 4 }
  if (bytes.length < 10) return undefined
  const value = bytes.readBigUInt64BE(2)
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : { value: Number(value), end: 10 }
}
