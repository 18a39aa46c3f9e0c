/**
 * Storage in this process's memory: every version of every key since the last compaction. Gone with the process;
 * for tests and for trying things out.
 *
 * Owns:     the expiry timers and the compaction timer, released by [Symbol.asyncDispose].
 * Not here: watches (watch-hub.ts).
 */
import type { Cancel, Clock } from '../../lib/clock.ts'
import { type Logger, noopLogger } from '../../observability/logger.ts'
import { compareKeys, keyAfter, lowerBound } from '../key-order.ts'
import { compactPeriodically, DEFAULT_COMPACTION_INTERVAL_MS } from '../periodic-compaction.ts'
import {
  type Batch,
  type ListOptions,
  type ListResult,
  type Revision,
  type Storage,
  type StorageEvent,
  type StoredValue,
  type WriteResult,
} from '../storage.ts'
import { KeptHistory } from '../kept-history.ts'

/** value is absent for a deletion. */
type Version = { readonly revision: Revision; readonly value: Uint8Array | undefined }

export interface MemoryStorageOptions {
  readonly clock: Clock
  readonly log?: Logger
  /** History is kept for one to two of these; default 5 minutes. */
  readonly compactionIntervalMs?: number
  /** Most events of history; the oldest are compacted beyond it. Default 100,000. */
  readonly historyLimit?: number
}

export class MemoryStorage implements Storage {
  readonly freshness = 'always'
  readonly #clock: Clock
  readonly #historyLimit: number
  readonly #history: KeptHistory
  readonly #stopCompaction: Cancel
  /** In byte order; a deleted key stays until its deletion is compacted. */
  #keys: string[] = []
  /** Oldest first. */
  readonly #versions = new Map<string, Version[]>()
  /** One event for each revision that is not compacted. */
  #events: StorageEvent[] = []
  readonly #expiries = new Map<string, Cancel>()

  constructor(o: MemoryStorageOptions) {
    this.#clock = o.clock
    this.#historyLimit = o.historyLimit ?? 100_000
    this.#history = new KeptHistory({
      current: 1,
      compacted: 0,
      clock: o.clock,
      eventsAfter: (after, limit) => this.#eventsAfter(after, limit),
    })
    this.#stopCompaction = compactPeriodically(this, {
      clock: o.clock,
      intervalMs: o.compactionIntervalMs ?? DEFAULT_COMPACTION_INTERVAL_MS,
      log: o.log ?? noopLogger,
    })
  }

  async get(key: string, at?: Revision): Promise<{ item?: StoredValue; revision: Revision }> {
    this.#history.refuse(at)
    const item = this.#read(key, at ?? this.#history.current)
    return item ? { item, revision: this.#history.current } : { revision: this.#history.current }
  }

  async list(prefix: string, o: ListOptions): Promise<ListResult> {
    this.#history.refuse(o.at)
    const start = o.after !== undefined && compareKeys(o.after, prefix) >= 0 ? keyAfter(o.after) : prefix
    const limit = o.limit ?? Number.POSITIVE_INFINITY
    const items: StoredValue[] = []
    let remaining = 0
    for (let i = lowerBound(this.#keys, start, itself); i < this.#keys.length; i++) {
      const key = this.#keys[i]!
      if (!key.startsWith(prefix)) break
      const item = this.#read(key, o.at ?? this.#history.current)
      if (!item) continue
      if (items.length < limit) items.push(item)
      else if (++remaining > 0 && !o.count) break
    }
    return { items, revision: o.at ?? this.#history.current, more: remaining > 0, ...(o.count && { remaining }) }
  }

  async put(
    key: string,
    value: Uint8Array,
    o: { expected: Revision | 'absent'; ttlSeconds?: number },
  ): Promise<WriteResult> {
    this.#history.refuse()
    const current = this.#read(key, this.#history.current)
    if (o.expected === 'absent' ? current : current?.revision !== o.expected) return { kind: 'conflict', current }
    const revision = this.#write(key, value, current)
    if (o.ttlSeconds !== undefined) this.#expire(key, revision, o.ttlSeconds)
    return { kind: 'written', revision }
  }

  async delete(key: string, expected: Revision): Promise<WriteResult> {
    this.#history.refuse()
    const current = this.#read(key, this.#history.current)
    if (current?.revision !== expected) return { kind: 'conflict', current }
    return { kind: 'written', revision: this.#write(key, undefined, current) }
  }

  watch(prefix: string, o: { after: Revision; signal: AbortSignal }): AsyncIterable<Batch> {
    return this.#history.watch(prefix, o)
  }

  requestProgress(prefix: string): void {
    this.#history.requestProgress(prefix)
  }

  async compact(upTo: Revision): Promise<void> {
    this.#history.refuse()
    this.#history.refuseFuture(upTo)
    if (upTo > this.#history.compacted) this.#forget(upTo)
  }

  async currentRevision(): Promise<Revision> {
    this.#history.refuse()
    return this.#history.current
  }

  async oldestRevision(): Promise<Revision> {
    this.#history.refuse()
    return this.#history.compacted
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopCompaction()
    for (const cancel of this.#expiries.values()) cancel()
    this.#expiries.clear()
    this.#history.close()
  }

  #read(key: string, at: Revision): StoredValue | undefined {
    const version = this.#versions.get(key)?.findLast((v) => v.revision <= at)
    return version?.value && { key, value: version.value, revision: version.revision }
  }

  #write(key: string, value: Uint8Array | undefined, current: StoredValue | undefined): Revision {
    const revision = ++this.#history.current
    const versions = this.#versions.get(key)
    if (versions) versions.push({ revision, value })
    else {
      this.#versions.set(key, [{ revision, value }])
      this.#keys.splice(lowerBound(this.#keys, key, itself), 0, key)
    }
    this.#expiries.get(key)?.()
    this.#expiries.delete(key)
    const event: StorageEvent = {
      kind: value ? 'put' : 'delete',
      key,
      revision,
      created: value !== undefined && !current,
      ...(value && { value }),
      ...(current && { previous: current.value }),
    }
    this.#events.push(event)
    if (this.#events.length > this.#historyLimit) this.#forget(this.#events[this.#historyLimit >> 1]!.revision)
    this.#history.committed([event])
    return revision
  }

  #expire(key: string, revision: Revision, ttlSeconds: number): void {
    const cancel = this.#clock.after(ttlSeconds * 1000, () => {
      void this.delete(key, revision)
    })
    this.#expiries.set(key, cancel)
  }

  #eventsAfter(after: Revision, limit: number): readonly StorageEvent[] {
    const first = this.#events[0]
    if (!first) return []
    const start = Math.max(0, after + 1 - first.revision) // revisions have no gaps
    return this.#events.slice(start, start + limit)
  }

  /** Drops versions that were replaced at or before upTo, and keys that were deleted by then. */
  #forget(upTo: Revision): void {
    this.#history.compacted = upTo
    const count = this.#events.findLastIndex((e) => e.revision <= upTo) + 1
    const touched = new Set(this.#events.slice(0, count).map((e) => e.key))
    this.#events = this.#events.slice(count)
    let gone = false
    for (const key of touched) {
      const versions = this.#versions.get(key)!
      const newest = versions.findLastIndex((v) => v.revision <= upTo)
      versions.splice(0, versions[newest]?.value ? newest : newest + 1)
      if (versions.length > 0) continue
      this.#versions.delete(key)
      gone = true
    }
    if (gone) this.#keys = this.#keys.filter((key) => this.#versions.has(key))
  }
}

const itself = (key: string): string => key
