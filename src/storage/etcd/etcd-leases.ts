/**
 * Leases for keys with a TTL, shared by keys that are written within a short time, as a lease costs etcd more than a key.
 * Source: Kubernetes v1.35, storage/etcd3/lease_manager.go: a window of 5 % of the TTL, at most 60 s; 1000 keys each.
 */
import type { Clock } from '../../lib/clock.ts'
import { StorageError } from '../storage.ts'
import type { EtcdClients } from './etcd-clients.ts'

const MOST_KEYS = 1000
const MOST_WINDOW_SECONDS = 60
/** Different TTLs in use at once; beyond it the oldest lease is not shared any further. */
const MOST_TTLS = 100

interface Lease {
  readonly id: Promise<string>
  readonly sharedUntilMs: number
  keys: number
}

export class EtcdLeases {
  readonly #clients: EtcdClients
  readonly #clock: Clock
  readonly #byTtl = new Map<number, Lease>()

  constructor(clients: EtcdClients, clock: Clock) {
    this.#clients = clients
    this.#clock = clock
  }

  /** The lease for one more key. */
  async for(ttlSeconds: number): Promise<string> {
    const known = this.#byTtl.get(ttlSeconds)
    if (known && known.keys < MOST_KEYS && this.#clock.monotonicMs() < known.sharedUntilMs) {
      known.keys++
      return known.id
    }
    const windowSeconds = Math.min(ttlSeconds * 0.05, MOST_WINDOW_SECONDS)
    const id = this.#grant(Math.ceil(ttlSeconds + windowSeconds))
    const lease = { id, sharedUntilMs: this.#clock.monotonicMs() + windowSeconds * 1000, keys: 1 }
    this.#byTtl.set(ttlSeconds, lease)
    if (this.#byTtl.size > MOST_TTLS) this.#byTtl.delete(this.#byTtl.keys().next().value!)
    id.catch(() => {
      if (this.#byTtl.get(ttlSeconds) === lease) this.#byTtl.delete(ttlSeconds)
    })
    return id
  }

  async #grant(ttlSeconds: number): Promise<string> {
    const granted = await this.#clients.call((c, o) => c.leaseClient.leaseGrant({ TTL: ttlSeconds, ID: 0 }, o))
    if (granted.error) throw new StorageError('unavailable', `etcd grants no lease: ${granted.error}`)
    return granted.ID
  }
}
