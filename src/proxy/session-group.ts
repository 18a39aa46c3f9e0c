/**
 * The HTTP/2 sessions of one pool for one kind of request: watches and short requests have sessions apart, so that
 * thousands of quiet streams do not stand in the way of a short answer.
 *
 * Owns:     sessions, the requests that wait for one, the dial under way.
 * Callers:  upstream-pool.ts.
 */
import type { Socket } from 'node:net'
import type { Cancel } from '../lib/clock.ts'
import type { DialDone } from './dial.ts'
import { Http2ClientSession, type Http2ClientOwner } from './http2-client.ts'
import type { PoolOptions } from './pool-options.ts'
import { UpstreamError, type UpstreamHandler, type UpstreamRequest, type UpstreamStream } from './upstream.ts'
import type { Waiting } from './waiting.ts'

export interface SessionGroupOptions {
  readonly options: PoolOptions
  readonly random: () => number
  /** Offers both protocols. Called back once. */
  readonly dial: (done: DialDone, onHandshake: () => void) => void
  /** The backend speaks HTTP/1.1 alone: it gave this connection, and these requests have to go there. */
  readonly onHttp1: (socket: Socket, waiting: readonly Waiting[]) => void
  readonly onHttp2: () => void
}
interface Kept {
  readonly session: Http2ClientSession
  readonly retireAtMs: number
}
const NO_HTTP2 = 'http2: the backend does not agree to HTTP/2 (ALPN h2), and connections.protocol asks for nothing else'
const FAILED_PER_TURN = 4
/** Of the maximum age, each way: sessions that were opened together do not end together. */
const AGE_JITTER = 0.2

export class SessionGroup implements Http2ClientOwner {
  readonly #o: SessionGroupOptions
  readonly #sessions = new Map<Http2ClientSession, Kept>()
  readonly #waiting = new Set<Waiting>()
  /** From the dial until the peer's settings are here. */
  #dialling = false
  /** Of that time, from the moment that TCP is connected. */
  #handshaking = false
  #opening: Http2ClientSession | undefined
  #cancelOpening: Cancel | undefined
  #closed = false

  constructor(o: SessionGroupOptions) {
    this.#o = o
  }
  get size(): number {
    return this.#sessions.size
  }
  get queued(): number {
    return this.#waiting.size
  }
  get streams(): number {
    let streams = 0
    for (const session of this.#sessions.keys()) streams += session.open
    return streams
  }

  /** @returns undefined where it has to wait: enqueue() it. */
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream | undefined {
    const session = this.#pick()
    if (!session) return undefined
    if (session.nearlyFull) this.#dial()
    return session.send(request, handler)
  }
  enqueue(waiting: Waiting): void {
    this.#waiting.add(waiting)
    this.#dial()
    // Not in this call: its sender has no stream in hand yet.
    if (this.#handshaking)
      queueMicrotask(() => {
        if (this.#waiting.has(waiting)) waiting.handshaking()
      })
  }
  forget(waiting: Waiting): void {
    this.#waiting.delete(waiting)
  }
  /** The backend has no HTTP/2 after all. */
  takeWaiting(): Waiting[] {
    const all = [...this.#waiting]
    this.#waiting.clear()
    return all
  }
  sweep(nowMs: number): void {
    const idleLimit = nowMs - this.#o.options.idleTimeoutMs
    for (const { session, retireAtMs } of this.#sessions.values())
      if (nowMs > retireAtMs || (session.open === 0 && session.idleSince < idleLimit)) session.retire()
  }
  close(): void {
    this.#closed = true
    for (const session of this.#sessions.keys()) session.close()
  }
  /** Whoever waits hears it, and what runs breaks. */
  lost(): void {
    for (const session of this.#sessions.keys()) session.close()
  }

  // What sessions report.
  changed(session: Http2ClientSession): void {
    if (session === this.#opening && session.ready) this.#opened()
    if (session.open === 0) session.idleSince = this.#o.options.clock.monotonicMs()
    this.#serve()
  }
  closed(session: Http2ClientSession): void {
    this.#sessions.delete(session)
    if (session === this.#opening) {
      this.#opened()
      const text = 'http2: the backend closed the connection before its settings'
      this.#failAll(new UpstreamError('connect', text, { unprocessed: true }))
    }
    this.#serve()
  }

  /** The one with room that was opened first: fewer sessions stay open than with an even spread. */
  #pick(): Http2ClientSession | undefined {
    let best: Http2ClientSession | undefined
    for (const s of this.#sessions.keys())
      if (s.usable && !s.full && (!best || (best.nearlyFull && !s.nearlyFull))) best = s
    return best
  }
  #dial(): void {
    if (this.#dialling || this.#closed) return
    this.#dialling = true
    this.#o.dial((error, dialled) => {
      if (dialled?.protocol === 'h2') return this.#open(dialled.socket)
      this.#dialling = false
      this.#handshaking = false
      if (error) return this.#failAll(error)
      if (this.#o.options.protocol !== 'h2') return this.#o.onHttp1(dialled!.socket, this.takeWaiting())
      dialled!.socket.on('error', () => {}).destroy()
      this.#failAll(new UpstreamError('tls', NO_HTTP2, { unprocessed: true }))
    }, this.#onHandshake)
  }
  readonly #onHandshake = (): void => {
    this.#handshaking = true
    for (const waiting of this.#waiting) waiting.handshaking()
  }
  #open(socket: Socket): void {
    const { options, random } = this.#o
    this.#o.onHttp2()
    const session = new Http2ClientSession(socket, this, { ...options, readIdleMs: options.readIdleMs / 2 })
    const age = options.maxAgeMs * (1 - AGE_JITTER + 2 * AGE_JITTER * random())
    this.#sessions.set(session, { session, retireAtMs: options.clock.monotonicMs() + age })
    this.#opening = session
    this.#cancelOpening = options.clock.after(options.handshakeTimeoutMs, () => session.close())
  }
  #opened(): void {
    this.#opening = undefined
    this.#cancelOpening?.()
    this.#dialling = false
    this.#handshaking = false
  }
  /** Hundreds may have waited for it: others have their turns between theirs. */
  #failAll(error: UpstreamError): void {
    const failing = this.takeWaiting()
    const failSome = (): void => {
      for (const waiting of failing.splice(0, FAILED_PER_TURN)) waiting.handler.failed(error)
      if (failing.length > 0) setImmediate(failSome)
    }
    failSome()
  }
  #serve(): void {
    for (const waiting of this.#waiting) {
      const session = this.#pick()
      if (!session) break
      this.#waiting.delete(waiting)
      waiting.startOn(session)
    }
    if (this.#waiting.size > 0) this.#dial()
  }
}
