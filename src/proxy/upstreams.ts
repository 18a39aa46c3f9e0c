/**
 * All pools, by how they are secured and where they lead.
 *
 * Owns:    every UpstreamPool; one that nobody used for a while is closed.
 * Callers: app/run/wire.ts makes one; proxy handlers ask it for the pool of the endpoint they chose.
 */
import type { Cancel, Clock } from '../lib/clock.ts'
import type { Address } from './dial.ts'
import { defaultPoolOptions, type PoolOptions } from './pool-options.ts'
import { UpstreamPool } from './upstream-pool.ts'

const SWEEP_MS = 1_000
/** Longer than any of a pool's connections stay idle: by then it is empty. */
const UNUSED_MS = 300_000

/** In place of the general ones. */
export interface PoolSettings {
  /** Equal for equal options. */
  readonly key: string
  readonly options: Omit<PoolOptions, 'clock'>
}

export class Upstreams implements AsyncDisposable {
  readonly #options: PoolOptions
  readonly #pools = new Map<string, UpstreamPool>()
  #cancelSweep: Cancel

  constructor(options: Partial<PoolOptions> & { readonly clock: Clock }) {
    this.#options = { ...defaultPoolOptions, ...options }
    this.#cancelSweep = this.#scheduleSweep()
  }
  /** The same pool for equal addresses, TLS profiles of equal options, and equal settings. */
  pool(address: Address, settings?: PoolSettings): UpstreamPool {
    const where = address.path ?? `${address.host} ${address.port}`
    const key = `${where} ${address.tls?.id ?? ''} ${address.guard?.id ?? ''} ${settings?.key ?? ''}`
    let pool = this.#pools.get(key)
    if (!pool) {
      pool = new UpstreamPool(address, { ...this.#options, ...settings?.options })
      this.#pools.set(key, pool)
    }
    return pool
  }
  get pools(): Iterable<UpstreamPool> {
    return this.#pools.values()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelSweep()
    for (const pool of this.#pools.values()) pool.close()
    this.#pools.clear()
  }
  #scheduleSweep(): Cancel {
    return this.#options.clock.after(SWEEP_MS, () => {
      const now = this.#options.clock.monotonicMs()
      for (const [key, pool] of this.#pools) {
        pool.sweep(now)
        if (pool.busy || now - pool.lastUsed < UNUSED_MS) continue
        pool.close()
        this.#pools.delete(key)
      }
      this.#cancelSweep = this.#scheduleSweep()
    })
  }
}
