/**
 * The embedded engine's file: typed access to its databases and atomic, durable batches.
 *
 * Owns:     the LMDB environment and the folder's lock, released by close().
 * Not here: compare-and-swap, revisions, history (embedded-storage.ts).
 */
import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Database as LmdbDatabase, open, type RootDatabase } from 'lmdb'
import type { Revision } from '../storage.ts'
import { lockFolder, StorageFolderError } from './storage-folder.ts'
import { decodeIndexEntry, decodeLogEntry, type IndexEntry, type LogEntry, revisionKey, revisionOf } from './records.ts'

type Bytes = LmdbDatabase<Buffer, Buffer>
/** Raised when an older version could no longer read what this one writes. */
const FORMAT = 1

export interface Write {
  put(database: 'log' | 'index' | 'ttl', key: Buffer, value: Buffer): void
  remove(database: 'log' | 'index' | 'ttl', key: Buffer): void
  setMeta(name: 'revision' | 'compacted' | 'removed', value: Revision): void
}

export class Database {
  readonly #environment: RootDatabase<Buffer, Buffer>
  readonly #unlock: () => void
  readonly #databases: Record<'log' | 'index' | 'ttl' | 'meta', Bytes>

  /** @throws StorageFolderError in-use, newer-format. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
    this.#unlock = lockFolder(folder)
    const bytes = { encoding: 'binary', keyEncoding: 'binary' } as const
    // Without overlapping syncs a commit is visible only when it is durable: nobody reads what a crash takes back.
    this.#environment = open({ path: folder, maxDbs: 4, overlappingSync: false, cache: false, ...bytes })
    const database = (name: string): Bytes => this.#environment.openDB({ name, cache: false, ...bytes })
    this.#databases = { log: database('log'), index: database('index'), ttl: database('ttl'), meta: database('meta') }
    for (const file of readdirSync(folder)) chmodSync(join(folder, file), 0o600)
    this.#checkFormat(folder)
  }

  meta(name: 'format' | 'revision' | 'compacted' | 'removed'): number | undefined {
    const text = this.#databases.meta.get(Buffer.from(name))
    return text && Number(text.toString())
  }
  logEntry(revision: Revision): LogEntry | undefined {
    const bytes = this.#databases.log.get(revisionKey(revision))
    return bytes && decodeLogEntry(revision, bytes)
  }
  indexEntry(key: string): IndexEntry | undefined {
    const bytes = this.#databases.index.get(Buffer.from(key))
    return bytes && decodeIndexEntry(bytes)
  }
  /** Log entries from start on, at most limit. */
  logEntries(start: Revision, limit: number): LogEntry[] {
    const found = this.#databases.log.getRange({ start: revisionKey(start), limit })
    return [...found].map(({ key, value }) => decodeLogEntry(revisionOf(key), value))
  }
  /** Index entries with start <= key < end in byte order, at most limit. */
  indexEntries(start: Buffer, end: Buffer, limit: number): (IndexEntry & { key: string })[] {
    const found = this.#databases.index.getRange({ start, end, limit })
    return [...found].map(({ key, value }) => ({ key: key.toString(), ...decodeIndexEntry(value) }))
  }
  /** TTL entries in order of their time. */
  ttlEntries(limit: number): { id: Buffer; key: string }[] {
    return [...this.#databases.ttl.getRange({ limit })].map(({ key, value }) => ({ id: key, key: value.toString() }))
  }

  /** All of it or nothing, and durable once resolved. */
  async batch(fill: (write: Write) => void): Promise<void> {
    // Each operation has a promise of its own that fails with the batch; the batch's is the one awaited.
    const quiet = (operation: Promise<boolean>): void => void operation.catch(() => {})
    try {
      const done = this.#environment.batch(() => {
        fill({
          put: (database, key, value) => quiet(this.#databases[database].put(key, value)),
          remove: (database, key) => quiet(this.#databases[database].remove(key)),
          setMeta: (name, value) => quiet(this.#databases.meta.put(Buffer.from(name), Buffer.from(String(value)))),
        })
      })
      this.#catchHidden()
      await done
    } catch (error) {
      throw await causeOf(error)
    }
  }

  /**
   * LMDB ends its own batch of an event turn in the next setImmediate, with a promise that it gives to nobody but
   * `committed`. Unless that is caught there, a failing disk is an unhandled rejection.
   */
  #catchHidden(): void {
    setImmediate(() => {
      this.#environment.committed.then(
        () => {},
        () => {},
      )
    })
  }

  async close(): Promise<void> {
    await this.#environment.close()
    this.#unlock()
  }

  #checkFormat(folder: string): void {
    const found = this.meta('format')
    if (found === undefined) this.#databases.meta.putSync(Buffer.from('format'), Buffer.from(String(FORMAT)))
    if (found === undefined || found <= FORMAT) return
    void this.close()
    const message = `the data folder ${folder} has format ${found}, written by a newer version; this one knows ${FORMAT}`
    throw new StorageFolderError('newer-format', folder, message)
  }
}

/** LMDB's error says that a commit failed; why is in a promise beside it. */
async function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: unknown }
  if (!(commitError instanceof Promise)) return error
  return commitError.then(
    () => error,
    (cause: unknown) => cause,
  )
}
