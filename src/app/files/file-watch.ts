/** Tells when files changed, once they rest. The folders are watched: a rename puts another file in its place. */
import { existsSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Clock } from '../../lib/clock.ts'

/** Writers replace certificate and key one after the other: all are read again once they rest. */
const SETTLE_MS = 200

export interface FileWatchOptions {
  readonly paths: readonly string[]
  readonly clock: Clock
  readonly changed: () => void
}

/** @returns ends it. Folders that do not exist are not watched. */
export function watchFiles({ paths, clock, changed }: FileWatchOptions): () => void {
  let settling: (() => void) | undefined
  const settle = (): void => {
    settling?.()
    settling = clock.after(SETTLE_MS, changed)
  }
  const folders = [...new Set(paths.map((p) => dirname(p)))].filter((f) => existsSync(f))
  const watchers = folders.map((folder) => {
    const names = new Set(paths.filter((p) => dirname(p) === folder).map((p) => basename(p)))
    // Mounted secrets swap a link beside the file, whose name begins with two dots.
    const watcher = watch(folder, (_event, name) => {
      if (name === null || names.has(name) || name.startsWith('..')) settle()
    })
    // A folder that goes takes its watcher with it.
    watcher.on('error', () => watcher.close())
    return watcher
  })
  return () => {
    settling?.()
    for (const watcher of watchers) watcher.close()
  }
}
