/**
 * One HTTP/2 session to a backend.
 *
 * Owns:    the session, and through it the socket.
 * Callers: upstream-pool.ts.
 *
 *   opening --peer's SETTINGS--> open --GOAWAY, ping unanswered, retire()--> draining --last stream--> closed
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { Cancel, Clock } from '../lib/clock.ts'
import type { HeaderList } from '../http/exchange.ts'
import { sendableValue } from '../http/header-list.ts'
import { UpstreamError, type UpstreamHandler, type UpstreamRequest, type UpstreamStream } from './upstream.ts'

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

/** What a backend may send before we take it in: one stream, and all together. A client that stalls holds back its own. */
const STREAM_WINDOW_BYTES = 262_144
const CONNECTION_WINDOW_BYTES = 67_108_864
const SESSION_MEMORY_MB = 128
/** For a peer that names no limit. */
const DEFAULT_STREAMS = 1_000
/** Of the peer's limit: the next session is opened before this one is full. */
const FILL = 0.8

export class Http2ClientSession {
  readonly #session: ClientHttp2Session
  readonly #owner: Http2ClientOwner
  readonly #options: Http2ClientOptions
  #limit = DEFAULT_STREAMS
  #open = 0
  /** The peer's settings are here: streams beyond its limit would be refused. */
  #ready = false
  #draining = false
  #closed = false
  #lastBytesRead = 0
  readonly #socket: Socket
  #cancelPing: Cancel
  /** Monotonic ms; the pool's. */
  idleSince = 0

  constructor(socket: Socket, owner: Http2ClientOwner, options: Http2ClientOptions) {
    this.#socket = socket
    // Dialled half-open for the sake of tunnels; here an end is the end.
    socket.allowHalfOpen = false
    socket.once('end', () => this.#session.destroy())
    this.#owner = owner
    this.#options = options
    this.#session = connect('https://backend', {
      createConnection: () => socket,
      maxSessionMemory: SESSION_MEMORY_MB,
      maxHeaderListPairs: options.maxHeaderCount,
      maxSendHeaderBlockLength: 4 * 1_048_576,
      peerMaxConcurrentStreams: DEFAULT_STREAMS,
      settings: {
        enablePush: false,
        initialWindowSize: STREAM_WINDOW_BYTES,
        maxHeaderListSize: options.maxHeaderBytes,
      },
    })
    this.#session.once('connect', () => {
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    })
    this.#session.on('remoteSettings', (settings) => {
      this.#limit = Math.min(settings.maxConcurrentStreams ?? DEFAULT_STREAMS, DEFAULT_STREAMS)
      this.#ready = true
      owner.changed(this)
    })
    this.#session.on('goaway', () => this.retire())
    this.#session.on('error', () => {})
    this.#session.on('close', () => this.#onClose())
    this.#cancelPing = options.clock.after(options.readIdleMs, this.#checkAlive)
  }
  get ready(): boolean {
    return this.#ready
  }
  get usable(): boolean {
    return this.#ready && !this.#draining && !this.#closed && !this.#session.closed && !this.#session.destroyed
  }
  /** Streams that are open. */
  get open(): number {
    return this.#open
  }
  get full(): boolean {
    return this.#open >= this.#limit
  }
  /** True where another session should be opened already. */
  get nearlyFull(): boolean {
    return this.#open >= this.#limit * FILL
  }

  /** Only while usable and not full. @throws TypeError on a header that cannot be sent. */
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream {
    const fields = [
      ':method',
      request.method,
      ':path',
      request.target,
      ':scheme',
      'https',
      ':authority',
      request.authority,
    ]
    for (let i = 0; i < request.headers.length; i += 2) {
      const name = request.headers[i]!.toLowerCase()
      fields.push(name, sendableValue(name, request.headers[i + 1]!))
    }
    if (typeof request.body === 'number') fields.push('content-length', String(request.body))
    this.#open++
    const waitForTrailers = request.body === 'unknown'
    const stream = this.#session.request(fields, { endStream: request.body === 'none', waitForTrailers })
    stream.once('close', this.#onStreamClose)
    return new Http2UpstreamStream(stream, handler)
  }
  /** No new requests; those under way go on. */
  retire(): void {
    if (this.#draining) return
    this.#draining = true
    this.#session.close()
    this.#owner.changed(this)
  }
  close(): void {
    this.#session.destroy()
    this.#onClose()
  }

  readonly #onStreamClose = (): void => {
    this.#open--
    this.#owner.changed(this)
  }
  #onClose(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelPing()
    this.#owner.closed(this)
  }
  /** A ping goes out only where nothing was read since the last look. */
  readonly #checkAlive = (): void => {
    const { clock, readIdleMs, pingTimeoutMs } = this.#options
    if (this.#session.destroyed) return
    const read = this.#socket.bytesRead
    const quiet = read === this.#lastBytesRead
    this.#lastBytesRead = read
    this.#cancelPing = clock.after(readIdleMs, this.#checkAlive)
    if (!quiet) return
    const cancelTimeout = clock.after(pingTimeoutMs, () => {
      this.#session.destroy(new Error('http2: client connection lost'), constants.NGHTTP2_NO_ERROR)
    })
    const sent = this.#session.ping((error) => {
      cancelTimeout()
      if (error) this.#session.destroy()
    })
    if (!sent) cancelTimeout()
  }
}

class Http2UpstreamStream implements UpstreamStream {
  readonly #stream: ClientHttp2Stream
  #handler: UpstreamHandler | undefined
  #answered = false
  #trailers: HeaderList = []
  #sentTrailers: HeaderList = []
  #expected: number | undefined
  #received = 0
  #error: Error | undefined
  #endSeen = false

  constructor(stream: ClientHttp2Stream, handler: UpstreamHandler) {
    this.#stream = stream
    this.#handler = handler
    stream.on('headers', (_headers: object, _flags: number, raw?: string[]) => {
      const status = Number(raw?.[1])
      if (status !== 100 && raw) this.#handler?.informed(status, raw.slice(2))
    })
    stream.on('response', this.#onResponse)
    stream.on('trailers', (_headers: object, _flags: number, raw?: string[]) => {
      this.#trailers = raw ?? []
    })
    stream.on('data', this.#onData)
    stream.on('end', this.#onEnd)
    // Node ends the readable side for END_STREAM and for RST_STREAM(NO_ERROR) alike; only then the stream is closed
    // before its last push. Without this an answer cut off by a backend that goes away politely would look whole.
    stream.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk === null && !stream.closed) this.#endSeen = true
      return Readable.prototype.push.call(stream, chunk, encoding)
    }
    stream.on('drain', () => this.#handler?.drained())
    stream.on('wantTrailers', () => this.#sendTrailers())
    stream.on('error', (error) => {
      this.#error = error
    })
    stream.on('close', this.#onClose)
  }
  write(chunk: Uint8Array): boolean {
    return this.#stream.destroyed || this.#stream.write(chunk)
  }
  end(trailers: HeaderList = []): void {
    this.#sentTrailers = trailers
    if (!this.#stream.destroyed) this.#stream.end()
  }
  resume(): void {
    this.#stream.resume()
  }
  abort(): void {
    this.#handler = undefined
    this.#stream.close(constants.NGHTTP2_CANCEL)
    this.#stream.destroy()
  }
  readonly #onResponse = (_headers: object, _flags: number, raw?: string[]): void => {
    this.#answered = true
    const headers = raw!.slice(2)
    const at = headers.indexOf('content-length')
    if (at >= 0) this.#expected = Number(headers[at + 1])
    this.#handler?.answered(Number(raw![1]), headers)
  }
  readonly #onData = (chunk: Buffer): void => {
    this.#received += chunk.length
    if (this.#handler && !this.#handler.data(chunk)) this.#stream.pause()
  }
  readonly #onEnd = (): void => {
    const stream = this.#stream
    if (!this.#answered || !this.#endSeen || (stream.rstCode ?? 0) !== 0) return
    if (this.#expected !== undefined && this.#received < this.#expected && this.#received > 0) return
    const handler = this.#handler
    this.#handler = undefined
    // The answer is whole; what is left of the request is not wanted any more.
    if (!stream.writableEnded) stream.close(constants.NGHTTP2_NO_ERROR)
    handler?.ended(this.#trailers)
  }
  readonly #onClose = (): void => {
    const handler = this.#handler
    this.#handler = undefined
    if (!handler) return
    const code = this.#stream.rstCode
    const cause = this.#error
    handler.failed(
      new UpstreamError(this.#answered ? 'stream' : 'first-byte', cause?.message ?? `stream error: code ${code}`, {
        cause,
        unprocessed: !this.#answered && code === constants.NGHTTP2_REFUSED_STREAM,
      }),
    )
  }
  #sendTrailers(): void {
    const fields: Record<string, string | string[]> = {}
    for (let i = 0; i < this.#sentTrailers.length; i += 2) {
      const name = this.#sentTrailers[i]!.toLowerCase()
      if (name === '__proto__') continue
      const before = fields[name]
      const value = this.#sentTrailers[i + 1]!
      fields[name] = before === undefined ? value : [before, value].flat()
    }
    this.#stream.sendTrailers(fields)
  }
}
