/**
 * One HTTP/1.1 connection to a backend, for one request after the other. Strict: an answer that two parsers
 * could read in two ways is an error, and its connection is never used again.
 *
 * Owns:     the socket.
 * Callers:  upstream-pool.ts. Written by hand because it costs about 0.6 of what the best library costs.
 *
 *   idle --send--> head --1xx--> head
 *                    `--answer--> body --end, both sides done, keep-alive--> idle
 *   anything else: closed
 */
import type { Socket } from 'node:net'
import type { Cancel, Clock } from '../lib/clock.ts'
import type { HeaderList } from '../http/exchange.ts'
import { tokensOf } from '../http/header-list.ts'
import { type BodyDecoder, bodyDecoder } from '../http/http1/body-decoder.ts'
import { responseFraming } from '../http/http1/body-framing.ts'
import { endOfHead, parseResponseHead, type ResponseHead } from '../http/http1/message-head.ts'
import { fieldLines, joined } from '../http/http1/response-writer.ts'
import { UpstreamError, type UpstreamHandler, type UpstreamRequest, type UpstreamStream } from './upstream.ts'

export interface Http1ClientLimits {
  readonly clock: Clock
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
}
/** What the pool hears. */
export interface Http1ClientOwner {
  /** May take the next request. */
  idle(connection: Http1ClientConnection): void
  closed(connection: Http1ClientConnection): void
}

const EMPTY = Buffer.alloc(0)
const MAX_INFORMED = 64
const SMALL_BYTES = 16_384
/** From the first byte of an answer's head to its last, however it trickles in. When it begins is the sender's to limit. */
const HEAD_MS = 10_000

export class Http1ClientConnection implements UpstreamStream {
  readonly #socket: Socket
  readonly #owner: Http1ClientOwner
  readonly #limits: Http1ClientLimits
  #handler: UpstreamHandler | undefined
  #method = ''
  #upgrade: string | undefined
  #pending: Buffer = EMPTY
  #searched = 0
  #cancelHeadTimer: Cancel | undefined
  #decoder: BodyDecoder | undefined
  #chunked = false
  #requestDone = true
  #keepAlive = true
  #untilClose = false
  #received = false
  #informed = 0
  #served = 0
  #closed = false
  /** Monotonic ms; the pool's. */
  idleSince = 0
  retireAtMs = Number.POSITIVE_INFINITY

  constructor(socket: Socket, owner: Http1ClientOwner, limits: Http1ClientLimits) {
    this.#socket = socket
    this.#owner = owner
    this.#limits = limits
    socket.on('data', this.#onBytes)
    socket.on('end', this.#onEnd)
    socket.on('drain', () => this.#handler?.drained())
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(undefined))
  }
  /** It can be told to be dead already. */
  get usable(): boolean {
    return !this.#closed && !this.#socket.destroyed && this.#socket.writable && !this.#socket.readableEnded
  }

  get bytesRead(): number {
    return this.#socket.bytesRead
  }
  get awaitsAnswer(): boolean {
    return this.#handler !== undefined && this.#decoder === undefined
  }
  /** The backend is known to be dead. */
  lost(error: Error): void {
    if (this.#handler) this.#fail(error)
    else this.close()
  }

  /** Only while idle. */
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream {
    this.#handler = handler
    this.#method = request.method
    this.#upgrade = request.upgrade
    this.#decoder = undefined
    this.#received = false
    this.#informed = 0
    this.#requestDone = request.body === 'none'
    this.#chunked = request.body === 'unknown'
    let head = `${request.method} ${request.target} HTTP/1.1\r\nHost: ${request.authority}\r\n${fieldLines(request.headers)}`
    if (this.#chunked) head += 'Transfer-Encoding: chunked\r\n'
    else if (typeof request.body === 'number') head += `Content-Length: ${request.body}\r\n`
    else if (expectsBody(request.method)) head += 'Content-Length: 0\r\n'
    // As bytes: a string would be copied twice more on its way into the TLS record.
    this.#socket.write(Buffer.from(`${head}\r\n`, 'latin1'))
    return this
  }
  write(chunk: Uint8Array): boolean {
    if (this.#closed || chunk.length === 0) return true
    if (!this.#chunked) return this.#socket.write(chunk)
    const size = `${chunk.length.toString(16)}\r\n`
    if (chunk.length <= SMALL_BYTES) return this.#socket.write(joined(size, chunk, '\r\n'))
    this.#socket.write(size, 'latin1')
    this.#socket.write(chunk)
    return this.#socket.write('\r\n', 'latin1')
  }
  end(trailers: HeaderList = []): void {
    if (this.#closed || this.#requestDone) return
    this.#requestDone = true
    if (this.#chunked) this.#socket.write(`0\r\n${fieldLines(trailers)}\r\n`, 'latin1')
  }
  resume(): void {
    if (this.#closed) return
    this.#socket.resume()
    if (this.#pending.length > 0) this.#work()
  }
  abort(): void {
    this.#handler = undefined
    this.close()
  }
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#endHeadTimer()
    this.#socket.destroy()
    this.#owner.closed(this)
  }

  readonly #onBytes = (chunk: Buffer): void => {
    if (this.#closed) return
    // Bytes that nobody asked for belong to no answer.
    if (!this.#handler) return this.close()
    this.#received = true
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#work()
  }
  readonly #onEnd = (): void => {
    if (this.#untilClose && this.#handler && this.#decoder && this.#pending.length === 0) this.#finish([])
    else this.#fail(undefined)
  }
  #work(): void {
    try {
      while (this.#pending.length > 0 && this.#handler && this.#step(this.#handler));
    } catch (e) {
      this.#fail(e)
    }
  }
  /** @returns whether to go on. */
  #step(handler: UpstreamHandler): boolean {
    if (!this.#decoder) return this.#readHead(handler)
    let wantsMore = true
    const at = this.#decoder.decode(this.#pending, 0, (data) => {
      if (this.#handler && !handler.data(data)) wantsMore = false
    })
    this.#pending = at === this.#pending.length ? EMPTY : this.#pending.subarray(at)
    if (this.#closed) return false
    if (this.#decoder.done) {
      this.#finish(this.#decoder.trailers)
      return false
    }
    if (!wantsMore) this.#socket.pause()
    return wantsMore
  }
  #readHead(handler: UpstreamHandler): boolean {
    const bytes = this.#pending
    const end = endOfHead(bytes, Math.max(0, this.#searched - 3))
    if ((end < 0 ? bytes.length : end) > this.#limits.maxHeaderBytes)
      throw new Error('response header fields too large')
    if (end < 0) {
      this.#searched = bytes.length
      this.#cancelHeadTimer ??= this.#limits.clock.after(HEAD_MS, () =>
        this.#fail(new Error('timeout awaiting response headers')),
      )
      return false
    }
    this.#searched = 0
    this.#endHeadTimer()
    const head = parseResponseHead(end === bytes.length ? bytes : bytes.subarray(0, end), this.#limits.maxHeaderCount)
    this.#pending = end === bytes.length ? EMPTY : bytes.subarray(end)
    if (head.status < 200) return this.#inform(head, handler)
    const framing = responseFraming(head, this.#method)
    this.#untilClose = framing.kind === 'until-close'
    this.#keepAlive = !this.#untilClose && keepsAlive(head)
    const decoder = bodyDecoder(framing)
    this.#decoder = decoder
    handler.answered(head.status, head.headers)
    if (!this.#closed && decoder.done) this.#finish([])
    return !this.#closed && !decoder.done
  }
  #endHeadTimer(): void {
    this.#cancelHeadTimer?.()
    this.#cancelHeadTimer = undefined
  }
  #inform(head: ResponseHead, handler: UpstreamHandler): boolean {
    if (head.status === 101) return this.#switch(head, handler)
    if (++this.#informed > MAX_INFORMED) throw new Error('too many 1xx responses')
    if (head.status !== 100) handler.informed(head.status, head.headers)
    return !this.#closed
  }
  #switch(head: ResponseHead, handler: UpstreamHandler): boolean {
    if (this.#upgrade === undefined) throw new Error('unexpected 101 Switching Protocols')
    this.#handler = undefined
    this.#closed = true
    this.#socket.pause()
    for (const event of ['data', 'end', 'drain', 'error', 'close']) this.#socket.removeAllListeners(event)
    this.#socket.on('error', () => {})
    this.#owner.closed(this)
    handler.switched(head.headers, { socket: this.#socket, head: this.#pending })
    return false
  }
  #finish(trailers: HeaderList): void {
    const handler = this.#handler!
    this.#handler = undefined
    // Bytes behind the answer, or a request that is still being sent: the next answer could not be told apart.
    const reusable =
      this.#keepAlive && this.#requestDone && this.#upgrade === undefined && this.#pending.length === 0 && this.usable
    this.#served++
    if (!reusable) this.close()
    else {
      if (this.#socket.isPaused()) this.#socket.resume()
      this.#owner.idle(this)
    }
    handler.ended(trailers)
  }
  #fail(cause: unknown): void {
    if (this.#closed) return
    const handler = this.#handler
    this.#handler = undefined
    this.close()
    if (!handler) return
    const error = cause instanceof Error ? cause : new Error(this.#received ? 'unexpected EOF' : 'EOF')
    handler.failed(
      new UpstreamError(this.#decoder ? 'stream' : 'first-byte', error.message, {
        cause: error,
        stale: this.#served > 0 && !this.#received,
      }),
    )
  }
}

function keepsAlive(head: ResponseHead): boolean {
  const tokens = tokensOf(head.headers, 'connection')
  return head.minorVersion === 1 ? !tokens.includes('close') : tokens.includes('keep-alive')
}
/** Servers take a missing length for "none" there, but some proxies refuse it. */
function expectsBody(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}
