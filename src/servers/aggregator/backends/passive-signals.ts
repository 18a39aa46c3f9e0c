/**
 * Judges backends by their requests: a backend that passes its probes while request after request fails is degraded, and one
 * whose connections break is worth a probe at once.
 *
 *   well --5 failures in a row over 1 s--> degraded --1 success--> well
 */
import type { Clock } from '../../../lib/clock.ts'

/** Where a request failed; `status`: the backend answered 5xx. */
export type ObservedPhase = 'resolve' | 'connect' | 'tls' | 'queue' | 'first-byte' | 'stream' | 'status'

/** A client that asks once for a broken thing says nothing about the backend: it takes this many failures. */
const FAILURES_TO_DEGRADE = 5
const LEAST_SPAN_MS = 1000
const PROBE_AGAIN_MS = 1000

interface Row {
  /** Failures in a row. 0 once a request succeeded. */
  failures: number
  firstMs: number
  lastMs: number
  phase: ObservedPhase
  probedMs: number
}

export class PassiveSignals {
  readonly #clock: Clock
  /** Only backends of which a request failed lately. */
  readonly #rows = new Map<string, Row>()

  constructor(clock: Clock) {
    this.#clock = clock
  }
  get size(): number {
    return this.#rows.size
  }
  /** Called for each request: one look-up while all is well. @returns whether there is news to look at now. */
  observed(name: string, ok: boolean, phase: ObservedPhase): boolean {
    const row = this.#rows.get(name)
    if (ok) return row !== undefined && this.#succeeded(row)
    const nowMs = this.#clock.monotonicMs()
    if (!row) {
      this.#rows.set(name, { failures: 1, firstMs: nowMs, lastMs: nowMs, phase, probedMs: nowMs })
      return true
    }
    if (row.failures === 0) row.firstMs = nowMs
    row.failures++
    row.lastMs = nowMs
    row.phase = phase
    if (nowMs - row.probedMs < PROBE_AGAIN_MS) return false
    row.probedMs = nowMs
    return true
  }
  #succeeded(row: Row): boolean {
    const isNews = isDegraded(row)
    row.failures = 0
    return isNews
  }
  /** Whether the last request failed. */
  suspects(name: string): boolean {
    return (this.#rows.get(name)?.failures ?? 0) > 0
  }
  /** @returns what to say of it, or undefined while it is well. */
  degradation(name: string): string | undefined {
    const row = this.#rows.get(name)
    if (!row || !isDegraded(row)) return undefined
    const what = row.phase === 'status' ? 'were answered with a 5xx status' : `failed (${row.phase})`
    return `the probe passes, but the last requests ${what}`
  }
  forget(name: string): void {
    this.#rows.delete(name)
  }
}

function isDegraded(row: Row): boolean {
  return row.failures >= FAILURES_TO_DEGRADE && row.lastMs - row.firstMs >= LEAST_SPAN_MS
}
