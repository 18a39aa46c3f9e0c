/** Which requests may be sent again, and how many of them: retries must not become the load that keeps a backend down. */
import type { UpstreamError } from './upstream.ts'

export interface RetryRules {
  /** More attempts after the first. */
  readonly attempts: number
  /** Of all requests, over the long run. */
  readonly budgetPercent: number
  readonly maxBodyBytes: number
}
export const defaultRetries: RetryRules = { attempts: 2, budgetPercent: 20, maxBodyBytes: 262_144 }

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

/** Reading twice changes nothing. PUT and DELETE carry a condition or are wanted either way, but the second answer may differ from the first's. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])
/** A connection that died while it waited has hardly delivered anything. */
const IDEMPOTENT = new Set([...REPEATABLE, 'PUT', 'DELETE'])

/** Whether sending it again can do no harm. A request that the backend may have seen is repeated only where it reads. */
export function mayRepeat(error: UpstreamError, method: string): boolean {
  if (error.unprocessed) return true
  if (error.stale) return IDEMPOTENT.has(method)
  return REPEATABLE.has(method) && error.phase !== 'stream'
}
