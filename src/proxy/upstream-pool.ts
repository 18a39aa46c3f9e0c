/**
 * The connections to one address of a backend.
 *
 * Owns:     idle and busy HTTP/1.1 connections, HTTP/2 sessions, the requests that wait for one.
 * Callers:  forward.ts through upstreams.ts.
 *
 * Short requests take HTTP/1.1 connections, which cost less CPU per request; long-running ones (watches), and short
 * ones once maxHttp1Connections are busy, share HTTP/2 sessions where the backend has HTTP/2.
 */
import type { Socket } from 'node:net'
import type { Cancel, Clock } from '../lib/clock.ts'
import { type Address, dial } from './dial.ts'
import { Http1ClientConnection, type Http1ClientOwner } from './http1-client.ts'
import { Http2ClientSession, type Http2ClientOwner } from './http2-client.ts'
import { UpstreamError, type UpstreamHandler, type UpstreamRequest, type UpstreamStream } from './upstream.ts'

export interface PoolOptions {
  readonly clock: Clock
  /** auto: see above. http/1.1 and h2: that protocol alone, as far as the backend speaks it. Default auto. */
  readonly protocol: 'auto' | 'http/1.1' | 'h2'
  /** Connections for short requests before HTTP/2 is used for them too. Default 64. */
  readonly maxHttp1Connections: number
  /** All together, where the backend has no HTTP/2. Default 4,096. */
  readonly maxConnections: number
  /** Requests that may wait for a connection; more fail at once. Default 4,096. */
  readonly maxQueued: number
  readonly connectTimeoutMs: number
  readonly handshakeTimeoutMs: number
  /** A connection without a request is closed after this. Default 60,000: shorter than the 90 s after which Go servers close. */
  readonly idleTimeoutMs: number
  readonly readIdleMs: number
  readonly pingTimeoutMs: number
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
}
export const defaultPoolOptions: Omit<PoolOptions, 'clock'> = {
  protocol: 'auto',
  maxHttp1Connections: 64,
  maxConnections: 4_096,
  maxQueued: 4_096,
  connectTimeoutMs: 30_000,
  handshakeTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  readIdleMs: 30_000,
  pingTimeoutMs: 15_000,
  maxHeaderBytes: 1_048_576,
  maxHeaderCount: 4_000,
}

/** A request that has no connection yet; it passes on what its sender calls once it has one. */
class Waiting implements UpstreamStream {
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  readonly #cancelled: (w: Waiting) => void
  #stream: UpstreamStream | undefined
  constructor(request: UpstreamRequest, handler: UpstreamHandler, cancelled: (w: Waiting) => void) {
    this.request = request
    this.handler = handler
    this.#cancelled = cancelled
  }
  started(stream: UpstreamStream): void {
    this.#stream = stream
    this.handler.connected?.()
    if (this.request.body !== 'none') this.handler.drained()
  }
  /** Nothing is taken before there is a connection: the body stays with the client. */
  write(chunk: Uint8Array): boolean {
    if (!this.#stream) throw new Error('write() before drained()')
    return this.#stream.write(chunk)
  }
  end(trailers?: readonly string[]): void {
    this.#stream?.end(trailers)
  }
  resume(): void {
    this.#stream?.resume()
  }
  abort(): void {
    if (this.#stream) this.#stream.abort()
    else this.#cancelled(this)
  }
}

export class UpstreamPool implements Http1ClientOwner, Http2ClientOwner {
  readonly address: Address
  readonly options: PoolOptions
  readonly #idle: Http1ClientConnection[] = []
  readonly #http1 = new Set<Http1ClientConnection>()
  readonly #sessions = new Set<Http2ClientSession>()
  /** Short requests and long ones wait apart: they wait for different things. */
  readonly #queue = new Set<Waiting>()
  readonly #sessionQueue = new Set<Waiting>()
  readonly #dialling = new Set<() => void>()
  #diallingHttp1 = 0
  /** From the dial until the peer's settings are here. */
  #diallingSession = false
  #opening: Http2ClientSession | undefined
  #cancelOpening: Cancel | undefined
  /** undefined until a backend was asked for it. */
  #hasHttp2: boolean | undefined
  #closed = false
  /** Monotonic ms of the last request. */
  lastUsed: number

  constructor(address: Address, options: PoolOptions) {
    this.address = address
    this.options = options
    this.lastUsed = options.clock.monotonicMs()
    if (!address.tls || options.protocol === 'http/1.1') this.#hasHttp2 = false
  }
  /** Connections and streams, for metrics and for "least busy" choices. */
  get stats(): { http1: number; idle: number; sessions: number; streams: number; queued: number } {
    let streams = 0
    for (const session of this.#sessions) streams += session.open
    const queued = this.#queue.size + this.#sessionQueue.size
    return { http1: this.#http1.size, idle: this.#idle.length, sessions: this.#sessions.size, streams, queued }
  }
  get busy(): boolean {
    const s = this.stats
    return s.http1 > s.idle || s.streams > 0 || s.queued > 0
  }

  /**
   * @param how.longRunning a watch or the like: it must not take a connection of its own where it can share one.
   * @param how.fresh no connection that waited: the one before it was dead, and those beside it may be.
   */
  send(
    request: UpstreamRequest,
    handler: UpstreamHandler,
    how: { readonly longRunning: boolean; readonly fresh: boolean },
  ): UpstreamStream {
    this.lastUsed = this.options.clock.monotonicMs()
    const { protocol, maxHttp1Connections } = this.options
    if (this.#hasHttp2 !== false && (protocol === 'h2' || how.longRunning)) return this.#sendOnSession(request, handler)
    if (how.fresh) for (const connection of this.#idle.splice(0)) connection.close()
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop())
      if (connection.usable) return this.#started(connection.send(request, handler), request, handler)
    const open = this.#http1.size + this.#diallingHttp1
    if (open >= maxHttp1Connections && this.#hasHttp2 !== false) return this.#sendOnSession(request, handler)
    return this.#enqueue(this.#queue, request, handler)
  }
  /** Idle connections past their time; called now and then. */
  sweep(nowMs: number): void {
    const limit = nowMs - this.options.idleTimeoutMs
    for (const connection of this.#idle.filter((c) => c.idleSince < limit)) connection.close()
    for (const session of this.#sessions) if (session.open === 0 && session.idleSince < limit) session.retire()
  }
  /** Ends everything at once. */
  close(): void {
    this.#closed = true
    for (const cancel of this.#dialling) cancel()
    for (const waiting of [...this.#queue, ...this.#sessionQueue])
      waiting.handler.failed(new UpstreamError('queue', 'the pool was closed', { unprocessed: true }))
    this.#queue.clear()
    this.#sessionQueue.clear()
    for (const connection of this.#http1) connection.close()
    for (const session of this.#sessions) session.close()
  }

  // What connections report.
  idle(connection: Http1ClientConnection): void {
    const [next] = this.#queue
    if (next) {
      this.#queue.delete(next)
      // Not in this call: it comes from the middle of the answer before.
      queueMicrotask(() => {
        if (connection.usable) this.#start(connection, next)
        else this.#requeue(this.#queue, next)
      })
      return
    }
    connection.idleSince = this.options.clock.monotonicMs()
    this.#idle.push(connection)
  }
  closed(connection: Http1ClientConnection | Http2ClientSession): void {
    if (connection instanceof Http2ClientSession) {
      this.#sessions.delete(connection)
      if (connection === this.#opening) {
        this.#sessionOpened()
        this.#dialFailed(
          this.#sessionQueue,
          new UpstreamError('connect', 'http2: the backend closed the connection before its settings', {
            unprocessed: true,
          }),
        )
      }
      this.#serveSessionQueue()
      return
    }
    this.#http1.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#dialForQueue()
  }
  changed(session: Http2ClientSession): void {
    if (session === this.#opening && session.ready) this.#sessionOpened()
    if (session.open === 0) session.idleSince = this.options.clock.monotonicMs()
    this.#serveSessionQueue()
  }

  #started(stream: UpstreamStream, request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream {
    handler.connected?.()
    // Synchronous: the sender has no stream in hand yet, so it is told to go on a moment later.
    if (request.body !== 'none') queueMicrotask(() => handler.drained())
    return stream
  }
  #sendOnSession(request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream {
    const session = this.#pickSession()
    if (session) {
      if (session.nearlyFull) this.#dialSession()
      return this.#started(session.send(request, handler), request, handler)
    }
    return this.#enqueue(this.#sessionQueue, request, handler)
  }
  /** The one with most streams that has room: fewer sessions stay open than with an even spread. */
  #pickSession(): Http2ClientSession | undefined {
    let best: Http2ClientSession | undefined
    for (const s of this.#sessions) if (s.usable && !s.full && (!best || (best.nearlyFull && !s.nearlyFull))) best = s
    return best
  }
  #enqueue(queue: Set<Waiting>, request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream {
    const waiting = new Waiting(request, handler, (w) => {
      this.#queue.delete(w)
      this.#sessionQueue.delete(w)
    })
    if (this.#closed || queue.size >= this.options.maxQueued)
      queueMicrotask(() =>
        handler.failed(new UpstreamError('queue', 'too many requests wait for a connection', { unprocessed: true })),
      )
    else this.#requeue(queue, waiting)
    return waiting
  }
  #requeue(queue: Set<Waiting>, waiting: Waiting): void {
    queue.add(waiting)
    if (queue === this.#queue) this.#dialForQueue()
    else this.#dialSession()
  }
  #start(connection: Http1ClientConnection | Http2ClientSession, waiting: Waiting): void {
    try {
      waiting.started(connection.send(waiting.request, waiting.handler))
    } catch (cause) {
      waiting.handler.failed(new UpstreamError('queue', (cause as Error).message, { cause, unprocessed: true }))
    }
  }
  #dialForQueue(): void {
    while (!this.#closed && this.#diallingHttp1 < this.#queue.size) {
      if (this.#http1.size + this.#diallingHttp1 >= this.options.maxConnections) return
      this.#diallingHttp1++
      this.#dial(['http/1.1'])
    }
  }
  #dialSession(): void {
    if (this.#diallingSession || this.#closed) return
    this.#diallingSession = true
    this.#dial(['h2', 'http/1.1'])
  }
  #dial(alpn: readonly ('h2' | 'http/1.1')[]): void {
    const forSession = alpn.length > 1
    const cancel = dial(this.address, { ...this.options, alpn }, (error, dialled) => {
      this.#dialling.delete(cancel)
      if (!forSession) this.#diallingHttp1--
      if (dialled?.protocol === 'h2') return this.#openSession(dialled.socket)
      if (forSession) this.#diallingSession = false
      if (error) this.#dialFailed(forSession ? this.#sessionQueue : this.#queue, error)
      else {
        if (forSession) this.#noHttp2()
        const connection = new Http1ClientConnection(dialled!.socket, this, this.options)
        this.#http1.add(connection)
        this.idle(connection)
      }
    })
    this.#dialling.add(cancel)
  }
  #openSession(socket: Socket): void {
    this.#hasHttp2 = true
    const session = new Http2ClientSession(socket, this, this.options)
    this.#sessions.add(session)
    this.#opening = session
    this.#cancelOpening = this.options.clock.after(this.options.handshakeTimeoutMs, () => session.close())
  }
  #sessionOpened(): void {
    this.#opening = undefined
    this.#cancelOpening?.()
    this.#diallingSession = false
  }
  #noHttp2(): void {
    this.#hasHttp2 = false
    for (const waiting of this.#sessionQueue) this.#queue.add(waiting)
    this.#sessionQueue.clear()
    // One of them takes the connection that is being handed over now.
    queueMicrotask(() => this.#dialForQueue())
  }
  /** One failure answers one request where each has its own dial, and all who wait for the one session. */
  #dialFailed(queue: Set<Waiting>, error: UpstreamError): void {
    const failed = queue === this.#sessionQueue ? [...queue] : [...queue].slice(0, 1)
    for (const waiting of failed) queue.delete(waiting)
    for (const waiting of failed) waiting.handler.failed(error)
  }
  #serveSessionQueue(): void {
    for (const waiting of this.#sessionQueue) {
      const session = this.#pickSession()
      if (!session) break
      this.#sessionQueue.delete(waiting)
      this.#start(session, waiting)
    }
    if (this.#sessionQueue.size > 0) this.#dialSession()
  }
}
