/**
 * Watches for engines that keep their own history. A watcher is a position in that history and pulls from it at its
 * own pace, so a slow one costs nothing; it fails with `compacted` once history it has not read is forgotten.
 *
 * Callers:  kept-history.ts, which engines tell of each commit.
 * Not here: the history itself (EventLog, the engine's).
 *
 *   reading --caught up--> idle --matching commit, progress, abort or close--> reading
 */
import type { Cancel, Clock } from '../lib/clock.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { type Batch, type Revision, StorageError, type StorageEvent } from './storage.ts'

export interface EventLog {
  readonly current: Revision
  readonly compacted: Revision
  /** The events after a revision that is not compacted, oldest first, at most limit of them. */
  eventsAfter(after: Revision, limit: number): readonly StorageEvent[]
}

interface Watcher {
  readonly prefix: string
  position: Revision
  /** Of the last batch that was given out. */
  given: Revision
  progressWanted: boolean
  /** Set while idle: an idle watcher has seen everything up to the last commit. */
  wake: (() => void) | undefined
}

/** Bounds one batch, and with it the time of one synchronous step. */
const EVENTS_PER_READ = 500
/** How far a quiet watch may fall behind: what it knows is the revision of its clients' bookmarks. */
const PROGRESS_EVERY_MS = 10_000

export class WatchHub {
  readonly #log: EventLog
  readonly #clock: Clock
  readonly #watchers = new Set<Watcher>()
  #cancelProgress: Cancel | undefined
  #closed = false

  constructor(log: EventLog, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** Call after the log and its current revision include the events. O(watchers). */
  committed(events: readonly StorageEvent[]): void {
    for (const watcher of this.#watchers) {
      if (!watcher.wake) continue
      if (events.some((e) => e.key.startsWith(watcher.prefix))) wake(watcher)
      else watcher.position = Math.max(watcher.position, this.#log.current)
    }
  }

  /** Of the watches of exactly this prefix. O(watchers). */
  requestProgress(prefix: string): void {
    for (const watcher of this.#watchers) if (watcher.prefix === prefix) giveProgress(watcher)
  }

  /** Every watch fails with unavailable. */
  close(): void {
    this.#closed = true
    for (const watcher of this.#watchers) wake(watcher)
  }

  async *watch(prefix: string, o: { after: Revision; signal: AbortSignal }): AsyncGenerator<Batch, void, void> {
    const watcher: Watcher = { prefix, position: o.after, given: o.after, progressWanted: false, wake: undefined }
    const onAbort = (): void => wake(watcher)
    o.signal.addEventListener('abort', onAbort)
    this.#watchers.add(watcher)
    this.#cancelProgress ??= this.#scheduleProgress()
    try {
      this.#refuseCompacted(watcher)
      while (!o.signal.aborted) {
        if (this.#closed) throw new StorageError('unavailable', 'the storage is closed')
        const batch = this.#read(watcher)
        if (batch) {
          watcher.given = batch.revision
          yield batch
        } else if (watcher.position < this.#log.current) await nextTurn()
        else await this.#idle(watcher)
      }
    } finally {
      this.#watchers.delete(watcher)
      if (this.#watchers.size === 0) this.#stopProgress()
      o.signal.removeEventListener('abort', onAbort)
    }
  }

  /** One step towards the last commit. @returns undefined when it gave nothing to deliver. */
  #read(watcher: Watcher): Batch | undefined {
    if (watcher.position < this.#log.current) {
      this.#refuseCompacted(watcher)
      const events = this.#log.eventsAfter(watcher.position, EVENTS_PER_READ)
      const revision = events.length < EVENTS_PER_READ ? this.#log.current : events.at(-1)!.revision
      watcher.position = revision
      const matching = events.filter((e) => e.key.startsWith(watcher.prefix))
      if (matching.length > 0) return { revision, events: matching }
    }
    if (!watcher.progressWanted || watcher.position < this.#log.current) return undefined
    watcher.progressWanted = false
    return { revision: watcher.position, events: [] }
  }

  #scheduleProgress(): Cancel {
    return this.#clock.after(PROGRESS_EVERY_MS, () => {
      this.#cancelProgress = this.#scheduleProgress()
      for (const watcher of this.#watchers) if (watcher.given < this.#log.current) giveProgress(watcher)
    })
  }

  #stopProgress(): void {
    this.#cancelProgress?.()
    this.#cancelProgress = undefined
  }

  async #idle(watcher: Watcher): Promise<void> {
    await new Promise<void>((resolve) => {
      watcher.wake = resolve
    })
  }

  #refuseCompacted(watcher: Watcher): void {
    const { compacted } = this.#log
    if (watcher.position >= compacted) return
    throw new StorageError('compacted', `revision ${watcher.position} has been compacted`, { compactedTo: compacted })
  }
}

function giveProgress(watcher: Watcher): void {
  watcher.progressWanted = true
  wake(watcher)
}

/**
 * It is idle no more from here on, not from when its loop goes on: a commit in between must not count as seen.
 */
function wake(watcher: Watcher): void {
  const resume = watcher.wake
  watcher.wake = undefined
  resume?.()
}
