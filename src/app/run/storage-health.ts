import { type Clock, sleep } from '../../lib/clock.ts'
import type { HealthCheck, HealthChecks } from '../../servers/generic/health.ts'
import type { Storage } from '../../storage/storage.ts'

/** kube-apiserver's --etcd-healthcheck-timeout and --etcd-readycheck-timeout. */
const TIMEOUT_MS = 2000

/** The checks of a storage that lives elsewhere; names and texts are kube-apiserver's. */
export function addEtcdChecks(health: HealthChecks, storage: Storage, clock: Clock): void {
  health.add(storageCheck('etcd', storage, clock))
  health.add(storageCheck('etcd-readiness', storage, clock), ['readyz'])
}

function storageCheck(name: string, storage: Storage, clock: Clock): HealthCheck {
  return {
    name,
    async check() {
      const over = new AbortController()
      const late = sleep(clock, TIMEOUT_MS, over.signal).then(
        () => 'error getting data from etcd: context deadline exceeded',
        () => undefined,
      )
      const asked = storage.currentRevision().then(
        () => undefined,
        (e: unknown) => `error getting data from etcd: ${e instanceof Error ? e.message : String(e)}`,
      )
      try {
        return await Promise.race([asked, late])
      } finally {
        over.abort()
      }
    },
  }
}
