/**
 * Sends a request on to a backend and streams the answer back, with back-pressure both ways.
 *
 * Callers:  proxy handlers of servers/, which chose the endpoint and know who is calling.
 * Not here: connections (upstream-pool.ts), header rules (request-headers.ts, end-to-end-headers.ts),
 *           texts of failures (proxy-error.ts), what happens after a 101 (upgrade-tunnel.ts).
 *
 *   sent --answered--> streaming --ended--> done
 *     |--failed, provably unprocessed, body untouched--> sent again
 *     |--failed--> ctx.fail(503)        `--failed--> exchange.abort: a broken answer never looks complete
 *     `--client gone--> upstream aborted
 */
import type { Readable } from 'node:stream'
import type { Cancel, Clock } from '../lib/clock.ts'
import type { HeaderList, Outcome } from '../http/exchange.ts'
import { headerValue } from '../http/header-list.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Tracer } from '../observability/tracer.ts'
import { answerHeaders, endToEndHeaders } from './end-to-end-headers.ts'
import type { IdentityMode, IdentityNames } from './identity-headers.ts'
import { ForwardSpans } from './forward-spans.ts'
import { proxyError } from './proxy-error.ts'
import type { BackendMetrics } from './proxy-metrics.ts'
import { requestHeaders } from './request-headers.ts'
import type { UpstreamPool } from './upstream-pool.ts'
import { UpstreamError, type UpstreamHandler, type UpstreamRequest, type UpstreamStream } from './upstream.ts'
import {
  joinStreams,
  openUpgrade,
  type Switched,
  switchedHeaders,
  upgradeHeaders,
  wrongSwitch,
} from './upgrade-tunnel.ts'

/** What all requests to one backend share. Make it once per backend, not per request. */
export interface ForwardRules {
  readonly identity: IdentityMode
  readonly identityNames?: IdentityNames | undefined
  /** `Bearer ...`, for identity `impersonate`. */
  readonly authorization?: string | undefined
  /** Refuses answers that would send the client elsewhere (CVE-2022-3172). Default true. */
  readonly rejectRedirects?: boolean
  readonly metrics: BackendMetrics
  readonly tracer: Tracer
  readonly clock: Clock
}
export interface ForwardRequest {
  readonly rules: ForwardRules
  readonly pool: UpstreamPool
  /** Path and query; default the client's own, byte for byte. */
  readonly target?: string
  /** Host header; default the pool's host:port. */
  readonly authority?: string
  /** Watches and the like. */
  readonly longRunning: boolean
  /** From now to the head of the answer; absent: as long as the request's own deadline. */
  readonly firstByteTimeoutMs?: number | undefined
  /** Asked when a request failed that may safely be sent again. @returns where to; undefined: nowhere. */
  readonly retry?: (error: UpstreamError, attempt: number) => UpstreamPool | undefined
}

const MAX_ATTEMPTS = 3
const SAFE_TO_REPEAT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])
const REDIRECT_TEXT = Buffer.from('the backend attempted to redirect this request, which is not permitted')

/** @throws StatusError where the request cannot be sent at all; later failures go through ctx.fail. */
export function forward(ctx: RequestContext, request: ForwardRequest): void {
  new Forwarding(ctx, request).start()
}

class Forwarding implements UpstreamHandler {
  readonly #ctx: RequestContext
  readonly #options: ForwardRequest
  readonly #message: UpstreamRequest
  readonly #spans: ForwardSpans | undefined
  #pool: UpstreamPool
  #stream: UpstreamStream | undefined
  #body: Readable | undefined
  #attempt = 1
  #startedMs: number
  #cancelTimer: Cancel | undefined
  /** Bytes of the answer still to come, where its length is known. */
  #left = Number.POSITIVE_INFINITY
  #answered = false
  /** The answer's last byte was handed on, before the backend's own end was heard. */
  #whole = false
  #done = false

  constructor(ctx: RequestContext, options: ForwardRequest) {
    const { exchange } = ctx
    const { rules, pool } = options
    this.#ctx = ctx
    this.#options = options
    this.#pool = pool
    this.#startedMs = rules.clock.monotonicMs()
    if (rules.tracer.enabled) this.#spans = new ForwardSpans(rules.tracer, exchange.method, ctx.span)
    const headers = requestHeaders({
      exchange,
      identity: rules.identity,
      identityNames: rules.identityNames,
      user: ctx.user,
      authorization: rules.authorization,
      auditId: ctx.auditId,
      trace: this.#spans?.context,
    })
    const upgrade = exchange.upgrade
    if (upgrade !== undefined) headers.push(...upgradeHeaders(exchange, upgrade))
    this.#message = {
      method: upgrade !== undefined && exchange.connection.protocol === 'h2' ? 'GET' : exchange.method,
      target: options.target ?? exchange.target,
      authority: options.authority ?? authorityOf(pool),
      headers,
      body: upgrade === undefined && exchange.hasBody ? lengthOf(exchange.headers.get('content-length')) : 'none',
      upgrade,
    }
  }

  start(): void {
    this.#ctx.exchange.onFinish(this.#onFinish)
    const { firstByteTimeoutMs, rules } = this.#options
    if (firstByteTimeoutMs !== undefined)
      this.#cancelTimer = rules.clock.after(firstByteTimeoutMs, () => {
        this.#stream?.abort()
        this.failed(new UpstreamError('first-byte', 'context deadline exceeded'))
      })
    this.#send(false)
  }

  // What the backend does.
  informed(status: number, headers: HeaderList): void {
    if (!this.#done) this.#ctx.exchange.inform(status, endToEndHeaders(headers))
  }
  answered(status: number, headers: HeaderList): void {
    const { rules } = this.#options
    this.#cancelTimer?.()
    if (this.#done) return
    // Someone else answered, a deadline for example.
    if (this.#ctx.exchange.phase !== 'waiting') return this.#stop()
    this.#answered = true
    rules.metrics.answered(status)
    rules.metrics.firstByteSeconds.observe((rules.clock.monotonicMs() - this.#startedMs) / 1_000)
    this.#spans?.answered(status)
    if (
      status < 400 &&
      status >= 300 &&
      rules.rejectRedirects !== false &&
      headerValue(headers, 'location') !== undefined
    )
      return this.#answerInstead(502, REDIRECT_TEXT)
    if (this.#message.upgrade !== undefined && status < 400)
      return this.#answerInstead(503, Buffer.from(`invalid upgrade response: status code ${status}\n`))
    const length = headerValue(headers, 'content-length')
    const bodyless = this.#message.method === 'HEAD' || status === 204 || status === 304
    if (length !== undefined && !bodyless) this.#left = Number(length)
    try {
      // Without a length nothing may follow for long, as with a watch: its head must not wait for the first event.
      this.#ctx.respond(status, answerHeaders(headers), length === undefined && !bodyless)
    } catch (e) {
      this.#stop()
      this.#ctx.fail(e)
    }
  }
  data(chunk: Buffer): boolean {
    if (this.#done) return true
    const { exchange } = this.#ctx
    this.#options.rules.metrics.bytesReceived.inc(chunk.length)
    this.#left -= chunk.length
    if (this.#left === 0) {
      // Head and body of a small answer leave in one piece; the backend's own end follows at once and changes nothing.
      this.#whole = true
      exchange.end(chunk)
      return true
    }
    if (exchange.write(chunk)) return true
    exchange.onDrain(this.#resume)
    return false
  }
  ended(trailers: HeaderList): void {
    this.#stream = undefined
    if (this.#done) return
    this.#done = true
    this.#body?.destroy()
    this.#spans?.ended()
    if (!this.#whole) this.#ctx.exchange.end(undefined, trailers.length === 0 ? undefined : endToEndHeaders(trailers))
  }
  failed(error: UpstreamError): void {
    this.#stream = undefined
    if (this.#done) return
    if (!this.#answered && this.#sendAgain(error)) return
    this.#done = true
    this.#cancelTimer?.()
    this.#options.rules.metrics.failed(error.phase)
    this.#spans?.failed(error)
    if (this.#answered) this.#ctx.exchange.abort(error)
    else if (this.#ctx.exchange.phase === 'waiting') this.#ctx.fail(proxyError(error))
  }
  connected(): void {
    this.#spans?.connected()
  }
  drained(): void {
    if (this.#done) return
    if (this.#body) this.#body.resume()
    else if (this.#message.body !== 'none') this.#startBody()
  }
  /** 101: the only answer that opens a tunnel (CVE-2018-1002105). */
  switched(headers: HeaderList, backend: Switched): void {
    this.#stream = undefined
    const { exchange } = this.#ctx
    const wrong = this.#done ? 'the client is gone' : wrongSwitch(this.#message, headers)
    if (wrong !== undefined) {
      backend.socket.destroy()
      return this.failed(new UpstreamError('first-byte', wrong))
    }
    this.#done = true
    this.#cancelTimer?.()
    this.#options.rules.metrics.answered(101)
    const taken = exchange.takeOver(101, [...this.#ctx.answerHeaders, ...switchedHeaders(exchange, headers)])
    joinStreams(taken, backend, this.#options.rules.clock)
    this.#spans?.ended()
  }

  #send(fresh: boolean): void {
    const { longRunning } = this.#options
    try {
      this.#stream =
        this.#message.upgrade === undefined
          ? this.#pool.send(this.#message, this, { longRunning, fresh })
          : openUpgrade(this.#pool, this.#message, this)
    } catch (e) {
      this.failed(new UpstreamError('queue', e instanceof Error ? e.message : String(e), { cause: e }))
    }
  }
  /** @returns whether another attempt is under way. */
  #sendAgain(error: UpstreamError): boolean {
    const repeatable = error.unprocessed || (error.stale && SAFE_TO_REPEAT.has(this.#message.method))
    if (!repeatable || this.#body || this.#attempt >= MAX_ATTEMPTS) return false
    const next =
      this.#options.retry?.(error, this.#attempt) ??
      (error.phase === 'connect' || error.phase === 'tls' || error.phase === 'queue' ? undefined : this.#pool)
    if (!next) return false
    this.#attempt++
    this.#pool = next
    this.#options.rules.metrics.retries.inc()
    this.#spans?.sentAgain(error.message)
    this.#send(error.stale)
    return true
  }
  #startBody(): void {
    const { exchange } = this.#ctx
    const body = exchange.body()
    this.#body = body
    body.on('error', noop)
    body.on('data', (chunk: Buffer) => {
      this.#options.rules.metrics.bytesSent.inc(chunk.length)
      if (this.#stream && !this.#stream.write(chunk)) body.pause()
    })
    body.on('end', () => this.#stream?.end(endToEndHeaders(exchange.trailers())))
  }
  readonly #resume = (): void => {
    this.#stream?.resume()
  }
  readonly #onFinish = (outcome: Outcome): void => {
    if (this.#done) return
    if (outcome.kind === 'complete' && this.#whole) return
    if (outcome.kind === 'client-gone') this.#options.rules.metrics.clientGone.inc()
    // Also after a complete answer that was not the backend's: a deadline's.
    this.#stop()
  }
  /** Frees the backend, whatever the state. */
  #stop(): void {
    this.#done = true
    this.#cancelTimer?.()
    this.#stream?.abort()
    this.#stream = undefined
    this.#spans?.ended()
  }
  #answerInstead(status: number, text: Buffer): void {
    this.#stop()
    this.#ctx.answer(status, ['Content-Type', 'text/plain; charset=utf-8', 'X-Content-Type-Options', 'nosniff'], text)
  }
}

const noop = (): void => {}
function authorityOf(pool: UpstreamPool): string {
  const { host, port } = pool.address
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
function lengthOf(contentLength: string | undefined): number | 'unknown' {
  return contentLength === undefined ? 'unknown' : Number(contentLength)
}
