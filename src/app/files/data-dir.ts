/** The data folder: private to its owner, files replaced by atomic rename. */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ConfigurationError } from '../config/configuration-error.ts'

const PRIVATE_FOLDER = 0o700
const PRIVATE_FILE = 0o600

export class DataDir {
  readonly path: string

  /** @throws ConfigurationError where the folder cannot be made or written. */
  constructor(path: string) {
    this.path = path
    try {
      makeFolder(resolve(path))
      chmodSync(path, PRIVATE_FOLDER)
      this.write('.writable', '')
    } catch (e) {
      throw new ConfigurationError(`--data-dir: ${(e as Error).message}`)
    }
  }
  file(name: string): string {
    return join(this.path, name)
  }
  read(name: string): string | undefined {
    const path = this.file(name)
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined
  }
  /** A reader sees the old content or the new content meanwhile, never half of it. */
  write(name: string, content: string): void {
    const path = this.file(name)
    mkdirSync(dirname(path), { recursive: true, mode: PRIVATE_FOLDER })
    const next = `${path}.next`
    const fd = openSync(next, 'w', PRIVATE_FILE)
    try {
      writeSync(fd, content)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(next, path)
  }
}

/** Folders are made one by one: under a parent that takes no folders, such as /proc, Node's recursive form never comes back. */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) makeFolder(dirname(path))
  mkdirSync(path, { mode: PRIVATE_FOLDER })
}

/** A data folder that was not in use before, as long as its first start is under way. */
export interface NewFolder {
  /** The server has started. */
  keep(): void
  /** It has not: what it made goes, with the folders that were made for it. */
  remove(): void
}

const STARTING = '.starting'

/**
 * Claims a folder that is missing or empty. Of several servers a single one succeeds.
 * @returns undefined for a folder with something in it, and for a folder that cannot be made: DataDir says why.
 */
export function claimNewFolder(path: string): NewFolder | undefined {
  const folder = resolve(path)
  const topmost = topmostMissing(folder)
  const marker = join(folder, STARTING)
  try {
    makeFolder(folder)
    if (readdirSync(folder).length > 0) return undefined
    closeSync(openSync(marker, 'wx', PRIVATE_FILE))
  } catch {
    return undefined
  }
  return {
    keep: () => rmSync(marker, { force: true }),
    remove: () => {
      if (topmost !== undefined) return rmSync(topmost, { recursive: true, force: true })
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true })
    },
  }
}

function topmostMissing(folder: string): string | undefined {
  if (existsSync(folder)) return undefined
  const parent = dirname(folder)
  return parent === folder ? folder : (topmostMissing(parent) ?? folder)
}
