/** One object as a watch cache holds it, and one change of it. Both are shared by all readers and never changed. */
import type { ByteText } from '../../lib/byte-text.ts'
import type { Revision, StoredValue } from '../../storage/storage.ts'

/** What the cache's owner makes of stored bytes. The object must not be changed afterwards. */
export interface Decoded<T> {
  readonly object: T
  /** For label selectors. */
  readonly labels: Readonly<Record<string, string>>
  /** For field selectors: path, such as `metadata.name`, to value. */
  readonly fields: Readonly<Record<string, string>>
}
/** What has been stored under one key is no object. */
export class Undecodable {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}
/**
 * Decodes a batch: one outcome for each value, in order. A value that cannot be decoded is Undecodable and does not spoil
 * its batch. A batch that throws or rejects as a whole, as when a converter is down, can be tried again.
 * Returns a promise only where it must wait: without one, each event is handed on in the turn in which it came.
 */
export type Decode<T> = (
  values: readonly StoredValue[],
) => readonly (Decoded<T> | Undecodable)[] | Promise<readonly (Decoded<T> | Undecodable)[]>

/** One way to write objects. Known by its identity: make one per version and encoding. */
export interface Form<T> {
  encode(object: T): ByteText
}

/** Forms kept for one item. A caller with more forms than this only pays again for encoding. */
const FORMS_PER_ITEM = 8

export class CacheItem<T> implements Decoded<T> {
  readonly key: string
  /** Of the last write; for an item of a DELETED event that of the deletion. */
  readonly revision: Revision
  readonly object: T
  readonly labels: Readonly<Record<string, string>>
  readonly fields: Readonly<Record<string, string>>
  #encoded: Map<Form<T>, ByteText> | undefined

  constructor(key: string, revision: Revision, decoded: Decoded<T>) {
    this.key = key
    this.revision = revision
    this.object = decoded.object
    this.labels = decoded.labels
    this.fields = decoded.fields
  }

  /** The object's bytes in one form, made by the first reader for all. */
  encoded(form: Form<T>): ByteText {
    const known = this.#encoded?.get(form)
    if (known !== undefined) return known
    const bytes = form.encode(this.object)
    this.#encoded ??= new Map()
    if (this.#encoded.size < FORMS_PER_ITEM) this.#encoded.set(form, bytes)
    return bytes
  }
}

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED'
export type Predicate<T> = (item: CacheItem<T>) => boolean
/** Makes the same object with another metadata.resourceVersion; the given one is left alone. */
export type Restamp<T> = (object: T, revision: Revision) => T

export class CacheEvent<T> {
  readonly type: EventType
  readonly revision: Revision
  readonly item: CacheItem<T>
  /** The item before this change; absent for ADDED. */
  readonly previous: CacheItem<T> | undefined
  readonly #restamp: Restamp<T>
  #left: CacheItem<T> | undefined

  constructor(type: EventType, item: CacheItem<T>, previous: CacheItem<T> | undefined, restamp: Restamp<T>) {
    this.type = type
    this.revision = item.revision
    this.item = item
    this.previous = previous
    this.#restamp = restamp
  }
  get key(): string {
    return this.item.key
  }

  /**
   * How a watch with a selector sees this change: an object that starts or stops to match is ADDED or DELETED.
   * Source: Kubernetes v1.35, cacher convertToWatchEvent.
   * @returns undefined when it does not see it.
   */
  seenBy(matches: Predicate<T> | undefined): { type: EventType; item: CacheItem<T> } | undefined {
    if (!matches) return this
    const before = this.previous !== undefined && matches(this.previous)
    const after = this.type !== 'DELETED' && matches(this.item)
    if (before && after) return this
    if (after) return { type: 'ADDED', item: this.item }
    if (before) return { type: 'DELETED', item: this.type === 'DELETED' ? this.item : this.#leaving() }
    return undefined
  }

  /** The last state that matched, with this change's revision; made once for all watches. */
  #leaving(): CacheItem<T> {
    const last = this.previous!
    this.#left ??= restamped(last, this.revision, this.#restamp)
    return this.#left
  }
}

export function restamped<T>(item: CacheItem<T>, revision: Revision, restamp: Restamp<T>): CacheItem<T> {
  const { labels, fields } = item
  return new CacheItem(item.key, revision, { object: restamp(item.object, revision), labels, fields })
}
