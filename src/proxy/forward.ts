/**
 * Sends a request on to a backend and streams the answer back, with back-pressure both ways.
 *
 * Callers:  proxy handlers of servers/, which chose the backend and know who is calling.
 * Not here: which endpoint (endpoint-set.ts), connections (upstream-pool.ts), header rules (request-headers.ts,
 *           end-to-end-headers.ts), when to send again (retries.ts), texts of failures (proxy-error.ts), what happens
 *           after a 101 (upgrade-tunnel.ts).
 *
 *   sent --answered--> streaming --ended--> done
 *     |--failed, sending it again can do no harm--> sent again, to another endpoint
 *     |--failed--> ctx.fail(503)        `--failed--> exchange.abort: a broken answer never looks complete
 *     `--client gone--> upstream aborted
 */
import { badRequest, type StatusCause } from '../api/status-error.ts'
import type { Readable } from 'node:stream'
import type { Cancel, Clock } from '../lib/clock.ts'
import type { HeaderList, Outcome } from '../http/exchange.ts'
import { headerValue } from '../http/header-list.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Tracer } from '../observability/tracer.ts'
import { answerHeaders, answerTrailers, endToEndHeaders } from './end-to-end-headers.ts'
import type { Endpoint, EndpointChoice } from './endpoint-set.ts'
import type { IdentityMode, IdentityNames } from './identity-headers.ts'
import { ForwardSpans } from './forward-spans.ts'
import { failureCauses, proxyError } from './proxy-error.ts'
import type { BackendMetrics, EndpointMetrics } from './proxy-metrics.ts'
import { type BodySource, ReplayableBody } from './replayable-body.ts'
import { requestHeaders, requestTrailers } from './request-headers.ts'
import {
  attemptsAfter,
  defaultRetries,
  hasEffects,
  mayRepeat,
  passesSoon,
  type RetryBudget,
  type RetryRules,
} from './retries.ts'
import { WatchFrames } from './watch-frames.ts'
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
  /** As errors name it. */
  readonly backend: string
  /** Which of its servers, where it has several. */
  readonly server?: string | undefined
  readonly identity: IdentityMode
  readonly identityNames?: IdentityNames | undefined
  /** `Bearer ...`, for identity `impersonate` and `own`. */
  readonly authorization?: string | undefined
  /** Refuses answers that would send the client elsewhere (CVE-2022-3172). Default true. */
  readonly rejectRedirects?: boolean
  readonly retries?: RetryRules | undefined
  readonly budget?: RetryBudget | undefined
  /** Told of each watch, to end it between two events when this server stops. The result unregisters. */
  readonly trackWatch?: ((end: () => void) => () => void) | undefined
  readonly metrics: BackendMetrics
  readonly tracer: Tracer
  readonly clock: Clock
}
/** ok: the backend answered as one that works; abandoned: it was given no chance to. */
export type BackendVerdict = 'ok' | 'failed' | 'abandoned'

export interface ForwardRequest {
  readonly rules: ForwardRules
  readonly endpoints: EndpointChoice
  /** Path and query; default the client's own, byte for byte. */
  readonly target?: string
  /** Host header; default the endpoint's host:port. */
  readonly authority?: string | undefined
  /** Watches and the like. */
  readonly longRunning: boolean
  /** From now to the head of the answer; absent: as long as the request's own deadline, 60 s for an upgrade. */
  readonly firstByteTimeoutMs?: number | undefined
  /** Between two pieces of the answer. */
  readonly idleTimeoutMs?: number | undefined
  /** Hears how it went, once, when the answer's head is there or will not come (status 0). */
  readonly onVerdict?: ((verdict: BackendVerdict, error: UpstreamError | undefined, status: number) => void) | undefined
  readonly tap?: AnswerTap | undefined
  /** Whether the backend is known not to answer: then clients are not told to ask again soon. */
  readonly isDown?: () => boolean
}
/** Sees an answer as it passes, and changes nothing. */
export interface AnswerTap {
  answered(status: number, headers: HeaderList): void
  data(chunk: Buffer): void
  /** Whether nothing more may come for now, because the client does not read. */
  blocked(isBlocked: boolean): void
}

/** Answers that say: not this process, not now. */
const BAD_ANSWERS = new Set([502, 503, 504])
const REDIRECT_TEXT = 'the backend attempted to redirect this request, which is not permitted'
/** Failures that say that there is no way to the endpoint now. */
const UNREACHED = new Set(['connect', 'tls', 'resolve'])
/** An upgrade is long-running and has no deadline of its own, but its answer has. */
const UPGRADE_ANSWER_MS = 60_000
const ATTEMPTS_HEADER = 'X-Portico-Attempts'

/** @throws StatusError where the request cannot be sent at all; later failures go through ctx.fail. */
export function forward(ctx: RequestContext, request: ForwardRequest): void {
  new Forwarding(ctx, request).start()
}

class Forwarding implements UpstreamHandler, BodySource {
  readonly #ctx: RequestContext
  readonly #options: ForwardRequest
  readonly #message: UpstreamRequest
  readonly #spans: ForwardSpans | undefined
  readonly #body: ReplayableBody | undefined
  readonly #tried: Endpoint[] = []
  #endpoint: Endpoint | undefined
  #metrics: EndpointMetrics | undefined
  #stream: UpstreamStream | undefined
  /** Monotonic ms at which the phase under way began. */
  #phaseMs: number
  readonly #startedMs: number
  #cancelTimer: Cancel | undefined
  /** Bytes of the answer still to come, where its length is known. */
  #left = Number.POSITIVE_INFINITY
  #answered = false
  /** Kept for its trailers. */
  #answerHead: HeaderList = []
  /** The answer's last byte was handed on, before the backend's own end was heard. */
  #whole = false
  #done = false
  #judged = false
  /** Of a watch: to know where it may be ended. */
  #frames: WatchFrames | undefined
  #endsSoon = false
  #untrack: (() => void) | undefined
  /** A connection of its own is being secured. */
  #handshaking = false
  #connected = false

  constructor(ctx: RequestContext, options: ForwardRequest) {
    const { exchange } = ctx
    const { rules } = options
    this.#ctx = ctx
    this.#options = options
    this.#startedMs = rules.clock.monotonicMs()
    this.#phaseMs = this.#startedMs
    if (ctx.span.recording) this.#spans = new ForwardSpans(rules.tracer, exchange.method, ctx.span)
    const headers = requestHeaders({
      exchange,
      identity: rules.identity,
      identityNames: rules.identityNames,
      user: ctx.user,
      authorization: rules.authorization,
      plainAnswer: options.tap !== undefined,
      auditId: ctx.auditId,
      trace: this.#spans?.context ?? ctx.span.context,
    })
    const upgrade = exchange.upgrade
    if (upgrade !== undefined) headers.push(...upgradeHeaders(exchange, upgrade))
    this.#message = {
      method: exchange.method,
      target: options.target ?? exchange.target,
      authority: options.authority ?? '',
      headers,
      body: upgrade === undefined && exchange.hasBody ? lengthOf(exchange.headers.get('content-length')) : 'none',
      upgrade,
    }
    if (this.#message.body !== 'none')
      this.#body = new ReplayableBody(this, (rules.retries ?? defaultRetries).maxBodyBytes, {
        sent: (bytes) => rules.metrics.bytesSent.inc(bytes),
        broken: (error) => this.#bodyBroken(error),
      })
  }

  // Where the body comes from.
  body(): Readable {
    return this.#ctx.exchange.body()
  }
  trailers(): HeaderList {
    return requestTrailers(this.#ctx.exchange, this.#options.rules.identityNames)
  }

  start(): void {
    this.#ctx.exchange.onFinish(this.#onFinish)
    // The client went while something was asked about it, a token for example.
    if (this.#done) return
    this.#ctx.waitsFor = this
    const { rules } = this.#options
    const firstByteTimeoutMs =
      this.#options.firstByteTimeoutMs ?? (this.#message.upgrade === undefined ? undefined : UPGRADE_ANSWER_MS)
    rules.budget?.requested()
    if (firstByteTimeoutMs !== undefined)
      this.#cancelTimer = rules.clock.after(firstByteTimeoutMs, () =>
        this.#giveUp(new UpstreamError('first-byte', 'context deadline exceeded', { timedOut: true })),
      )
    this.#send(false)
  }

  // What the backend does.
  informed(status: number, headers: HeaderList): void {
    if (!this.#done) this.#ctx.exchange.inform(status, endToEndHeaders(headers))
  }
  answered(status: number, headers: HeaderList): void {
    const { rules, idleTimeoutMs } = this.#options
    this.#cancelTimer?.()
    if (this.#done) return
    // Someone else answered, a deadline for example.
    if (this.#ctx.exchange.phase !== 'waiting') return this.#stop()
    this.#answered = true
    this.#answerHead = headers
    this.#body?.settle()
    this.#judge(BAD_ANSWERS.has(status) ? 'failed' : 'ok', undefined, status)
    rules.metrics.answered(status)
    this.#metrics?.answered(status)
    this.#enter('first-byte')
    rules.metrics.firstByteSeconds.observe((this.#phaseMs - this.#startedMs) / 1_000)
    this.#spans?.answered(status)
    if (isRedirect(status, headers) && rules.rejectRedirects !== false) return this.#answerInstead(502, REDIRECT_TEXT)
    if (this.#message.upgrade !== undefined && status < 400)
      return this.#answerInstead(503, `invalid upgrade response: status code ${status}`)
    if (this.#endpoint?.endings.has(this.#endSoftly))
      this.#frames = new WatchFrames(headerValue(headers, 'content-type') ?? '')
    const length = headerValue(headers, 'content-length')
    const bodyless = this.#message.method === 'HEAD' || status === 204 || status === 304
    if (length !== undefined && !bodyless) this.#left = Number(length)
    if (idleTimeoutMs !== undefined) this.#awaitMore()
    this.#options.tap?.answered(status, headers)
    const tried = this.#tried.length
    if (tried > 1) this.#ctx.answerHeaders.push(ATTEMPTS_HEADER, String(tried))
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
    const { rules, tap, idleTimeoutMs } = this.#options
    rules.metrics.bytesReceived.inc(chunk.length)
    tap?.data(chunk)
    this.#frames?.seen(chunk)
    if (idleTimeoutMs !== undefined) this.#awaitMore()
    this.#left -= chunk.length
    if (this.#left === 0) {
      // Head and body of a small answer leave in one piece; the backend's own end follows at once and changes nothing.
      this.#whole = true
      exchange.end(chunk)
      return true
    }
    const wantsMore = exchange.write(chunk)
    if (this.#endsSoon) this.#endSoftly()
    if (wantsMore) return true
    tap?.blocked(true)
    exchange.onDrain(this.#resume)
    return false
  }
  ended(trailers: HeaderList): void {
    this.#stream = undefined
    if (this.#done) return
    this.#finish()
    this.#enter('stream')
    this.#spans?.ended()
    if (!this.#whole) this.#ctx.exchange.end(undefined, answerTrailers(trailers, this.#answerHead))
  }
  failed(error: UpstreamError): void {
    this.#stream = undefined
    if (this.#done) return
    const { rules, endpoints } = this.#options
    if (this.#endpoint) endpoints.failed(this.#endpoint, error.silent)
    this.#metrics?.failed(error.phase)
    if (!this.#answered && this.#sendAgain(error)) return
    this.#judge('failed', error)
    this.#finish()
    rules.metrics.failed(error.phase)
    this.#spans?.failed(error)
    if (this.#answered) this.#ctx.exchange.abort(error)
    else if (this.#ctx.exchange.phase === 'waiting') this.#ctx.fail(this.#errorOf(error))
  }
  handshaking(): void {
    this.#enter('connect')
    this.#handshaking = true
    this.#spans?.handshaking()
  }
  connected(): void {
    if (this.#handshaking) this.#enter('tls')
    else this.#phaseMs = this.#options.rules.clock.monotonicMs()
    this.#handshaking = false
    this.#connected = true
    this.#spans?.connected()
  }
  drained(): void {
    if (!this.#done && this.#stream) this.#body?.flow(this.#stream)
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
    this.#judge('ok', undefined)
    this.#options.rules.metrics.answered(101)
    this.#metrics?.answered(101)
    this.#done = true
    this.#cancelTimer?.()
    // The tunnel counts as the endpoint's until it ends.
    exchange.onFinish(() => this.#release())
    const taken = exchange.takeOver(101, [...this.#ctx.answerHeaders, ...switchedHeaders(exchange, headers)])
    joinStreams(taken, backend, this.#options.rules.clock)
    this.#spans?.ended()
  }

  /** Of a request whose time is up. */
  causes(): readonly StatusCause[] {
    return failureCauses({
      phase: this.#connected ? 'first-byte' : this.#handshaking ? 'tls' : 'connect',
      backend: this.#options.rules.backend,
      server: this.#options.rules.server,
      attempts: this.#tried.length,
      traceId: this.#ctx.span.context?.traceId,
    })
  }

  #send(fresh: boolean): void {
    const { longRunning, endpoints, rules } = this.#options
    const endpoint = endpoints.pick(longRunning, this.#tried)
    if (!endpoint) return this.failed(new UpstreamError('resolve', 'no endpoints available', { unprocessed: true }))
    this.#tried.push(endpoint)
    this.#connected = false
    this.#acquire(endpoint)
    this.#spans?.picked(endpoint.id)
    this.#phaseMs = rules.clock.monotonicMs()
    const message =
      this.#message.authority === '' ? { ...this.#message, authority: authorityOf(endpoint) } : this.#message
    try {
      this.#stream =
        message.upgrade === undefined
          ? endpoint.pool.send(message, this, { longRunning, fresh })
          : openUpgrade(endpoint.pool, message, this)
      this.#spans?.sent()
    } catch (e) {
      this.failed(new UpstreamError('queue', e instanceof Error ? e.message : String(e), { cause: e }))
    }
  }
  /** @returns whether another attempt is under way. */
  #sendAgain(error: UpstreamError): boolean {
    const { rules, endpoints } = this.#options
    if (this.#ctx.exchange.phase !== 'waiting' || error.timedOut) return false
    const request = { method: this.#message.method, hasEffects: hasEffects(this.#ctx) }
    if (!mayRepeat(error, request) || this.#body?.replayable === false) return false
    if (this.#tried.length > attemptsAfter(error, rules.retries ?? defaultRetries)) return false
    // What cannot be reached is not tried again at once, unless there is another; a dead connection has others beside it.
    const elsewhere = endpoints.size > 1
    if (!elsewhere && (error.silent || UNREACHED.has(error.phase))) return false
    if (rules.budget && !rules.budget.take(error)) {
      rules.metrics.budgetExhausted.inc()
      return false
    }
    this.#body?.detach()
    this.#release()
    rules.metrics.retries.inc()
    this.#spans?.sentAgain(error.message)
    this.#send(error.stale)
    return true
  }
  #acquire(endpoint: Endpoint): void {
    this.#endpoint = endpoint
    this.#metrics = this.#options.rules.metrics.endpoint(endpoint.id)
    this.#metrics.active(1)
    if (!this.#options.longRunning) {
      endpoint.inFlight++
      return
    }
    endpoint.watches++
    if (this.#ctx.info?.verb !== 'watch') return
    endpoint.endings.add(this.#endSoftly)
    this.#untrack = this.#options.rules.trackWatch?.(this.#endSoftly)
  }
  #release(): void {
    const endpoint = this.#endpoint
    this.#endpoint = undefined
    if (!endpoint) return
    this.#metrics?.active(-1)
    if (!this.#options.longRunning) endpoint.inFlight--
    else {
      endpoint.watches--
      endpoint.endings.delete(this.#endSoftly)
      this.#untrack?.()
    }
  }
  /** The endpoint goes: a watch ends between two events as if its time were up, and the client watches elsewhere. */
  readonly #endSoftly = (): void => {
    if (this.#done || !this.#frames) return
    this.#endsSoon = !this.#frames.atEnd
    if (this.#endsSoon) return
    const stream = this.#stream
    this.ended([])
    stream?.abort()
  }
  #judge(verdict: BackendVerdict, error: UpstreamError | undefined, status = 0): void {
    if (this.#judged) return
    this.#judged = true
    if (verdict === 'ok' && this.#endpoint) this.#options.endpoints.succeeded(this.#endpoint)
    else if (verdict === 'failed' && !error && this.#endpoint) this.#options.endpoints.failed(this.#endpoint)
    this.#options.onVerdict?.(verdict, error, status)
  }
  #enter(over: 'connect' | 'tls' | 'first-byte' | 'stream'): void {
    const now = this.#options.rules.clock.monotonicMs()
    this.#metrics?.phase(over, (now - this.#phaseMs) / 1_000)
    this.#phaseMs = now
  }
  #awaitMore(): void {
    const { rules, idleTimeoutMs } = this.#options
    this.#cancelTimer?.()
    this.#cancelTimer = rules.clock.after(idleTimeoutMs!, () =>
      this.#giveUp(new UpstreamError('stream', `nothing came for ${idleTimeoutMs} ms`, { timedOut: true })),
    )
  }
  #giveUp(error: UpstreamError): void {
    this.#stream?.abort()
    this.failed(error)
  }
  readonly #resume = (): void => {
    this.#options.tap?.blocked(false)
    this.#stream?.resume()
  }
  readonly #onFinish = (outcome: Outcome): void => {
    if (this.#done) return
    if (outcome.kind === 'complete' && this.#whole) return
    if (outcome.kind === 'client-gone') this.#options.rules.metrics.clientGone.inc()
    // Also after a complete answer that was not the backend's: a deadline's.
    this.#judge(outcome.status === 504 ? 'failed' : 'abandoned', undefined)
    this.#stop()
  }
  /** Frees the backend, whatever the state. */
  #stop(): void {
    const stream = this.#stream
    this.#stream = undefined
    this.#judge('abandoned', undefined)
    this.#finish()
    stream?.abort()
    this.#spans?.ended()
  }
  #finish(): void {
    this.#done = true
    this.#cancelTimer?.()
    this.#body?.destroy()
    this.#release()
  }
  /** What the client sends is no body: the backend must not see a part of it as the whole. */
  #bodyBroken(error: Error): void {
    if (this.#done) return
    this.#stop()
    this.#ctx.fail(badRequest(`the body could not be read: ${error.message}`, error))
  }
  #answerInstead(code: number, message: string): void {
    this.#stop()
    this.#ctx.fail(this.#errorOf(new UpstreamError('first-byte', message), code))
  }
  #errorOf(error: UpstreamError, code = 503): ReturnType<typeof proxyError> {
    return proxyError(error, {
      code,
      backend: this.#options.rules.backend,
      server: this.#options.rules.server,
      attempts: this.#tried.length,
      user: this.#ctx.user,
      traceId: this.#ctx.span.context?.traceId,
      passesSoon: this.#tried.length <= 1 && passesSoon(error) && this.#options.isDown?.() !== true,
    })
  }
}

function isRedirect(status: number, headers: HeaderList): boolean {
  return status < 400 && status >= 300 && headerValue(headers, 'location') !== undefined
}
function authorityOf({ address: { host, port, path } }: Endpoint): string {
  if (path !== undefined) return 'localhost'
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
function lengthOf(contentLength: string | undefined): number | 'unknown' {
  return contentLength === undefined ? 'unknown' : Number(contentLength)
}
