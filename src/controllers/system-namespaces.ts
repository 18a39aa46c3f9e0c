/** The namespaces that every server has. */
import type { KubeObject } from '../api/meta.ts'
import type { Client } from '../client/client.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observability/logger.ts'
import { keepObjects, unlessCode } from './kept-objects.ts'

export const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'default', 'kube-node-lease']

/** Resolves when all are there; looks again until the signal is aborted. */
export function keepSystemNamespaces(
  o: { client: Client; clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const namespaces = o.client.resource<KubeObject>({ group: '', version: 'v1', resource: 'namespaces' })
  const make = async (name: string): Promise<void> => {
    const found = await namespaces.get(name, { resourceVersion: '0', signal }).catch(unlessCode(404))
    if (found) return
    const wanted = { kind: 'Namespace', apiVersion: 'v1', metadata: { name } }
    await namespaces.create(wanted, { signal }).catch(unlessCode(409))
  }
  return keepObjects({ what: 'system namespaces', ensure: () => Promise.all(SYSTEM_NAMESPACES.map(make)) }, o, signal)
}
