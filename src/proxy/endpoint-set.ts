/**
 * The endpoints of one backend, and which of them takes the next request.
 *
 * Owns:     per endpoint: what is under way, failures in a row, ejection. Connections are its pool's (upstream-pool.ts).
 * Callers:  servers/aggregator makes one per backend and keeps its members in step; forward.ts picks.
 *
 *   warming --slowStartMs--> serving --failures in a row, silence--> ejected --time is up, another's turn--> warming
 *        `------ draining: no new requests; gone when the last one ends, or is ended -----'
 */
import type { Clock } from '../lib/clock.ts'
import type { Address } from './dial.ts'
import type { UpstreamPool } from './upstream-pool.ts'

export interface BalancingRules {
  /** Empty: zones do not matter. */
  readonly zone: string
  /** A new endpoint's share grows for this long. */
  readonly slowStartMs: number
  /** Until an endpoint is left out for a while. */
  readonly consecutiveFailures: number
  /** The first time; doubled with each ejection that follows, up to 32 times. */
  readonly ejectionMs: number
  readonly maxEjectedPercent: number
}
export const defaultBalancing: BalancingRules = {
  zone: '',
  slowStartMs: 10_000,
  consecutiveFailures: 3,
  ejectionMs: 2_000,
  maxEjectedPercent: 50,
}
/** What a source of endpoints knows of one. */
export interface EndpointInfo {
  readonly address: Address
  readonly zone: string
  /** It finishes what it has and takes nothing new. */
  readonly terminating: boolean
}
/** One watch weighs as much as this part of a request under way. */
const WATCH_LOAD = 0.01
/** Loads that differ by less are equal: the choice is random then, not always the same. */
const CLOSE = 1
const MAX_DOUBLINGS = 5

/** The open pool of an address: equal addresses share one. */
export type PoolOf = (address: Address) => UpstreamPool

export class Endpoint {
  readonly id: string
  readonly address: Address
  zone: string
  /** Monotonic ms: since when its share grows. */
  warmSinceMs: number
  draining = false
  inFlight = 0
  watches = 0
  failuresInRow = 0
  ejections = 0
  ejectedSinceMs = 0
  ejectedUntilMs = 0
  /** Requests that are to be ended when the endpoint goes. */
  readonly endings = new Set<() => void>()
  readonly #poolOf: PoolOf
  #pool: UpstreamPool

  constructor(info: EndpointInfo, poolOf: PoolOf, nowMs: number) {
    this.id = endpointId(info.address)
    this.address = info.address
    this.zone = info.zone
    this.#poolOf = poolOf
    this.#pool = poolOf(info.address)
    this.warmSinceMs = nowMs
  }
  /** The open pool: one that was unused for long is closed, and the next request opens another. */
  get pool(): UpstreamPool {
    if (this.#pool.isClosed) this.#pool = this.#poolOf(this.address)
    return this.#pool
  }
  get load(): number {
    return this.inFlight + this.watches * WATCH_LOAD
  }
}

export function endpointId({ host, port, path }: Address): string {
  return path ?? `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** What forward.ts asks. */
export interface EndpointChoice {
  readonly size: number
  pick(longRunning: boolean, tried?: readonly Endpoint[]): Endpoint | undefined
  /** @param silent nothing comes from it any more: it is left out at once. */
  failed(endpoint: Endpoint, silent?: boolean): void
  succeeded(endpoint: Endpoint): void
}
/** One address without a choice. */
export function onlyEndpoint(address: Address, poolOf: PoolOf): EndpointChoice {
  const info = { address, zone: '', terminating: false }
  const endpoint = new Endpoint(info, poolOf, Number.NEGATIVE_INFINITY)
  return { size: 1, pick: () => endpoint, failed: () => {}, succeeded: () => {} }
}

export interface EndpointSetOptions {
  readonly clock: Clock
  readonly random: () => number
  /** Asked each time. */
  readonly rules: () => BalancingRules
  readonly poolOf: PoolOf
  readonly onEject?: (endpoint: Endpoint) => void
  /** No longer a member, or terminating: what still runs there is to be ended softly. */
  readonly onDrain?: (endpoint: Endpoint) => void
}

export class EndpointSet implements EndpointChoice {
  readonly #o: EndpointSetOptions
  #members = new Map<string, Endpoint>()
  #filled = false

  constructor(o: EndpointSetOptions) {
    this.#o = o
  }
  get members(): readonly Endpoint[] {
    return [...this.#members.values()]
  }
  get size(): number {
    return this.#members.size
  }
  ejected(endpoint: Endpoint): boolean {
    return endpoint.ejectedUntilMs > this.#o.clock.monotonicMs()
  }

  /** The first members need no slow start: there is nobody else to carry the load. */
  update(infos: readonly EndpointInfo[]): void {
    const now = this.#o.clock.monotonicMs()
    const next = new Map<string, Endpoint>()
    for (const info of infos) {
      const id = endpointId(info.address)
      const known = this.#members.get(id)
      const same = known?.pool === this.#o.poolOf(info.address) ? known : undefined
      const endpoint = same ?? new Endpoint(info, this.#o.poolOf, this.#filled ? now : Number.NEGATIVE_INFINITY)
      endpoint.zone = info.zone
      if (info.terminating && !endpoint.draining) this.#drain(endpoint)
      if (!info.terminating && endpoint.draining) {
        endpoint.draining = false
        endpoint.warmSinceMs = now
      }
      next.set(id, endpoint)
    }
    // One whose certificates changed stays where it is: what runs there goes on, on the old connections.
    for (const [id, endpoint] of this.#members) if (!next.has(id)) this.#drain(endpoint)
    this.#members = next
    if (next.size > 0) this.#filled = true
  }

  /**
   * @param tried endpoints of the attempts before: others are preferred.
   * @returns undefined where there is no endpoint at all.
   */
  pick(longRunning: boolean, tried: readonly Endpoint[] = []): Endpoint | undefined {
    if (this.#members.size === 1) return this.#members.values().next().value
    const now = this.#o.clock.monotonicMs()
    const all = [...this.#members.values()]
    const serving = all.filter((e) => !e.draining)
    const healthy = serving.filter((e) => e.ejectedUntilMs <= now)
    // Better an endpoint that failed than no answer at all.
    for (const candidates of [healthy, serving, all]) {
      const fresh = candidates.filter((e) => !tried.includes(e))
      if (fresh.length > 0) return this.#choose(this.#nearest(fresh), longRunning, now)
    }
    return all.length === 0 ? undefined : this.#choose(all, longRunning, now)
  }
  failed(endpoint: Endpoint, silent = false): void {
    const { consecutiveFailures, ejectionMs, maxEjectedPercent } = this.#o.rules()
    endpoint.failuresInRow++
    const now = this.#o.clock.monotonicMs()
    // Whoever goes to a silent one waits for seconds: two more need not find that out.
    if ((endpoint.failuresInRow < consecutiveFailures && !silent) || endpoint.ejectedUntilMs > now) return
    const others = [...this.#members.values()].filter((e) => e !== endpoint && e.ejectedUntilMs > now)
    if ((others.length + 1) * 100 > maxEjectedPercent * this.#members.size) {
      // What is known of the one that was left out first is the oldest: it may be well again, as in a rolling restart.
      const first = others.toSorted((a, b) => a.ejectedSinceMs - b.ejectedSinceMs)[0]
      if (!first) return
      first.ejectedUntilMs = now
      first.warmSinceMs = now
    }
    endpoint.ejectedSinceMs = now
    endpoint.ejectedUntilMs = now + ejectionMs * 2 ** Math.min(endpoint.ejections, MAX_DOUBLINGS)
    endpoint.warmSinceMs = endpoint.ejectedUntilMs
    endpoint.ejections++
    endpoint.failuresInRow = 0
    this.#o.onEject?.(endpoint)
  }
  succeeded(endpoint: Endpoint): void {
    if (endpoint.failuresInRow !== 0) endpoint.failuresInRow = 0
    if (
      endpoint.ejections !== 0 &&
      endpoint.ejectedUntilMs + this.#o.rules().slowStartMs <= this.#o.clock.monotonicMs()
    )
      endpoint.ejections = 0
  }

  #drain(endpoint: Endpoint): void {
    if (endpoint.draining) return
    endpoint.draining = true
    this.#o.onDrain?.(endpoint)
  }
  /** Our own zone, while more than half of its endpoints are among the candidates. */
  #nearest(candidates: readonly Endpoint[]): readonly Endpoint[] {
    const { zone } = this.#o.rules()
    if (zone === '') return candidates
    const near = candidates.filter((e) => e.zone === zone)
    const known = [...this.#members.values()].filter((e) => e.zone === zone).length
    return near.length * 2 > known ? near : candidates
  }
  /** Watches go to the one with the fewest: they stay. Requests to the less loaded of two chosen by chance. */
  #choose(candidates: readonly Endpoint[], longRunning: boolean, now: number): Endpoint {
    const { random } = this.#o
    if (candidates.length === 1) return candidates[0]!
    const from = Math.floor(random() * candidates.length)
    if (longRunning) {
      let best = candidates[from]!
      for (let i = 1; i < candidates.length; i++) {
        const e = candidates[(from + i) % candidates.length]!
        if ((e.watches + 1) / this.#warmth(e, now) < (best.watches + 1) / this.#warmth(best, now)) best = e
      }
      return best
    }
    const a = candidates[from]!
    const b = candidates[(from + 1 + Math.floor(random() * (candidates.length - 1))) % candidates.length]!
    const [loadA, loadB] = [a.load, b.load]
    if (Math.abs(loadA - loadB) >= CLOSE) return loadA < loadB ? a : b
    const [warmA, warmB] = [this.#warmth(a, now), this.#warmth(b, now)]
    return random() * (warmA + warmB) < warmA ? a : b
  }
  /** From 0.1 for a new endpoint to 1. */
  #warmth(e: Endpoint, now: number): number {
    const { slowStartMs } = this.#o.rules()
    const part = (now - e.warmSinceMs) / slowStartMs
    return part >= 1 ? 1 : Math.max(0.1, part)
  }
}
