/** The objects of one resource as they are at one revision, and how an event of the storage changes them. */
import type { StorageEvent } from '../../storage/storage.ts'
import { CacheEvent, CacheItem, type Restamp, restamped } from './cache-item.ts'
import type { CorruptKey } from './decoder.ts'
import { ItemIndex } from './item-index.ts'

export class CacheState<T> {
  readonly index = new ItemIndex<T>()
  /** Keys whose value cannot be decoded. They are not in the index. */
  readonly corrupt = new Map<string, CorruptKey>()
  readonly #restamp: Restamp<T>

  constructor(restamp: Restamp<T>) {
    this.#restamp = restamp
  }

  /** The next one of a list in the order of keys. */
  append(item: CacheItem<T> | CorruptKey): void {
    if (item instanceof CacheItem) this.index.append(item)
    else this.corrupt.set(item.key, item)
  }

  /**
   * @param item what the event's value was decoded to; absent for a deletion.
   * @returns undefined when readers see no change: a deletion of what was corrupt, or a corrupt creation.
   */
  apply({ key, revision }: StorageEvent, item: CacheItem<T> | CorruptKey | undefined): CacheEvent<T> | undefined {
    const previous = this.index.get(key)
    if (item instanceof CacheItem) {
      this.corrupt.delete(key)
      this.index.set(item)
      return new CacheEvent(previous ? 'MODIFIED' : 'ADDED', item, previous, this.#restamp)
    }
    if (item) this.corrupt.set(key, item)
    else this.corrupt.delete(key)
    if (!previous) return undefined
    this.index.delete(key)
    return new CacheEvent('DELETED', restamped(previous, revision, this.#restamp), previous, this.#restamp)
  }
}
