/**
 * One client's HTTP/2 connection, over Node's stream API (the compatibility API costs a third more).
 *
 * Owns:    the session, and through it the socket.
 * Callers: listener.ts.
 */
import { type ServerHttp2Session, type ServerHttp2Stream, constants, performServerHandshake } from 'node:http2'
import type { IncomingHttpHeaders } from 'node:http2'
import type { VerifiedCertificate } from '../exchange.ts'
import { headerValue } from '../header-list.ts'
import type { ConnectionSeed, ServerConnection } from '../server-connection.ts'
import { type Http2RequestHead, Http2Exchange } from './server-exchange.ts'

const FLAG_END_STREAM = 1
/** What clients may send before we take it in: one stream, and the connection. Upstream: 256 KiB per stream. */
const STREAM_WINDOW_BYTES = 262_144
const CONNECTION_WINDOW_BYTES = 8_388_608
const SESSION_MEMORY_MB = 64

export class Http2ServerConnection implements ServerConnection {
  readonly id: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  readonly protocol = 'h2'
  readonly secure: boolean
  readonly #seed: ConnectionSeed
  readonly #session: ServerHttp2Session
  /** Those whose bodies may stall. */
  readonly #uploads = new Map<Http2Exchange, { since: number; bytes: number }>()
  #open = 0
  #since: number

  constructor(seed: ConnectionSeed) {
    this.#seed = seed
    this.id = seed.id
    this.secure = seed.secure
    this.remoteAddress = seed.socket.remoteAddress ?? ''
    this.remotePort = seed.socket.remotePort ?? 0
    this.localPort = seed.socket.localPort ?? 0
    this.#since = seed.now()
    const { limits } = seed
    // The listener's sockets are half-open for the sake of HTTP/1.1 tunnels; here an end without GOAWAY is the end.
    seed.socket.allowHalfOpen = false
    seed.socket.once('end', () => this.#session.destroy())
    this.#session = performServerHandshake(seed.socket, {
      // Twice what is allowed: the limit itself is answered with 431 here, nghttp2's with a reset.
      maxHeaderListPairs: 2 * limits.maxHeaderCount,
      maxSessionMemory: SESSION_MEMORY_MB,
      maxOutstandingPings: limits.maxOutstandingPings,
      maxSettings: limits.maxSettings,
      maxSendHeaderBlockLength: 4 * 1_048_576,
      streamResetBurst: limits.streamResetBurst,
      streamResetRate: limits.streamResetRate,
      settings: {
        enableConnectProtocol: true,
        enablePush: false,
        maxConcurrentStreams: limits.maxConcurrentStreams,
        maxHeaderListSize: 2 * limits.maxHeaderBytes,
        maxFrameSize: 65_536,
        initialWindowSize: STREAM_WINDOW_BYTES,
      },
    })
    this.#session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
    this.#session.on('stream', this.#onStream)
    this.#session.on('error', seed.onProtocolError)
  }

  get clientCertificate(): VerifiedCertificate | undefined {
    return this.#seed.peer?.current()
  }
  retire(): void {
    if (!this.#session.closed && !this.#session.destroyed) this.#session.close()
  }
  destroy(): void {
    this.#session.destroy()
  }
  sweep(nowMs: number): void {
    const { idleTimeoutMs, bodyTimeoutMs } = this.#seed.limits
    if (this.#open === 0 && nowMs - this.#since > idleTimeoutMs) this.retire()
    for (const [exchange, upload] of this.#uploads) {
      if (!exchange.starved || exchange.bytesIn !== upload.bytes) {
        upload.since = nowMs
        upload.bytes = exchange.bytesIn
      } else if (nowMs - upload.since > bodyTimeoutMs) exchange.abort(new Error('the body took too long'))
    }
  }

  readonly #onStream = (
    stream: ServerHttp2Stream,
    _headers: IncomingHttpHeaders,
    flags: number,
    rawHeaders: string[],
  ): void => {
    this.#open++
    stream.on('close', this.#onStreamClose)
    const head = this.#headOf(rawHeaders, (flags & FLAG_END_STREAM) === 0)
    if (typeof head === 'number') return refuse(stream, head)
    const exchange = new Http2Exchange(stream, head, this)
    if (head.hasBody) {
      this.#uploads.set(exchange, { since: this.#seed.now(), bytes: 0 })
      exchange.onFinish(() => this.#uploads.delete(exchange))
    }
    this.#seed.onRequest(exchange)
  }
  readonly #onStreamClose = (): void => {
    this.#open--
    if (this.#open === 0) this.#since = this.#seed.now()
  }
  /** @returns a status where the request is refused. */
  #headOf(raw: string[], hasBody: boolean): Http2RequestHead | number {
    let method = ''
    let target = ''
    let authority = ''
    let protocol: string | undefined
    let at = 0
    let bytes = 0
    for (; at < raw.length && raw[at]!.startsWith(':'); at += 2) {
      const value = raw[at + 1]!
      bytes += value.length
      if (raw[at] === ':method') method = value
      else if (raw[at] === ':path') target = value
      else if (raw[at] === ':authority') authority = value
      else if (raw[at] === ':protocol') protocol = value
    }
    const headers = at === 0 ? raw : raw.slice(at)
    if (headers.length > 2 * this.#seed.limits.maxHeaderCount) return 431
    for (const part of headers) bytes += part.length
    if (bytes > this.#seed.limits.maxHeaderBytes) return 431
    if (method === 'CONNECT' && protocol === undefined) return 405
    if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS')) return 400
    if (authority === '') authority = headerValue(headers, 'host') ?? ''
    return { method, target, authority, protocol, headers, hasBody }
  }
}

function refuse(stream: ServerHttp2Stream, status: number): void {
  stream.on('error', () => {})
  stream.resume()
  stream.respond([':status', String(status), 'content-type', 'text/plain; charset=utf-8'])
  stream.end(`${status} request refused\n`, () => {
    if (!stream.closed) stream.close(constants.NGHTTP2_NO_ERROR)
  })
}
