/** Keeps history between one and two intervals long, for an engine that belongs to one process. */
import type { Cancel, Clock } from '../lib/clock.ts'
import type { Logger } from '../observability/logger.ts'
import type { Revision, Storage } from './storage.ts'

/** Source: kube-apiserver's --etcd-compaction-interval. */
export const DEFAULT_COMPACTION_INTERVAL_MS = 5 * 60_000

/** Each interval compacts to the revision of the interval before. @returns what stops it. */
export function compactPeriodically(
  storage: Pick<Storage, 'compact' | 'currentRevision'>,
  o: { clock: Clock; intervalMs: number; log: Logger },
): Cancel {
  let seen: Revision | undefined
  let cancel: Cancel = () => {}
  let stopped = false
  const tick = async (): Promise<void> => {
    try {
      const current = await storage.currentRevision()
      if (seen !== undefined) await storage.compact(seen)
      seen = current
    } catch (error) {
      o.log.warn('compaction failed', { error })
    }
    if (!stopped) schedule()
  }
  const schedule = (): void => {
    cancel = o.clock.after(o.intervalMs, () => void tick())
  }
  schedule()
  return () => {
    stopped = true
    cancel()
  }
}
