import type { Clock } from '../lib/clock.ts'
import type { UserInfo } from '../api/meta.ts'
import type { StatusCause } from '../api/status-error.ts'
import { type Logger, noopLogger } from '../observability/logger.ts'
import { type Span, noopSpan } from '../observability/tracer.ts'
import type { Exchange, HeaderList } from './exchange.ts'
import { headerValue, lowerName, valueOfText } from './header-list.ts'
import type { RequestInfo } from './request-info.ts'

/** Where it differs from what holds for all requests. */
export interface RequestRules {
  readonly longRunning: boolean | undefined
  /** The limit of the whole request. */
  readonly totalMs: number | undefined
  /** Whether a client's traceparent is followed; undefined: that depends on who it is. */
  readonly trustTraceparent: boolean | undefined
}

const NO_QUERY = new URLSearchParams()

/**
 * What the filters and handlers know of one request. The shape is fixed: every field is set in the
 * constructor and filled in by the filter named beside it.
 */
export class RequestContext {
  readonly exchange: Exchange
  /** Wall time in ms. */
  readonly receivedAt: number
  /** Monotonic, for latencies and deadlines. */
  readonly receivedMonotonicMs: number
  /** Percent-decoded; target's path as it is where that fails. */
  readonly path: string
  /** As it came, without `?`. */
  readonly rawQuery: string
  /** audit-init */
  auditId = ''
  /** request-info */
  info!: RequestInfo
  /** request-info: no deadline, ended instead of waited for when the server stops. */
  longRunning = false
  /** request-info: what a policy of the backend says of such requests. */
  rules: RequestRules | undefined = undefined
  /** authentication: undefined before it. */
  user: UserInfo | undefined = undefined
  /** audit-init: a child logger with the audit id is made on first use. */
  log: Logger = noopLogger
  /** tracing */
  span: Span = noopSpan
  /** deadline: monotonic ms; undefined for long-running requests. */
  deadlineMs: number | undefined = undefined
  /** Texts for Warning headers; kept without duplicates. */
  readonly warnings: string[] = []
  /** What admission noted; shown in the line of http-log. */
  annotations: Map<string, string> | undefined = undefined
  /** Headers that filters put on whatever is answered: name, value ... */
  readonly answerHeaders: string[] = []
  /** Monotonic ms at which the filter under way was entered; kept by compose(). */
  filterStartMs = 0
  /** The `component` label of request metrics: who serves it. Set through served(). */
  component = ''
  /** The `subresource` label of a request for no resource: a fixed path such as `/version`. */
  subresourceLabel = ''
  /** panic-recovery: what an error means. One function for all requests: a closure of each would keep it alive. */
  recover: (ctx: RequestContext, thrown: unknown) => void = breakOff
  /** What the request waits for, set by the handler that waits: the deadline names it when it gives up. */
  waitsFor: { causes(): readonly StatusCause[] } | undefined = undefined
  /** latency */
  onServed: (() => void) | undefined = undefined
  #query: URLSearchParams | undefined

  constructor(exchange: Exchange, clock: Clock) {
    this.exchange = exchange
    this.receivedAt = clock.now()
    this.receivedMonotonicMs = clock.monotonicMs()
    const target = exchange.target
    const mark = target.indexOf('?')
    const rawPath = mark < 0 ? target : target.slice(0, mark)
    this.rawQuery = mark < 0 ? '' : target.slice(mark + 1)
    this.path = rawPath.includes('%') ? decodePath(rawPath) : rawPath
  }

  /** To read only: requests without a query share one. */
  get query(): URLSearchParams {
    this.#query ??= this.rawQuery === '' ? NO_QUERY : new URLSearchParams(this.rawQuery)
    return this.#query
  }
  warn(text: string): void {
    if (!this.warnings.includes(text)) this.warnings.push(text)
  }
  /** Notes a value under a key; the first value of a key stays. */
  annotate(key: string, value: string): void {
    this.annotations ??= new Map()
    if (!this.annotations.has(key)) this.annotations.set(key, value)
  }
  /** Called by the delegate that takes the request, before its handler runs. */
  served(component: string, subresourceLabel = ''): void {
    this.component = component
    this.subresourceLabel = subresourceLabel
    this.onServed?.()
  }
  /** Starts the answer with what the filters added in front. Names the handler gives win over theirs. */
  respond(status: number, headers: HeaderList, flush = false): void {
    this.exchange.respond(status, this.#withFilterHeaders(headers), flush)
  }
  /** A whole answer at once. */
  answer(status: number, headers: HeaderList, body?: Uint8Array): void {
    this.respond(status, headers)
    this.exchange.end(body)
  }
  /** Wraps a callback of this request, so that a throw in it fails this request alone. */
  guard<A extends unknown[]>(fn: (...args: A) => void): (...args: A) => void {
    return (...args) => {
      try {
        fn(...args)
      } catch (e) {
        this.fail(e)
      }
    }
  }
  /** Ends the request with an error from outside the handler's call. */
  fail(thrown: unknown): void {
    this.recover(this, thrown)
  }

  #withFilterHeaders(headers: HeaderList): HeaderList {
    const all: string[] = []
    for (let i = 0; i < this.answerHeaders.length; i += 2) {
      if (headerValue(headers, lowerName(this.answerHeaders[i]!)) === undefined)
        all.push(this.answerHeaders[i]!, this.answerHeaders[i + 1]!)
    }
    for (const text of shortened(this.warnings))
      all.push('Warning', `299 - "${valueOfText(text).replace(/[\\"]/g, '\\$&')}"`)
    for (const part of headers) all.push(part)
    return all
  }
}

/** The length of all warnings together, and of each where they are longer. Source: kube-apiserver's warning filter. */
const MAX_WARNINGS_LENGTH = 4096
const MAX_WARNING_LENGTH = 256
function shortened(warnings: readonly string[]): readonly string[] {
  const length = warnings.reduce((sum, text) => sum + text.length, 0)
  if (length <= MAX_WARNINGS_LENGTH) return warnings
  // What is still too much in short form is left out.
  return warnings.slice(0, MAX_WARNINGS_LENGTH / MAX_WARNING_LENGTH).map((text) => text.slice(0, MAX_WARNING_LENGTH))
}

function breakOff(ctx: RequestContext, thrown: unknown): void {
  ctx.exchange.abort(thrown)
}

function decodePath(rawPath: string): string {
  try {
    return decodeURIComponent(rawPath)
  } catch {
    return rawPath
  }
}
