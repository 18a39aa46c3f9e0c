/** Which requests may be sent again, and how many of them: retries must not become the load that keeps a backend down. */
import type { RequestContext } from '../http/request-context.ts'
import type { UpstreamError } from './upstream.ts'

export interface RetryRules {
  /** More requests after the first that a backend may see. */
  readonly attempts: number
  /** Of all requests, over the long run. */
  readonly budgetPercent: number
  readonly maxBodyBytes: number
}
export const defaultRetries: RetryRules = { attempts: 1, budgetPercent: 20, maxBodyBytes: 262_144 }

/** Retries that are allowed at once: all that ran on an endpoint which dies. */
const RESERVE = 100

export class RetryBudget {
  readonly #percent: number
  #tokens = RESERVE

  constructor(percent: number) {
    this.#percent = percent
  }
  requested(): void {
    if (this.#tokens < RESERVE) this.#tokens += this.#percent / 100
  }
  /** @param error of the attempt before. One that found nobody was no load to anybody: what follows it is free. */
  take(error: UpstreamError): boolean {
    if (this.#percent === 0) return false
    if (error.phase === 'connect') return true
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}

/** Attempts after the first while no backend can have seen any: they were no load, and another endpoint may be there. */
const UNSEEN_ATTEMPTS = 2

/** How many attempts may follow the first one, after this failure. */
export function attemptsAfter(error: UpstreamError, { attempts }: RetryRules): number {
  return error.unprocessed && attempts > 0 ? Math.max(attempts, UNSEEN_ATTEMPTS) : attempts
}

/** Reading twice changes nothing. PUT and DELETE carry a condition or are wanted either way, but the second answer may differ from the first's. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** A connection that died while it waited has hardly delivered anything. */
const IDEMPOTENT = new Set([...REPEATABLE, 'PUT', 'DELETE'])

/**
 * Whether sending it again can do no harm. A request that the backend may have seen is repeated only where it reads.
 *
 * @param request.hasEffects see hasEffects().
 */
export function mayRepeat(
  error: UpstreamError,
  request: { readonly method: string; readonly hasEffects: boolean },
): boolean {
  if (error.unprocessed) return true
  if (request.hasEffects) return false
  if (error.stale) return IDEMPOTENT.has(request.method)
  return REPEATABLE.has(request.method) && error.phase !== 'stream'
}

const CONNECTS = new Set(['exec', 'attach', 'portforward', 'proxy'])

/** Whether the request does something at the backend although its method only reads: it starts a command, for example. */
export function hasEffects({ exchange, info, query }: RequestContext): boolean {
  if (exchange.upgrade !== undefined) return true
  if (info?.verb === 'proxy' || CONNECTS.has(info?.subresource)) return true
  return info?.subresource === 'log' && query.has('follow') && query.get('follow') !== 'false'
}

/** Whether the same request may fare better in a second: the connection was refused, as in a restart, or too many wait. */
export function passesSoon(error: UpstreamError): boolean {
  if (error.phase === 'queue') return true
  return error.phase === 'connect' && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ECONNREFUSED'
}
