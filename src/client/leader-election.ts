/**
 * Lets a single one of several servers do a job: the holder of a Lease. A holder that is not seen to renew for the lease's
 * duration, on the clock of the server that watches it, has lost it. Source of the rules and times: client-go's leaderelection.
 *
 *   waiting --free or expired--> leading --not renewed in time, or aborted--> waiting, or ended
 */
import { isNotFound } from './is-stale.ts'
import type { KubeObject } from '../api/meta.ts'
import { type Cancel, type Clock, sleep } from '../lib/clock.ts'
import type { Logger } from '../observability/logger.ts'
import type { ResourceClient } from './client.ts'

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string
    leaseDurationSeconds?: number
    acquireTime?: string
    renewTime?: string
    leaseTransitions?: number
  }
}
export interface LeaderElectionOptions {
  readonly leases: Pick<ResourceClient<Lease>, 'get' | 'create' | 'update'>
  readonly namespace: string
  readonly name: string
  /** The name of this process among the replicas. No other process has the same. */
  readonly identity: string
  readonly clock: Clock
  readonly log: Logger
}

const LEASE_MS = 15_000
/** A leader that could not renew for so long stops, well before others may take over. */
const RENEW_MS = 10_000
const RETRY_MS = 2000

/**
 * Calls lead whenever the lease is ours; its signal is aborted when it no longer is. The lease is given back only
 * after lead has ended. Resolves when the signal is aborted.
 */
export async function leadWithLease(
  o: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const election = new Election(o)
  while (!signal.aborted) {
    if (await election.tryToHold(signal)) {
      o.log.info('this process leads', { lease: o.name })
      await term(election, o, lead, signal)
      o.log.info('this process no longer leads', { lease: o.name })
    }
    await sleep(o.clock, RETRY_MS, signal).catch(() => {})
  }
}

async function term(
  election: Election,
  o: LeaderElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const lost = new AbortController()
  const both = AbortSignal.any([signal, lost.signal])
  const leading = lead(both).catch((error: unknown) => {
    if (!both.aborted) o.log.error('leading failed', { lease: o.name, error })
  })
  const ended = leading.then(() => lost.abort())
  // The deadline also ends a renewal that hangs.
  const deadline = (): Cancel => o.clock.after(RENEW_MS, () => lost.abort())
  let cancel = deadline()
  while (!both.aborted) {
    await sleep(o.clock, RETRY_MS, both).catch(() => {})
    if (both.aborted || !(await election.tryToHold(both))) continue
    cancel()
    cancel = deadline()
  }
  cancel()
  await ended
  await election.release()
}

class Election {
  readonly #o: LeaderElectionOptions
  #seen: Lease | undefined
  #seenMs = 0

  constructor(o: LeaderElectionOptions) {
    this.#o = o
  }

  /** Takes or renews the lease where that is allowed. Never throws. */
  async tryToHold(signal: AbortSignal): Promise<boolean> {
    const { leases, namespace, name, identity, log } = this.#o
    try {
      const lease = await leases.get(name, { namespace, signal }).catch(absent)
      if (lease) this.#observe(lease)
      if (lease && !this.#mayTake(lease)) return false
      const wanted = this.#held(lease)
      const held = lease ? await leases.update(wanted, { signal }) : await leases.create(wanted, { signal })
      this.#observe(held)
      return held.spec?.holderIdentity === identity
    } catch (error) {
      if (!signal.aborted) log.debug?.('the lease could not be held', { lease: name, error })
      return false
    }
  }

  /** So that the next leader need not wait. A failure only costs that wait. */
  async release(): Promise<void> {
    const last = this.#seen
    if (!last || last.spec?.holderIdentity !== this.#o.identity) return
    const spec = {
      ...last.spec,
      holderIdentity: '',
      leaseDurationSeconds: 1,
      renewTime: microTime(this.#o.clock.now()),
    }
    await this.#o.leases.update({ ...last, spec }).catch(() => {})
    this.#seen = undefined
  }

  #observe(lease: Lease): void {
    if (lease.metadata.resourceVersion === this.#seen?.metadata.resourceVersion) return
    this.#seen = lease
    this.#seenMs = this.#o.clock.monotonicMs()
  }

  #mayTake(lease: Lease): boolean {
    const holder = lease.spec?.holderIdentity ?? ''
    if (holder === '' || holder === this.#o.identity) return true
    const durationMs = (lease.spec?.leaseDurationSeconds ?? LEASE_MS / 1000) * 1000
    return this.#o.clock.monotonicMs() - this.#seenMs >= durationMs
  }

  #held(lease: Lease | undefined): Lease {
    const now = microTime(this.#o.clock.now())
    const { namespace, name, identity } = this.#o
    const ours = lease?.spec?.holderIdentity === identity
    const transitions = lease?.spec?.leaseTransitions ?? 0
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: lease?.metadata ?? { name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: LEASE_MS / 1000,
        acquireTime: (ours ? lease.spec?.acquireTime : undefined) ?? now,
        renewTime: now,
        leaseTransitions: ours || !lease ? transitions : transitions + 1,
      },
    }
  }
}

function absent(error: unknown): undefined {
  if (isNotFound(error)) return undefined
  throw error
}

/** Kubernetes' MicroTime. */
const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z')
