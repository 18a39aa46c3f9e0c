/** Jobs that one process does for all replicas: over etcd, whoever holds the Lease; elsewhere a process is alone. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Client } from '../../client/client.ts'
import { type Lease, leadWithLease } from '../../client/leader-election.ts'
import { untilAborted } from '../../lib/deferred.ts'
import type { PostStartHook } from '../../servers/generic/delegate.ts'
import type { AppContext } from './app-context.ts'

const LEASES = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' }
const NAMESPACE = 'kube-system'

export interface LeaderJob {
  /** Of the Lease. */
  readonly name: string
  /** Ends when the signal is aborted. */
  lead(signal: AbortSignal): Promise<void>
}

export function leadershipHook(
  { config, clock, log, life, systemNamespaces }: AppContext,
  job: LeaderJob,
  client: Client,
): PostStartHook {
  const lead = (signal: AbortSignal): Promise<void> => job.lead(signal)
  const election = {
    leases: client.resource<Lease>(LEASES),
    namespace: NAMESPACE,
    name: job.name,
    identity: `${hostname()}_${randomUUID()}`,
    clock,
    log,
  }
  return {
    name: `leader-election-${job.name}`,
    run: async () => {
      // Elsewhere the storage belongs to this process alone: nobody to agree with.
      const running =
        config.storage.kind === 'etcd'
          ? Promise.race([systemNamespaces.promise, untilAborted(life.signal)]).then(() =>
              leadWithLease(election, lead, life.signal),
            )
          : lead(life.signal)
      running.catch((error: unknown) => log.error('leader election failed', { lease: job.name, error }))
      life.defer(() => running)
    },
  }
}
