/**
 * Refuses requests to a backend that fails most of them, and tries again by itself.
 *
 *   closed --failurePercent of minRequests, or maxFailures, in a window--> open --openMs--> half-open --one request passes--> closed
 *                                                           ^----------- it fails -----------'
 */
import type { Clock } from '../lib/clock.ts'

export interface BreakerRules {
  readonly failurePercent: number
  /** In a window, before the share of failures may open it. */
  readonly minRequests: number
  /** So many in a window open it, whatever their share; 0: only the share does. */
  readonly maxFailures: number
  readonly windowMs: number
  readonly openMs: number
}
export const defaultBreaker: BreakerRules = {
  failurePercent: 50,
  minRequests: 20,
  maxFailures: 0,
  windowMs: 10_000,
  openMs: 2_000,
}

export type BreakerState = 'closed' | 'open' | 'half-open'

export class CircuitBreaker {
  readonly #rules: BreakerRules
  readonly #clock: Clock
  #onChange: (state: BreakerState) => void
  #state: BreakerState = 'closed'
  #openUntilMs = 0
  #trying = false
  #windowStartMs = 0
  #requests = 0
  #failures = 0

  constructor(rules: BreakerRules, clock: Clock, onChange: (state: BreakerState) => void = () => {}) {
    this.#rules = rules
    this.#clock = clock
    this.#onChange = onChange
  }
  get state(): BreakerState {
    return this.#state
  }
  /** Whether the next request would be let in. */
  get admits(): boolean {
    if (this.#state === 'closed') return true
    return !this.#trying && this.#openUntilMs <= this.#clock.monotonicMs()
  }
  /** @returns 0: go on, and report how it went; else ms until it is worth another try. */
  enter(): number {
    if (this.#state === 'closed') return 0
    const waitMs = this.#openUntilMs - this.#clock.monotonicMs()
    if (this.#state === 'open' && waitMs > 0) return waitMs
    if (this.#state === 'open') this.#become('half-open')
    if (this.#trying) return Math.max(waitMs, 1)
    this.#trying = true
    return 0
  }
  report(ok: boolean): void {
    if (this.#state === 'half-open') {
      this.#trying = false
      if (ok) this.#become('closed')
      else this.#open()
      return
    }
    if (this.#state === 'open') return
    const now = this.#clock.monotonicMs()
    if (now - this.#windowStartMs > this.#rules.windowMs) this.#forget(now)
    this.#requests++
    if (!ok) this.#failures++
    if (!ok && this.#failsTooMuch()) this.#open()
  }
  /** A request that was let in says nothing of the backend: its client left. */
  abandoned(): void {
    this.#trying = false
  }

  /** Another one takes its place, or none: requests under way still report to it, and nobody is told. */
  retire(): void {
    this.#onChange = () => {}
  }

  #failsTooMuch(): boolean {
    const { minRequests, failurePercent, maxFailures } = this.#rules
    if (maxFailures > 0 && this.#failures >= maxFailures) return true
    return this.#requests >= minRequests && this.#failures * 100 >= failurePercent * this.#requests
  }
  #open(): void {
    this.#openUntilMs = this.#clock.monotonicMs() + this.#rules.openMs
    this.#become('open')
  }
  #become(state: BreakerState): void {
    this.#state = state
    this.#forget(this.#clock.monotonicMs())
    this.#onChange(state)
  }
  #forget(now: number): void {
    this.#windowStartMs = now
    this.#requests = 0
    this.#failures = 0
  }
}
