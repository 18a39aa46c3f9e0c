/**
 * The connections to one address of a backend.
 *
 * Owns:     idle and busy HTTP/1.1 connections, two groups of HTTP/2 sessions (session-group.ts), the requests that wait.
 * Callers:  forward.ts through upstreams.ts.
 *
 * Where the backend has HTTP/2, requests share sessions: what is sent in one turn of the event loop leaves in one write,
 * and a GOAWAY or a refused stream proves that a request was not seen and may be sent elsewhere. Else each has an
 * HTTP/1.1 connection for itself.
 */
import { type Address, type Dialled, type DialDone, dial } from './dial.ts'
import { Http1ClientConnection, type Http1ClientOwner } from './http1-client.ts'
import type { PoolOptions } from './pool-options.ts'
import { SessionGroup } from './session-group.ts'
import {
  SilentEndpointError,
  UpstreamError,
  type UpstreamHandler,
  type UpstreamRequest,
  type UpstreamStream,
} from './upstream.ts'
import { Waiting } from './waiting.ts'

const LOST = 'http: the backend does not answer any more'

export interface SendOptions {
  /** A watch or the like: it must not take a connection of its own where it can share one. */
  readonly longRunning: boolean
  /** No connection that waited: the one before it was dead, and those beside it may be. */
  readonly fresh: boolean
}

export class UpstreamPool implements Http1ClientOwner {
  readonly address: Address
  readonly options: PoolOptions
  readonly #idle: Http1ClientConnection[] = []
  readonly #http1 = new Set<Http1ClientConnection>()
  readonly #queue = new Set<Waiting>()
  readonly #dialling = new Set<() => void>()
  readonly #short: SessionGroup
  readonly #long: SessionGroup
  readonly #random: () => number
  #diallingHttp1 = 0
  /** undefined until a backend was asked for it. */
  #hasHttp2: boolean | undefined
  #closed = false
  #readBefore = -1
  #quietSinceMs = 0
  #checking = false
  /** Monotonic ms of the last request. */
  lastUsed: number

  constructor(address: Address, options: PoolOptions, random: () => number = Math.random) {
    this.address = address
    this.options = options
    this.#random = random
    this.lastUsed = options.clock.monotonicMs()
    if (options.protocol === 'h2') this.#hasHttp2 = true
    else if (!address.tls || options.protocol === 'http/1.1') this.#hasHttp2 = false
    this.#short = this.#newGroup()
    this.#long = this.#newGroup()
  }
  /** Connections and streams, for metrics. */
  get stats(): { http1: number; idle: number; sessions: number; streams: number; queued: number } {
    return {
      http1: this.#http1.size,
      idle: this.#idle.length,
      sessions: this.#short.size + this.#long.size,
      streams: this.#short.streams + this.#long.streams,
      queued: this.#queue.size + this.#short.queued + this.#long.queued,
    }
  }
  /** It takes no more requests: see Upstreams. */
  get isClosed(): boolean {
    return this.#closed
  }
  get busy(): boolean {
    const s = this.stats
    return s.http1 > s.idle || s.streams > 0 || s.queued > 0
  }

  send(request: UpstreamRequest, handler: UpstreamHandler, how: SendOptions): UpstreamStream {
    this.lastUsed = this.options.clock.monotonicMs()
    if (this.#hasHttp2 !== false)
      return this.#sendOnSession(how.longRunning ? this.#long : this.#short, request, handler)
    if (how.fresh) for (const connection of this.#idle.splice(0)) connection.close()
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop())
      if (connection.usable) return started(connection.send(request, handler), request, handler)
    return this.#enqueue(request, handler, (w) => this.#requeue(w))
  }
  /** Connections past their time, and whether the backend lives; called now and then. */
  sweep(nowMs: number): void {
    const limit = nowMs - this.options.idleTimeoutMs
    for (const connection of this.#idle.filter((c) => c.idleSince < limit || nowMs > c.retireAtMs)) connection.close()
    this.#short.sweep(nowMs)
    this.#long.sweep(nowMs)
    this.#checkAlive(nowMs)
  }
  /** HTTP/2 sessions ask for themselves. A process that stands still accepts connections all the same, but shakes no hands. */
  #checkAlive(nowMs: number): void {
    let awaited = false
    let read = 0
    for (const connection of this.#http1) {
      read += connection.bytesRead
      if (connection.awaitsAnswer) awaited = true
    }
    if (!awaited || read !== this.#readBefore) this.#quietSinceMs = nowMs
    this.#readBefore = read
    if (nowMs - this.#quietSinceMs < this.options.readIdleMs || this.#checking || !this.address.tls) return
    this.#checking = true
    const { pingTimeoutMs } = this.options
    const limits = { ...this.options, connectTimeoutMs: pingTimeoutMs, handshakeTimeoutMs: pingTimeoutMs }
    const cancel = dial(this.address, { ...limits, alpn: ['http/1.1'] }, (error, dialled) => {
      this.#checking = false
      this.#dialling.delete(cancel)
      this.#quietSinceMs = this.options.clock.monotonicMs()
      dialled?.socket.destroy()
      if (error) this.#lost()
    })
    this.#dialling.add(cancel)
  }
  /** Ends everything at once. */
  close(): void {
    this.#closed = true
    for (const cancel of this.#dialling) cancel()
    const error = closedError()
    for (const waiting of [...this.#queue, ...this.#short.takeWaiting(), ...this.#long.takeWaiting()])
      waiting.handler.failed(error)
    this.#queue.clear()
    for (const connection of this.#http1) connection.close()
    this.#short.close()
    this.#long.close()
  }

  // What HTTP/1.1 connections report.
  idle(connection: Http1ClientConnection): void {
    const [next] = this.#queue
    if (next) {
      this.#queue.delete(next)
      // Not in this call: it comes from the middle of the answer before.
      queueMicrotask(() => {
        if (connection.usable) next.startOn(connection)
        else this.#requeue(next)
      })
      return
    }
    const now = this.options.clock.monotonicMs()
    if (now > connection.retireAtMs) return connection.close()
    connection.idleSince = now
    this.#idle.push(connection)
  }
  closed(connection: Http1ClientConnection): void {
    this.#http1.delete(connection)
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#dialForQueue()
  }

  #newGroup(): SessionGroup {
    return new SessionGroup({
      options: this.options,
      random: this.#random,
      dial: (done, onHandshake) => this.#dial(['h2', 'http/1.1'], done, onHandshake),
      onHttp2: () => {
        this.#hasHttp2 = true
      },
      onHttp1: (socket, waiting) => {
        this.#hasHttp2 = false
        for (const w of [...waiting, ...this.#short.takeWaiting(), ...this.#long.takeWaiting()]) this.#queue.add(w)
        this.#adopt(socket)
        // One of them takes the connection that is being handed over now.
        queueMicrotask(() => this.#dialForQueue())
      },
    })
  }
  #sendOnSession(group: SessionGroup, request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream {
    const stream = group.send(request, handler)
    return stream ? started(stream, request, handler) : this.#enqueue(request, handler, (w) => group.enqueue(w))
  }
  #enqueue(request: UpstreamRequest, handler: UpstreamHandler, add: (w: Waiting) => void): UpstreamStream {
    const waiting = new Waiting(request, handler, (w) => {
      this.#queue.delete(w)
      this.#short.forget(w)
      this.#long.forget(w)
    })
    if (this.#closed) queueMicrotask(() => handler.failed(closedError()))
    else if (this.stats.queued >= this.options.maxQueued)
      queueMicrotask(() =>
        handler.failed(new UpstreamError('queue', 'too many requests wait for a connection', { unprocessed: true })),
      )
    else add(waiting)
    return waiting
  }
  #requeue(waiting: Waiting): void {
    this.#queue.add(waiting)
    this.#dialForQueue()
  }
  #dialForQueue(): void {
    while (!this.#closed && this.#diallingHttp1 < this.#queue.size) {
      if (this.#http1.size + this.#diallingHttp1 >= this.options.maxConnections) return
      this.#diallingHttp1++
      const done: DialDone = (error, dialled) => {
        this.#diallingHttp1--
        if (dialled) return this.#adopt(dialled.socket)
        // Each waits for a dial of its own: one failure answers one request.
        const [next] = this.#queue
        if (!next) return
        this.#queue.delete(next)
        next.handler.failed(error!)
      }
      this.#dial(['http/1.1'], done, () => this.#tellNext())
    }
  }
  #dial(alpn: readonly ('h2' | 'http/1.1')[], done: DialDone, onHandshake: () => void): void {
    const cancel = dial(this.address, { ...this.options, alpn, onHandshake }, (error, dialled) => {
      this.#dialling.delete(cancel)
      done(error, dialled)
    })
    this.#dialling.add(cancel)
  }
  /** Each request that waits has a dial of its own; which is whose does not matter. */
  #tellNext(): void {
    for (const waiting of this.#queue) if (waiting.handshaking()) return
  }
  #adopt(socket: Dialled['socket']): void {
    const connection = new Http1ClientConnection(socket, this, this.options)
    connection.retireAtMs = this.options.clock.monotonicMs() + this.options.maxAgeMs * (0.8 + 0.4 * this.#random())
    this.#http1.add(connection)
    this.idle(connection)
  }
  #lost(): void {
    const error = new SilentEndpointError(LOST)
    const unsent = new UpstreamError('tls', LOST, { unprocessed: true, cause: error })
    for (const cancel of this.#dialling) cancel()
    this.#dialling.clear()
    this.#diallingHttp1 = 0
    const waiting = [...this.#queue, ...this.#short.takeWaiting(), ...this.#long.takeWaiting()]
    this.#queue.clear()
    for (const w of waiting) w.handler.failed(unsent)
    for (const connection of this.#http1) connection.lost(error)
    this.#short.lost()
    this.#long.lost()
  }
}

function closedError(): UpstreamError {
  return new UpstreamError('queue', 'the pool was closed', { unprocessed: true })
}

function started(stream: UpstreamStream, request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream {
  handler.connected?.()
  // Synchronous: the sender has no stream in hand yet, so it is told to go on a moment later.
  if (request.body !== 'none') queueMicrotask(() => handler.drained())
  return stream
}
