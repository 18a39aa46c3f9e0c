import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observability/logger.ts'
import type { MetricsRecorder } from '../observability/metrics.ts'
import type { Storage } from '../storage/storage.ts'
import type { StorageConfig } from './config.ts'
import type { OptionValues } from './options.ts'

/** Engines are imported on use: what is not configured costs no start-up time. */
export async function openStorage(
  config: StorageConfig,
  o: { clock: Clock; log: Logger; metrics: MetricsRecorder; values: OptionValues },
): Promise<Storage> {
  switch (config.kind) {
    case 'memory': {
      const { MemoryStorage } = await import('../storage/memory/memory-storage.ts')
      return new MemoryStorage({ clock: o.clock })
    }
    case 'embedded': {
      const { openEmbeddedStorage } = await import('../storage/embedded/embedded-storage.ts')
      return openEmbeddedStorage({ folder: join(config.folder), clock: o.clock, log: o.log })
    }
    case 'etcd': {
      const { openEtcdStorage } = await import('../storage/etcd/etcd-storage.ts')
      return openEtcdStorage({ ...config, clock: o.clock, log: o.log })
    }
  }
}
