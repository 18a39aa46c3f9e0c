/**
 * A process that writes into an embedded storage until it is killed; used by the fault tests. Prints a line for each
 * acknowledged write: key, revision. Arguments: folder, bytes of a value.
 */
import { systemClock } from '../../src/lib/clock.ts'
import { nextTurn } from '../../src/lib/next-turn.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts'
import { StorageFolderError } from '../../src/storage/embedded/storage-folder.ts'
import { StorageError } from '../../src/storage/storage.ts'

const [folder = '', valueBytes = '100'] = process.argv.slice(2)
const WRITERS = 8
const say = (line: string): boolean => process.stdout.write(`${line}\n`)

async function write(storage: EmbeddedStorage, writer: number): Promise<void> {
  for (let i = 0; ; i++) {
    const key = `/load/${process.pid}-${writer}-${i}`
    const value = Buffer.alloc(Number(valueBytes), key)
    const result = await storage.put(key, value, { expected: 'absent' })
    if (result.kind === 'written') say(`${key} ${result.revision}`)
  }
}

try {
  const storage = new EmbeddedStorage({ folder, clock: systemClock, log: noopLogger, compactionIntervalMs: 50 })
  say('open')
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(storage, writer)))
} catch (error) {
  if (error instanceof StorageFolderError) say(`folder ${error.code}`)
  else if (error instanceof StorageError) say(`error ${error.code}`)
  else throw error
  await nextTurn() // an unhandled rejection would show now
  process.exit(2)
}
