/**
 * Requests of this process to itself: they enter behind the access filters, as the user they are given,
 * and cost no socket.
 *
 * Callers:  app/run/wire.ts, for the clients of the controllers; the discovery and OpenAPI downloads.
 */
import { PassThrough, type Readable } from 'node:stream'
import type { UserInfo } from '../../api/meta.ts'
import type { Transport, TransportRequest, TransportResponse } from '../../client/transport.ts'
import type { Connection, Exchange, HeaderList, HeaderView, Outcome } from '../../http/exchange.ts'
import type { Handler } from '../../http/filter.ts'
import { RequestContext } from '../../http/request-context.ts'
import { parseRequestInfo } from '../../http/request-info.ts'
import { writeStatusError } from '../../http/write-status.ts'
import { StatusError, timeout } from '../../api/status-error.ts'
import type { Clock } from '../../lib/clock.ts'
import { Deferred } from '../../lib/deferred.ts'
import type { Logger } from '../../observability/logger.ts'
import { isLongRunning } from './long-running.ts'

const CONNECTION: Connection = {
  id: 0,
  remoteAddress: '127.0.0.1',
  remotePort: 0,
  localPort: 0,
  protocol: 'h2',
  secure: true,
  inProcess: true,
  clientCertificate: undefined,
  hasBadCertificate: false,
  retire() {},
}

/**
 * @param o.rejectErrors what the handler throws rejects the call, instead of becoming an answer.
 * @param o.timeoutMs for everything but watches: these requests pass no deadline filter, and a backend that never
 *   answers must not hold a controller's worker for good.
 */
export function inProcessTransport(o: {
  handler: Handler
  user: UserInfo
  clock: Clock
  log: Logger
  rejectErrors?: boolean
  timeoutMs?: number
}): Transport {
  return (request) => {
    if (request.signal.aborted) return Promise.reject(request.signal.reason)
    const exchange = new MemoryExchange(request)
    const ctx = new RequestContext(exchange, o.clock)
    ctx.log = o.log
    ctx.user = o.user
    ctx.recover = (_, thrown) => {
      if (exchange.phase === 'waiting' && o.rejectErrors !== true) writeStatusError(ctx, StatusError.from(thrown))
      else exchange.abort(thrown)
    }
    try {
      ctx.info = parseRequestInfo(exchange.method, ctx.path, ctx.query)
      ctx.longRunning = isLongRunning(ctx.info)
      if (o.timeoutMs !== undefined && ctx.info.verb !== 'watch') {
        const late = timeout('request did not complete within the allotted timeout')
        exchange.onFinish(o.clock.after(o.timeoutMs, () => exchange.abort(late)))
      }
      const pending = o.handler(ctx)
      if (pending instanceof Promise) pending.catch((thrown: unknown) => ctx.fail(thrown))
    } catch (thrown) {
      ctx.fail(thrown)
    }
    return exchange.response.promise
  }
}

class MemoryExchange implements Exchange {
  readonly connection = CONNECTION
  readonly authority = 'localhost'
  readonly upgrade = undefined
  readonly response = new Deferred<TransportResponse>()
  readonly method: string
  readonly target: string
  readonly headers: HeaderView
  readonly signal: AbortSignal
  readonly hasBody: boolean
  phase: Exchange['phase'] = 'waiting'
  readonly #request: TransportRequest
  readonly #out = new PassThrough({ highWaterMark: 1024 * 1024 })
  readonly #finish: ((o: Outcome) => void)[] = []
  #outcome: Outcome | undefined
  #status = 0
  #bytesOut = 0

  constructor(request: TransportRequest) {
    this.#request = request
    this.method = request.method
    this.target = request.path
    this.headers = viewOf(request.headers)
    this.signal = request.signal
    this.hasBody = (request.body?.byteLength ?? 0) > 0
    request.signal.addEventListener('abort', this.#onAbort, { once: true })
    // The reader left early: the rest is not wanted.
    this.#out.on('close', () => this.#over('client-gone'))
    this.#out.on('error', () => {})
  }
  readonly #onAbort = (): void => {
    this.response.reject(this.signal.reason)
    this.#out.destroy()
    this.#over('client-gone')
  }
  body(): Readable {
    const body = new PassThrough()
    body.end(this.#request.body)
    return body
  }
  trailers(): HeaderList {
    return []
  }
  inform(): void {}
  respond(status: number, headers: HeaderList): void {
    if (this.phase !== 'waiting') return
    this.phase = 'responded'
    this.#status = status
    this.response.resolve({ status, headers: recordOf(headers), body: this.#out })
  }
  write(chunk: Uint8Array): boolean {
    this.#bytesOut += chunk.byteLength
    return this.#out.destroyed ? true : this.#out.write(chunk)
  }
  onDrain(resume: () => void): void {
    this.#out.once('drain', resume)
  }
  end(chunk?: Uint8Array): void {
    if (this.phase === 'finished') return
    if (chunk) this.#bytesOut += chunk.byteLength
    this.#out.end(chunk)
    this.#over('complete')
  }
  abort(cause: unknown): void {
    this.response.reject(cause)
    this.#out.destroy(cause instanceof Error ? cause : new Error('aborted'))
    this.#over('aborted', cause)
  }
  takeOver(): never {
    throw new Error('a request of this process cannot be upgraded')
  }
  onFinish(fn: (o: Outcome) => void): void {
    if (this.#outcome) fn(this.#outcome)
    else this.#finish.push(fn)
  }
  #over(kind: Outcome['kind'], error?: unknown): void {
    if (this.#outcome) return
    this.phase = 'finished'
    this.signal.removeEventListener('abort', this.#onAbort)
    this.#outcome = {
      kind,
      status: this.#status,
      bytesIn: this.#request.body?.byteLength ?? 0,
      bytesOut: this.#bytesOut,
      ...(error === undefined ? {} : { error }),
    }
    for (const fn of this.#finish) fn(this.#outcome)
  }
}

function viewOf(headers: Readonly<Record<string, string>>): HeaderView {
  return {
    raw: Object.entries(headers).flat(),
    get: (name) => headers[name],
    all: (name) => (headers[name] === undefined ? [] : [headers[name]]),
    has: (name) => headers[name] !== undefined,
  }
}

function recordOf(headers: HeaderList): Record<string, string> {
  const record: Record<string, string> = {}
  for (let i = 0; i < headers.length; i += 2) record[headers[i]!.toLowerCase()] = headers[i + 1]!
  return record
}
