/**
 * One process for each data folder. The lock is the operating system's own, held through SQLite on an otherwise empty
 * file: it is gone with the process however that ends, and it holds between containers that share the folder.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** The folder cannot be used by this process; nothing was changed. Callers exit 2. */
export class StorageFolderError extends Error {
  override readonly name = 'StorageFolderError'
  readonly code: 'in-use' | 'newer-format'
  readonly folder: string

  constructor(code: 'in-use' | 'newer-format', folder: string, message: string, cause?: unknown) {
    super(message, { cause })
    this.code = code
    this.folder = folder
  }
}

/** @returns what gives the lock back. @throws StorageFolderError in-use. */
export function lockFolder(folder: string): () => void {
  const database = new DatabaseSync(join(folder, 'owner.lock'))
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (!isBusy(error)) throw error
    throw new StorageFolderError(
      'in-use',
      folder,
      `the data folder ${folder} belongs to a process that is running: give each its own, or use etcd for replicas`,
      error,
    )
  }
  return () => database.close()
}

const SQLITE_BUSY = 5
const isBusy = (error: unknown): boolean => (error as { errcode?: number }).errcode === SQLITE_BUSY
