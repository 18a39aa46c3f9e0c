/**
 * Asks another API server one question: a TokenReview or a SubjectAccessReview.
 *
 * Callers:  authentication/token-review.ts, authorization/access-review.ts.
 * Not here: remembering answers (review-cache.ts), connections (proxy/reach/).
 *
 *   asked --answer--> done
 *     |--connection broken, 429, 500, 504--> asked again after a pause, five times in all
 *     `--refused, no review, connection refused, or the question before went unanswered, too--> ReviewError
 *
 * A server that is away is not waited for: callers are told to come back, and ask again themselves.
 */
import { failureOf, systemCode, type Transport, type TransportResponse } from '../client/transport.ts'
import { readWhole } from '../client/response-body.ts'
import { type Clock, sleep } from '../lib/clock.ts'
import { ProtocolError } from '../http/http1/protocol-error.ts'
import type { Logger } from '../observability/logger.ts'

/** Source: apiserver's util/webhook. */
const RETRY = { firstMs: 500, factor: 1.5, jitter: 0.2, attempts: 5 }
const ATTEMPT_TIMEOUT_MS = 10_000
/** The limit of a question with all its attempts: requests that wait for it are answered by then. */
const TOTAL_TIMEOUT_MS = 30_000
const MAX_ANSWER_BYTES = 3 * 1024 * 1024
const PASSING = new Set([429, 500, 504])

export type ReviewKind = 'TokenReview' | 'SubjectAccessReview'
/** A field that a strict server misses. */
const UNANSWERED: Readonly<Record<ReviewKind, object>> = {
  TokenReview: { user: {} },
  SubjectAccessReview: { allowed: false },
}
export type ReviewOutcome = 'success' | 'error' | 'timeout'

export class ReviewError extends Error {
  override readonly name = 'ReviewError'
  readonly outcome: Exclude<ReviewOutcome, 'success'>
  /** Asking again may help. */
  readonly passing: boolean
  constructor(
    outcome: Exclude<ReviewOutcome, 'success'>,
    message: string,
    o: { cause?: unknown; passing?: boolean } = {},
  ) {
    super(message, { cause: o.cause })
    this.outcome = outcome
    this.passing = o.passing ?? false
  }
}

export interface ReviewClientOptions {
  /** Replaced when the kubeconfig changes; asked anew for each attempt. */
  readonly transport: Transport
  /** Behind the server's URL; empty: the URL itself is the webhook. */
  readonly path: string
  readonly kind: ReviewKind
  readonly clock: Clock
  readonly log: Logger
  readonly random: () => number
  /** Each attempt: the HTTP status, or `<error>`. */
  readonly attempted: (code: string, seconds: number) => void
}

type Fields = Readonly<Record<string, unknown>>

export class ReviewClient {
  readonly #o: ReviewClientOptions
  #failing = false

  constructor(o: ReviewClientOptions) {
    this.#o = o
  }

  /** @returns the answer's status. @throws ReviewError */
  async ask(apiVersion: string, spec: object): Promise<Fields> {
    const { kind, clock, log } = this.#o
    const review = { kind, apiVersion, metadata: { creationTimestamp: null }, spec, status: UNANSWERED[kind] }
    const total = new AbortController()
    const cancel = clock.after(TOTAL_TIMEOUT_MS, () => total.abort())
    try {
      const status = await this.#untilAnswered(Buffer.from(JSON.stringify(review)), total.signal)
      if (this.#failing) log.info('reviews are answered again', { kind })
      this.#failing = false
      return status
    } catch (error) {
      // Once per outage: there may be thousands of requests during one.
      if (!this.#failing) log.warn('reviews are not answered; whoever needs one is refused', { kind, error })
      this.#failing = true
      throw error
    } finally {
      cancel()
    }
  }

  async #untilAnswered(body: Uint8Array, signal: AbortSignal): Promise<Fields> {
    const { clock, random } = this.#o
    for (let attempt = 1; ; attempt++) {
      const result = await this.#attempt(body, signal).catch((error: unknown) => this.#failure(error, signal))
      if (!(result instanceof ReviewError)) return result
      const isAway = this.#failing || systemCode(result.cause) === 'ECONNREFUSED'
      if (!result.passing || isAway || attempt === RETRY.attempts) throw result
      const pauseMs = RETRY.firstMs * RETRY.factor ** (attempt - 1) * (1 + RETRY.jitter * random())
      await sleep(clock, pauseMs, signal).catch(() => {
        throw new ReviewError('timeout', result.message, { cause: result, passing: true })
      })
    }
  }

  async #attempt(body: Uint8Array, total: AbortSignal): Promise<Fields> {
    const { clock, attempted, kind, path, transport } = this.#o
    const late = new AbortController()
    const cancel = clock.after(ATTEMPT_TIMEOUT_MS, () => late.abort())
    const startMs = clock.monotonicMs()
    let code = '<error>'
    try {
      const response = await transport({
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json', accept: 'application/json' },
        body,
        signal: AbortSignal.any([total, late.signal]),
      })
      code = String(response.status)
      return await statusOf(response, kind)
    } catch (cause) {
      if (!late.signal.aborted) throw cause
      throw new ReviewError('timeout', `no answer to a ${kind} within ${ATTEMPT_TIMEOUT_MS / 1000} s`, {
        cause,
        passing: true,
      })
    } finally {
      cancel()
      attempted(code, (clock.monotonicMs() - startMs) / 1000)
    }
  }

  /** What is no ReviewError yet is a connection that failed. Certificates do not become valid by asking again. */
  #failure(error: unknown, total: AbortSignal): ReviewError {
    if (error instanceof ReviewError) return error
    const text = `failed to ask for a ${this.#o.kind}: ${(error as Error).message}`
    if (total.aborted) return new ReviewError('timeout', text, { cause: error, passing: true })
    return new ReviewError('error', text, { cause: error, passing: passes(error) })
  }
}

const PASSING_CODE = /^(ECONN|EPIPE$|ETIMEDOUT$|EAI_AGAIN$)/
const PASSING_PHASES = new Set(['queue', 'first-byte', 'stream'])

/** Connections that were refused, reset or closed, and servers that say nothing; not names, certificates or what cannot be read. */
function passes(error: unknown): boolean {
  const code = systemCode(error)
  if (code !== '') return PASSING_CODE.test(code)
  const failure = failureOf(error)
  if (!failure || (error as Error).cause instanceof ProtocolError) return false
  return failure.silent || failure.timedOut || PASSING_PHASES.has(failure.phase)
}

async function statusOf(response: TransportResponse, kind: string): Promise<Fields> {
  const text = (await readWhole(response.body, MAX_ANSWER_BYTES)).toString()
  if (response.status < 200 || response.status > 299)
    throw new ReviewError('error', `a ${kind} was answered with ${response.status}${messageOf(text)}`, {
      passing: PASSING.has(response.status) || response.headers['retry-after'] !== undefined,
    })
  const answer = parsed(text)
  const status = answer?.['status']
  if (answer?.['kind'] !== kind || typeof status !== 'object' || status === null || Array.isArray(status))
    throw new ReviewError('error', `what came as the answer to a ${kind} is none`)
  return status as Fields
}

function messageOf(text: string): string {
  const message = parsed(text)?.['message']
  return typeof message === 'string' && message !== '' ? `: ${message}` : ''
}
function parsed(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Fields) : undefined
  } catch {
    return undefined
  }
}
