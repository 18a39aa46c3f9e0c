/** The namespaces that every server has. Made when missing, at the start and every minute. */
import { isConflict, isNotFound } from '../client/is-stale.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Client } from '../client/client.ts'
import { type Clock, sleep } from '../lib/clock.ts'
import type { Logger } from '../observability/logger.ts'

export const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'default', 'kube-node-lease']
const EVERY_MS = 60_000
const RETRY_MS = 1000

/** Resolves when all are there; looks again until the signal is aborted. */
export async function keepSystemNamespaces(
  o: { client: Client; clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const namespaces = o.client.resource<KubeObject>({ group: '', version: 'v1', resource: 'namespaces' })
  const make = async (name: string): Promise<void> => {
    try {
      await namespaces.get(name, { resourceVersion: '0', signal })
    } catch (e) {
      if (!isNotFound(e)) throw e
      await namespaces
        .create({ kind: 'Namespace', apiVersion: 'v1', metadata: { name } }, { signal })
        .catch(ignoreExisting)
    }
  }
  const all = async (): Promise<void> => {
    await Promise.all(SYSTEM_NAMESPACES.map(make))
  }
  const keep = async (): Promise<void> => {
    for (;;) {
      await sleep(o.clock, EVERY_MS, signal)
      await all().catch((error: unknown) => o.log.warn('system namespaces could not be checked', { error }))
    }
  }
  for (let made = false; !made; ) {
    try {
      await all()
      made = true
    } catch (error) {
      // The storage may be busy with an election: no reason to end the server.
      o.log.warn('system namespaces could not be made yet', { error })
      await sleep(o.clock, RETRY_MS, signal)
    }
  }
  keep().catch(() => {}) // aborted
}

function ignoreExisting(e: unknown): void {
  if (!isConflict(e)) throw e
}
