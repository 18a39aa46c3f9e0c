/**
 * Sends a whole request to a target and streams its answer back: how this process itself asks other servers.
 *
 * Owns:     nothing that outlives a request; endpoints belong to target.ts, connections to proxy/upstreams.ts.
 * Callers:  remote-server.ts for servers that a kubeconfig names; webhooks.
 * Not here: requests of clients (proxy/forward.ts), which requests may be sent again (proxy/retries.ts).
 *
 *   sent --head--> answered: the promise resolves, the body streams --end--> done
 *     |--failed, another attempt does no harm and may help--> sent
 *     `--failed, time is up, aborted--> the promise rejects, or the body throws
 *
 * The types have the shape of client/transport.ts, which this layer does not know.
 */
import type { Cancel, Clock } from '../../lib/clock.ts'
import type { Endpoint, EndpointChoice } from '../endpoint-set.ts'
import { attemptsAfter, defaultRetries, mayRepeat } from '../retries.ts'
import { type UpstreamHandler, type UpstreamStream, UpstreamError } from '../upstream.ts'
import { AnswerBody } from './answer-body.ts'
import type { ReachMetrics } from './reach-metrics.ts'
import type { HeaderList } from '../../http/exchange.ts'

export interface WholeRequest {
  readonly method: string
  /** Path and query; it goes behind the path of the target's URL. */
  readonly path: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Aborting it ends the request, also while the body streams. */
  readonly signal: AbortSignal
}
export interface StreamedAnswer {
  readonly status: number
  /** Lower-case names; fields of the same name are joined by a comma. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** To be read to its end or returned from. @throws UpstreamError; the signal's reason. */
  readonly body: AsyncIterable<Uint8Array>
}

export interface ReachTarget {
  readonly endpoints: EndpointChoice
  readonly pathPrefix: string
  readonly authority: string | undefined
  readonly tlsProblem: string | undefined
  readonly problem: string
  ready(): boolean
}
export interface TransportOptions {
  readonly target: ReachTarget
  readonly clock: Clock
  /** Ms from the request to the head of its answer, all attempts together. */
  readonly firstByteTimeoutMs: number
  /** Ms that a reader waits for the next piece of the body. Default: as long as the signal lets it. */
  readonly idleTimeoutMs?: number
  /** The most bytes of an answer's body; a longer one throws. Default: no limit, as watches need. */
  readonly maxBodyBytes?: number
  /** Value of the Authorization header, asked for each attempt: credentials may be replaced meanwhile. */
  readonly authorization?: () => string | undefined
  readonly metrics?: ReachMetrics | undefined
}

/** @returns a function that rejects with an UpstreamError, or with the signal's reason. */
export function transportOver(o: TransportOptions): (request: WholeRequest) => Promise<StreamedAnswer> {
  return (request) =>
    new Promise((resolve, reject) => {
      new Sending(o, request, { resolve, reject }).start()
    })
}

interface Settle {
  readonly resolve: (answer: StreamedAnswer) => void
  readonly reject: (error: unknown) => void
}
const UNREACHED = new Set(['connect', 'tls', 'resolve'])
/** What the connection decides, not the request. */
const OF_THE_CONNECTION = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'expect', 'upgrade'])

class Sending implements UpstreamHandler {
  readonly #o: TransportOptions
  readonly #request: WholeRequest
  readonly #settle: Settle
  readonly #tried: Endpoint[] = []
  readonly #startedMs: number
  readonly #onAbort = (): void => this.#giveUp(this.#request.signal.reason)
  #endpoint: Endpoint | undefined
  #stream: UpstreamStream | undefined
  #bodySent = false
  #body: AnswerBody | undefined
  #cancelTimer: Cancel = () => {}

  constructor(o: TransportOptions, request: WholeRequest, settle: Settle) {
    this.#o = o
    this.#request = request
    this.#settle = settle
    this.#startedMs = o.clock.monotonicMs()
  }
  start(): void {
    const { clock, firstByteTimeoutMs } = this.#o
    const { signal } = this.#request
    if (signal.aborted) return this.#settle.reject(signal.reason)
    signal.addEventListener('abort', this.#onAbort)
    this.#cancelTimer = clock.after(firstByteTimeoutMs, () =>
      this.#giveUp(new UpstreamError('first-byte', 'timeout awaiting response headers', { timedOut: true })),
    )
    this.#send(false)
  }

  informed(): void {}
  answered(status: number, headers: HeaderList): void {
    const { endpoints } = this.#o.target
    this.#cancelTimer()
    endpoints.succeeded(this.#endpoint!)
    this.#o.metrics?.answered(status, (this.#o.clock.monotonicMs() - this.#startedMs) / 1000)
    this.#body = new AnswerBody({
      clock: this.#o.clock,
      idleTimeoutMs: this.#o.idleTimeoutMs,
      maxBytes: this.#o.maxBodyBytes ?? Number.POSITIVE_INFINITY,
      resume: () => this.#stream?.resume(),
      giveUp: (error) => (error === undefined ? this.#end()?.abort() : this.#giveUp(error)),
    })
    this.#settle.resolve({ status, headers: joined(headers), body: this.#body })
  }
  data(chunk: Buffer): boolean {
    return this.#body!.push(chunk)
  }
  ended(): void {
    this.#end()
    this.#body!.finish()
  }
  failed(error: UpstreamError): void {
    const { endpoints } = this.#o.target
    if (this.#endpoint && error.phase !== 'queue') endpoints.failed(this.#endpoint, error.silent)
    if (this.#sendAgain(error)) return
    this.#end()
    this.#fail(error)
  }
  /** Never: the requests ask for no other protocol. */
  switched(_headers: HeaderList, { socket }: { readonly socket: { destroy(): void } }): void {
    socket.destroy()
    this.failed(new UpstreamError('first-byte', 'unexpected 101 Switching Protocols'))
  }
  drained(): void {
    if (this.#bodySent) return
    this.#bodySent = true
    if (this.#request.body) this.#stream?.write(this.#request.body)
    this.#stream?.end()
  }

  #send(fresh: boolean): void {
    const { target, authorization } = this.#o
    const { method, path, body } = this.#request
    if (target.tlsProblem !== undefined) return this.failed(new UpstreamError('tls', target.tlsProblem))
    const endpoint = target.ready() ? target.endpoints.pick(false, this.#tried) : undefined
    if (!endpoint) return this.failed(new UpstreamError('resolve', target.problem, { unprocessed: true }))
    this.#tried.push(endpoint)
    this.#endpoint = endpoint
    endpoint.inFlight++
    this.#bodySent = false
    const message = {
      method,
      target: `${target.pathPrefix}${path}` || '/',
      authority: target.authority ?? endpoint.id,
      headers: headerList(this.#request.headers, authorization?.()),
      body: body === undefined || body.length === 0 ? ('none' as const) : body.length,
      upgrade: undefined,
    }
    this.#stream = endpoint.pool.send(message, this, { longRunning: false, fresh })
  }
  /** What cannot be reached is not tried again at once, unless there is another endpoint. @returns whether it was sent. */
  #sendAgain(error: UpstreamError): boolean {
    const { method, signal } = this.#request
    if (this.#body || signal.aborted || error.timedOut || !this.#endpoint) return false
    if (!mayRepeat(error, { method, hasEffects: false })) return false
    if (this.#tried.length > attemptsAfter(error, defaultRetries)) return false
    if (this.#o.target.endpoints.size < 2 && (error.silent || UNREACHED.has(error.phase))) return false
    this.#leave()
    this.#send(error.stale)
    return true
  }
  #giveUp(reason: unknown): void {
    this.#end()?.abort()
    this.#fail(reason)
  }
  #fail(error: unknown): void {
    if (error instanceof UpstreamError) this.#o.metrics?.failed(error.phase)
    if (this.#body) this.#body.fail(error)
    else this.#settle.reject(error)
  }
  /** @returns the stream that was under way. */
  #end(): UpstreamStream | undefined {
    this.#cancelTimer()
    this.#request.signal.removeEventListener('abort', this.#onAbort)
    return this.#leave()
  }
  #leave(): UpstreamStream | undefined {
    if (this.#endpoint) this.#endpoint.inFlight--
    this.#endpoint = undefined
    const stream = this.#stream
    this.#stream = undefined
    return stream
  }
}

function headerList(headers: Readonly<Record<string, string>>, authorization: string | undefined): string[] {
  const list: string[] = []
  for (const [name, value] of Object.entries(headers)) if (!OF_THE_CONNECTION.has(name)) list.push(name, value)
  if (authorization !== undefined) list.push('authorization', authorization)
  return list
}
function joined(list: HeaderList): Record<string, string> {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!.toLowerCase()
    const before = headers[name]
    headers[name] = before === undefined ? list[i + 1]! : `${before}, ${list[i + 1]!}`
  }
  return headers
}
