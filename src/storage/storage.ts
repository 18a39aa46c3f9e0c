/**
 * The storage contract: bytes under keys, ordered by revision. One suite (test/suites/storage-suite.ts)
 * holds every engine to it.
 *
 * Not here: objects, kinds, selectors (registry/); encryption (storage/encryption/ wraps any engine).
 */
/** A safe integer; each write of any key makes the next one. */
export type Revision = number

export interface StoredValue {
  readonly key: string
  readonly value: Uint8Array
  /** The revision of the last write of this key. */
  readonly revision: Revision
}
export type WriteResult =
  | { readonly kind: 'written'; readonly revision: Revision }
  | { readonly kind: 'conflict'; readonly current: StoredValue | undefined }

export interface StorageEvent {
  readonly kind: 'put' | 'delete'
  readonly key: string
  readonly revision: Revision
  /** The value put; absent for a delete. */
  readonly value?: Uint8Array
  /** What the key held before, if it did. */
  readonly previous?: Uint8Array
  /** A put of a key that did not exist. */
  readonly created: boolean
}
/** Everything up to and including revision has been delivered; no events means progress. Never splits a revision. */
export interface Batch {
  readonly revision: Revision
  readonly events: readonly StorageEvent[]
}
export interface ListResult {
  readonly items: readonly StoredValue[]
  readonly revision: Revision
  readonly more: boolean
  /** Items after the last one returned, 0 when more is false. Absent unless it was asked for. */
  readonly remaining?: number
  /** True: no key of this part has been written or deleted after `revision`. False or absent: it may have been. */
  readonly unchanged?: boolean
}
export interface ListOptions {
  /** The state as it was then; absent: as it is. */
  readonly at?: Revision
  /** Only keys greater than this one. */
  readonly after?: string
  /** Most items. */
  readonly limit?: number
  /** Says what remains, which can cost as much as reading all keys that do. */
  readonly count?: boolean
}

/** Compare-and-swap is per key; there are no transactions over several keys, on purpose. */
export interface Storage extends AsyncDisposable {
  /**
   * Can a cache prove that it is up to date? 'always': compare with currentRevision(). 'progress': call
   * requestProgress() and wait for a Batch of that revision. 'unproven': it cannot; read from here.
   */
  readonly freshness: 'always' | 'progress' | 'unproven'
  /** @throws StorageError compacted, future (at is not reached yet), unavailable, corrupt. */
  get(key: string, at?: Revision): Promise<{ item?: StoredValue; revision: Revision }>
  /** Keys with this prefix in byte order. Without a count, a page costs what it holds. */
  list(prefix: string, o: ListOptions): Promise<ListResult>
  /**
   * Resolves when the write is durable. The value must not be changed afterwards: engines keep it.
   * @param o.expected the revision that the key must have.
   * @throws StorageError too-large, unavailable (the write may or may not have happened).
   */
  put(key: string, value: Uint8Array, o: { expected: Revision | 'absent'; ttlSeconds?: number }): Promise<WriteResult>
  /** Deleting an absent key is a conflict without a current value. */
  delete(key: string, expected: Revision): Promise<WriteResult>
  /**
   * Changes after o.after, resumed by the engine when its connection breaks. Ends without an error when o.signal is
   * aborted. A consumer that is slow holds back the engine, it never makes it buffer without bound.
   * @throws StorageError compacted; unavailable when the storage is disposed of.
   */
  watch(prefix: string, o: { after: Revision; signal: AbortSignal }): AsyncIterable<Batch>
  /** Asks for a progress Batch on every watch of exactly this prefix; other watches are not woken. */
  requestProgress(prefix: string): void
  /** Forgets history before this revision: reads at, and watches after, an older one fail with compacted. */
  compact(upTo: Revision): Promise<void>
  currentRevision(): Promise<Revision>
  /** The oldest one that can be read at and watched after, as far as the engine knows: either may still be compacted. */
  oldestRevision(): Promise<Revision>
}

export type StorageErrorCode =
  | 'not-found'
  | 'conflict'
  | 'compacted'
  | 'future'
  | 'too-large'
  | 'corrupt'
  | 'unavailable'

export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: StorageErrorCode
  /** For 'compacted': the oldest revision that can still be read, where known. */
  readonly compactedTo: Revision | undefined
  constructor(code: StorageErrorCode, message: string, o: { cause?: unknown; compactedTo?: Revision } = {}) {
    super(message, { cause: o.cause })
    this.code = code
    this.compactedTo = o.compactedTo
  }
}
