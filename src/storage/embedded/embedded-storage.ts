/**
 * Storage in a folder of this machine, for a server that runs alone. Each write is one log entry under its revision;
 * an index leads from a key to its last entry, and each entry to the one before it.
 *
 * Owns:     the database, the compaction and expiry timers; released by [Symbol.asyncDispose].
 * Not here: watches (watch-hub.ts), bytes on disk (records.ts, database.ts).
 *
 * Writes that wait are committed together, one batch at a time: while one is written, the next one gathers.
 */
import type { Cancel, Clock } from '../../lib/clock.ts'
import { nextTurn } from '../../lib/next-turn.ts'
import type { Logger } from '../../observability/logger.ts'
import { keyAfter } from '../key-order.ts'
import { compactPeriodically, DEFAULT_COMPACTION_INTERVAL_MS } from '../periodic-compaction.ts'
import {
  type Batch,
  type ListOptions,
  type ListResult,
  type Revision,
  type Storage,
  StorageError,
  type StorageEvent,
  type StoredValue,
  type WriteResult,
} from '../storage.ts'
import { KeptHistory } from '../kept-history.ts'
import { Database } from './database.ts'
import { EventTail } from './event-tail.ts'
import { Expiry } from './expiry.ts'
import { type GroupCommit, groupCommit, type PendingWrite } from './group-commit.ts'
import { decodeTtlKey, encodeIndexEntry, encodeLogEntry, type LogEntry, revisionKey, ttlKey } from './records.ts'

export interface EmbeddedStorageOptions {
  /** Made when it is not there; 0700, and the files in it 0600. */
  readonly folder: string
  readonly clock: Clock
  readonly log: Logger
  /** History is kept for one to two of these; default 5 minutes. */
  readonly compactionIntervalMs?: number
}

const MAX_KEY_BYTES = 1900
const MAX_VALUE_BYTES = 16 * 1024 * 1024
/** Keys read, or entries removed, in one step of the event loop. */
const STEP = 1000

export class EmbeddedStorage implements Storage {
  readonly freshness = 'always'
  readonly #database: Database
  readonly #clock: Clock
  readonly #commits: GroupCommit
  readonly #tail = new EventTail()
  readonly #history: KeptHistory
  readonly #expiry: Expiry
  readonly #stopCompaction: Cancel
  #closed: Promise<void> | undefined

  /** @throws StorageFolderError when another process has the folder, or its format is newer. */
  constructor(o: EmbeddedStorageOptions) {
    this.#database = new Database(o.folder)
    this.#clock = o.clock
    this.#history = new KeptHistory({
      current: this.#database.meta('revision') ?? 1,
      compacted: this.#database.meta('compacted') ?? 0,
      clock: o.clock,
      eventsAfter: (after, limit) => this.#eventsAfter(after, limit),
    })
    this.#tail.reset(this.#history.current)
    this.#commits = groupCommit((writes) => this.#commit(writes))
    this.#expiry = new Expiry({ clock: o.clock, log: o.log, sweep: () => this.#sweep() })
    this.#expiry.wake(0)
    this.#stopCompaction = compactPeriodically(this, {
      clock: o.clock,
      intervalMs: o.compactionIntervalMs ?? DEFAULT_COMPACTION_INTERVAL_MS,
      log: o.log,
    })
  }

  async get(key: string, at?: Revision): Promise<{ item?: StoredValue; revision: Revision }> {
    this.#history.refuse(at)
    const entry = this.#entryAt(this.#database.indexEntry(key)?.revision, at ?? this.#history.current)
    return entry?.value
      ? { item: itemOf(entry, entry.value), revision: this.#history.current }
      : { revision: this.#history.current }
  }

  async list(prefix: string, o: ListOptions): Promise<ListResult> {
    const revision = o.at ?? this.#history.current
    const limit = o.limit ?? Number.POSITIVE_INFINITY
    const end = Buffer.concat([Buffer.from(prefix), Buffer.from([0xff])]) // no UTF-8 text has this byte
    let start = Buffer.from(prefix)
    if (o.after !== undefined) {
      const after = Buffer.from(keyAfter(o.after))
      if (Buffer.compare(after, start) > 0) start = after
    }
    const items: StoredValue[] = []
    let remaining = 0
    let unchanged = true
    for (;;) {
      this.#history.refuse(revision)
      const step = o.count ? STEP : Math.min(STEP, limit - items.length + 1)
      const found = this.#database.indexEntries(start, end, step)
      for (const index of found) {
        unchanged &&= index.revision <= revision
        if (items.length < limit) {
          const entry = this.#entryAt(index.revision, revision)
          if (entry?.value) items.push(itemOf(entry, entry.value))
        } else if (index.revision <= revision ? !index.deleted : this.#entryAt(index.revision, revision)?.value) {
          if (!o.count) return { items, revision, more: true, unchanged }
          remaining++
        }
      }
      if (found.length < step) return { items, revision, more: remaining > 0, unchanged, ...(o.count && { remaining }) }
      start = Buffer.from(keyAfter(found.at(-1)!.key))
      await nextTurn()
    }
  }

  async put(
    key: string,
    value: Uint8Array,
    o: { expected: Revision | 'absent'; ttlSeconds?: number },
  ): Promise<WriteResult> {
    this.#history.refuse()
    if (value.length > MAX_VALUE_BYTES || Buffer.byteLength(key) > MAX_KEY_BYTES) {
      throw new StorageError('too-large', `${value.length} bytes under a key of ${key.length} are too large`)
    }
    const dueMs = o.ttlSeconds === undefined ? undefined : this.#clock.now() + o.ttlSeconds * 1000
    const result = await this.#commits.write({ key, value, expected: o.expected, dueMs })
    if (dueMs !== undefined) this.#expiry.wake(dueMs)
    return result
  }

  async delete(key: string, expected: Revision): Promise<WriteResult> {
    this.#history.refuse()
    return this.#commits.write({ key, value: undefined, expected, dueMs: undefined })
  }

  watch(prefix: string, o: { after: Revision; signal: AbortSignal }): AsyncIterable<Batch> {
    return this.#history.watch(prefix, o)
  }

  requestProgress(prefix: string): void {
    this.#history.requestProgress(prefix)
  }

  /** Resolves when what was forgotten is also removed from the disk. */
  async compact(upTo: Revision): Promise<void> {
    this.#history.refuse()
    this.#history.refuseFuture(upTo)
    if (upTo <= this.#history.compacted) return
    this.#history.compacted = upTo
    this.#tail.compact(upTo)
    await this.#commits.alone(() => this.#database.batch((write) => write.setMeta('compacted', upTo)))
    let more = true
    while (more && !this.#closed) more = await this.#commits.alone(() => this.#removeStep())
  }

  async currentRevision(): Promise<Revision> {
    this.#history.refuse()
    return this.#history.current
  }

  async oldestRevision(): Promise<Revision> {
    this.#history.refuse()
    return this.#history.compacted
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#stopCompaction()
    this.#expiry[Symbol.dispose]()
    this.#history.close()
    await this.#commits.close()
    await this.#database.close()
  }

  /** Follows a key's entries back from one of them to the last that is not newer than at. */
  #entryAt(revision: Revision | undefined, at: Revision): LogEntry | undefined {
    let entry = revision === undefined ? undefined : this.#database.logEntry(revision)
    while (entry && entry.revision > at)
      entry = entry.previous === 0 ? undefined : this.#database.logEntry(entry.previous)
    return entry
  }

  /** Decides each write against those before it, then commits all that hold in one batch. */
  async #commit(writes: readonly PendingWrite[]): Promise<readonly WriteResult[]> {
    const entries: (LogEntry & { dueMs: number | undefined })[] = []
    const events: StorageEvent[] = []
    const latest = new Map<string, LogEntry | undefined>()
    let revision = this.#history.current
    const results = writes.map((write): WriteResult => {
      const { key, value, expected, dueMs } = write
      const last = latest.has(key)
        ? latest.get(key)
        : this.#entryAt(this.#database.indexEntry(key)?.revision, this.#history.current)
      const current = last?.value ? itemOf(last, last.value) : undefined
      const holds = expected === 'absent' ? !current : current?.revision === expected
      if (!holds) return { kind: 'conflict', current }
      const created = value !== undefined && !current
      const entry = { key, revision: ++revision, previous: last?.revision ?? 0, created, value, dueMs }
      entries.push(entry)
      latest.set(key, entry)
      events.push(eventOf(entry, current?.value))
      return { kind: 'written', revision }
    })
    if (entries.length > 0) await this.#write(entries, events)
    return results
  }

  async #write(entries: readonly (LogEntry & { dueMs: number | undefined })[], events: StorageEvent[]): Promise<void> {
    const revision = entries.at(-1)!.revision
    try {
      await this.#database.batch((write) => {
        for (const entry of entries) {
          write.put('log', revisionKey(entry.revision), encodeLogEntry(entry))
          const deleted = entry.value === undefined
          write.put('index', Buffer.from(entry.key), encodeIndexEntry({ revision: entry.revision, deleted }))
          if (entry.dueMs !== undefined) write.put('ttl', ttlKey(entry.dueMs, entry.revision), Buffer.from(entry.key))
        }
        write.setMeta('revision', revision)
      })
    } catch (cause) {
      // A disk that fails at the end of a commit may have kept it: then it happened, although the callers get an error.
      if ((this.#database.meta('revision') ?? 1) >= revision) this.#publish(revision, events)
      throw new StorageError('unavailable', `the write could not be stored: ${String(cause)}`, { cause })
    }
    this.#publish(revision, events)
  }

  #publish(revision: Revision, events: readonly StorageEvent[]): void {
    this.#history.current = revision
    this.#tail.append(events)
    this.#history.committed(events)
  }

  #eventsAfter(after: Revision, limit: number): readonly StorageEvent[] {
    const recent = this.#tail.after(after, limit)
    if (recent) return recent
    const entries = this.#database.logEntries(after + 1, limit).filter((e) => e.revision <= this.#history.current)
    return entries.map((entry) => {
      const before = entry.created || entry.previous === 0 ? undefined : this.#database.logEntry(entry.previous)
      return eventOf(entry, before?.value)
    })
  }

  /** Removes what a step of log entries up to the compacted revision replaced. @returns whether there is more. */
  async #removeStep(): Promise<boolean> {
    const removed = this.#database.meta('removed') ?? 0
    const entries = this.#database.logEntries(removed + 1, STEP).filter((e) => e.revision <= this.#history.compacted)
    if (entries.length === 0) return false
    await this.#database.batch((write) => {
      for (const { key, revision, previous, value } of entries) {
        if (previous !== 0) write.remove('log', revisionKey(previous))
        if (value) continue
        write.remove('log', revisionKey(revision))
        if (this.#database.indexEntry(key)?.revision === revision) write.remove('index', Buffer.from(key))
      }
      write.setMeta('removed', entries.at(-1)!.revision)
    })
    return entries.length === STEP
  }

  /** Deletes what is due. @returns when the next one is, or undefined when there is none. */
  async #sweep(): Promise<number | undefined> {
    for (;;) {
      const found = this.#database.ttlEntries(STEP)
      const due = found.filter(({ id }) => decodeTtlKey(id).dueMs <= this.#clock.now())
      // A key written again since has another revision: the deletion is a conflict and nothing happens.
      await Promise.all(due.map(({ id, key }) => this.delete(key, decodeTtlKey(id).revision)))
      if (due.length > 0) {
        await this.#commits.alone(() =>
          this.#database.batch((write) => {
            for (const { id } of due) write.remove('ttl', id)
          }),
        )
      }
      if (due.length < found.length) return decodeTtlKey(found[due.length]!.id).dueMs
      if (found.length < STEP) return undefined
    }
  }
}

const itemOf = (entry: LogEntry, value: Uint8Array): StoredValue => ({
  key: entry.key,
  value,
  revision: entry.revision,
})

function eventOf(entry: LogEntry, previous: Uint8Array | undefined): StorageEvent {
  const { key, revision, value, created } = entry
  return {
    kind: value ? 'put' : 'delete',
    key,
    revision,
    created,
    ...(value && { value }),
    ...(previous && { previous }),
  }
}
