/** Opens the storage that is configured and waits until it answers. */
import { type Clock, sleep } from '../../lib/clock.ts'
import { formatDuration } from '../../lib/duration.ts'
import type { Logger } from '../../observability/logger.ts'
import { type Storage, StorageError } from '../../storage/storage.ts'
import type { StorageConfig } from '../config/config.ts'
import { ConfigurationError } from '../config/configuration-error.ts'
import type { OptionValues } from '../config/options.ts'

const ASK_AGAIN_MS = 250

/** @throws ConfigurationError for a folder that cannot be used; StorageError unavailable when the storage does not answer in time. */
export async function openStorage(
  config: StorageConfig,
  values: OptionValues,
  o: { clock: Clock; log: Logger },
): Promise<Storage> {
  const storage = await open(config, values, o)
  try {
    await untilAnswering(storage, values['storage-initialization-timeout'], o)
  } catch (e) {
    await storage[Symbol.asyncDispose]()
    throw e
  }
  return storage
}

/** Engines are imported on use: what is not configured costs no start-up time. */
async function open(config: StorageConfig, values: OptionValues, o: { clock: Clock; log: Logger }): Promise<Storage> {
  const compactionIntervalMs = values['etcd-compaction-interval']
  switch (config.kind) {
    case 'memory': {
      const { MemoryStorage } = await import('../../storage/memory/memory-storage.ts')
      return new MemoryStorage({ clock: o.clock, log: o.log })
    }
    case 'embedded': {
      const [{ EmbeddedStorage }, { StorageFolderError }] = await Promise.all([
        import('../../storage/embedded/embedded-storage.ts'),
        import('../../storage/embedded/storage-folder.ts'),
      ])
      try {
        return new EmbeddedStorage({ folder: config.folder, clock: o.clock, log: o.log })
      } catch (e) {
        throw e instanceof StorageFolderError ? new ConfigurationError(`--data-dir: ${e.message}`) : e
      }
    }
    case 'etcd': {
      const { EtcdStorage } = await import('../../storage/etcd/etcd-storage.ts')
      return new EtcdStorage({ ...config, compactionIntervalMs, clock: o.clock, log: o.log })
    }
  }
}

async function untilAnswering(
  storage: Storage,
  timeoutMs: number,
  { clock, log }: { clock: Clock; log: Logger },
): Promise<void> {
  const deadlineMs = clock.monotonicMs() + timeoutMs
  for (;;) {
    try {
      await storage.currentRevision()
      return
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'unavailable') throw error
      if (clock.monotonicMs() >= deadlineMs)
        throw new StorageError(
          'unavailable',
          `the storage did not answer within --storage-initialization-timeout (${formatDuration(timeoutMs)}): ${error.message}`,
          { cause: error },
        )
      log.verbose?.('waiting for the storage', { error })
      await sleep(clock, ASK_AGAIN_MS)
    }
  }
}
