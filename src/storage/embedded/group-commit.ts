/** Gathers writes while a batch is committed, and commits them together next. One batch at a time. */
import { type Revision, StorageError, type WriteResult } from '../storage.ts'

export interface PendingWrite {
  readonly key: string
  /** Absent: a deletion. */
  readonly value: Uint8Array | undefined
  readonly expected: Revision | 'absent'
  /** When the key expires, in ms since the epoch. */
  readonly dueMs: number | undefined
}
export interface GroupCommit {
  /** @throws StorageError unavailable when too many writes wait, or the commit fails. */
  write(write: PendingWrite): Promise<WriteResult>
  /** Runs between two batches. */
  alone<T>(job: () => Promise<T>): Promise<T>
  /** Resolves when everything that waited is done; later writes are refused. */
  close(): Promise<void>
}

const MOST_WAITING = 20_000
const BATCH_WRITES = 256
const BATCH_BYTES = 4 * 1024 * 1024

/** @param commit answers one result for each write, in order. */
export function groupCommit(commit: (writes: readonly PendingWrite[]) => Promise<readonly WriteResult[]>): GroupCommit {
  type Waiting = { write: PendingWrite; resolve: (r: WriteResult) => void; reject: (e: unknown) => void }
  let waiting: Waiting[] = []
  let last: Promise<unknown> = Promise.resolve()
  let scheduled = false
  let closed = false

  function alone<T>(job: () => Promise<T>): Promise<T> {
    const run = last.then(job)
    last = run.catch(() => {})
    return run
  }
  async function commitNext(): Promise<void> {
    scheduled = false
    const batch = takeBatch()
    if (waiting.length > 0) schedule()
    try {
      const results = await commit(batch.map((w) => w.write))
      batch.forEach((w, i) => w.resolve(results[i]!))
    } catch (error) {
      for (const w of batch) w.reject(error)
    }
  }
  function takeBatch(): Waiting[] {
    let bytes = 0
    let count = 0
    while (count < waiting.length && count < BATCH_WRITES && bytes < BATCH_BYTES) {
      bytes += waiting[count++]!.write.value?.length ?? 0
    }
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    return batch
  }
  function schedule(): void {
    if (scheduled) return
    scheduled = true
    void alone(commitNext)
  }

  return {
    alone,
    write: (write) =>
      new Promise((resolve, reject) => {
        if (closed || waiting.length >= MOST_WAITING) {
          const why = closed ? 'the storage is closed' : `${waiting.length} writes wait already`
          return reject(new StorageError('unavailable', why))
        }
        waiting.push({ write, resolve, reject })
        schedule()
      }),
    async close() {
      closed = true
      while (waiting.length > 0) await last
      await last
    },
  }
}
