/** Which replica does what one does for all: over etcd, the replica that holds the Lease; elsewhere a process is alone. */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Client } from '../../client/client.ts'
import type { Elect } from '../../client/controller-manager.ts'
import { type Lease, leadWithLease } from '../../client/leader-election.ts'
import { untilAborted } from '../../lib/deferred.ts'
import type { AppContext } from './app-context.ts'

const LEASES = { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' }
const NAMESPACE = 'kube-system'

export function electionOf({ config, clock, log, systemNamespaces }: AppContext, client: Client): Elect {
  // The storage belongs to this process alone: there is no other to agree with.
  if (config.storage.kind !== 'etcd') return (_lease, lead, signal) => lead(signal)
  const identity = `${hostname()}_${randomUUID()}`
  const leases = client.resource<Lease>(LEASES)
  return async (name, lead, signal) => {
    await Promise.race([systemNamespaces.promise, untilAborted(signal)])
    await leadWithLease({ leases, namespace: NAMESPACE, name, identity, clock, log }, lead, signal)
  }
}
