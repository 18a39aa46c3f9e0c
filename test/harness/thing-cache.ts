/** A watch cache of small objects, for tests. */
import assert from 'node:assert/strict'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { noopMetrics } from '../../src/observability/metrics.ts'
import {
  type CacheItem,
  type Decode,
  type Decoded,
  type EventType,
  type Predicate,
  Undecodable,
} from '../../src/registry/watch-cache/cache-item.ts'
import type { Scope, Sink } from '../../src/registry/watch-cache/subscriptions.ts'
import { WatchCache } from '../../src/registry/watch-cache/watch-cache.ts'
import { WatchCacheError, type WatchCacheErrorCode } from '../../src/registry/watch-cache/watch-cache-error.ts'
import { WatchCacheMetrics } from '../../src/registry/watch-cache/watch-cache-metrics.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import type { Revision, Storage, StoredValue } from '../../src/storage/storage.ts'

/** What is cached. */
export interface Thing {
  readonly name: string
  readonly color: string
  readonly revision: string
}
export const PREFIX = '/registry/things/'
export const red: Predicate<Thing> = (item) => item.labels['color'] === 'red'

export function decodeOne({ key, value, revision }: StoredValue): Decoded<Thing> | Undecodable {
  try {
    const { color } = JSON.parse(Buffer.from(value).toString()) as { color: string }
    return {
      object: { name: key.slice(PREFIX.length), color, revision: String(revision) },
      labels: { color },
      fields: { 'metadata.name': key.slice(PREFIX.length) },
    }
  } catch (error) {
    return new Undecodable(error)
  }
}
const decodeAll: Decode<Thing> = (values) => values.map(decodeOne)

/** A cache over a storage in memory, both with a clock that a test moves. */
export async function thingCache(
  o: { historyLimit?: number; around?: (s: Storage) => Storage; decode?: Decode<Thing> } = {},
) {
  const clock = new FakeClock()
  const memory = new MemoryStorage({ clock })
  const cache = new WatchCache<Thing>({
    storage: o.around?.(memory) ?? memory,
    prefix: PREFIX,
    decode: o.decode ?? decodeAll,
    restamp: (object, revision) => ({ ...object, revision: String(revision) }),
    clock,
    log: noopLogger,
    metrics: new WatchCacheMetrics(noopMetrics).bind('', 'things'),
    ...(o.historyLimit !== undefined && { historyLimit: o.historyLimit }),
  })
  const put = async (name: string, color: string): Promise<Revision> => {
    const { item } = await memory.get(PREFIX + name)
    const value = Buffer.from(color === 'corrupt' ? '{' : JSON.stringify({ color }))
    const result = await memory.put(PREFIX + name, value, { expected: item?.revision ?? 'absent' })
    assert.ok(result.kind === 'written')
    return result.revision
  }
  const remove = async (name: string): Promise<Revision> => {
    const { item } = await memory.get(PREFIX + name)
    const result = await memory.delete(PREFIX + name, item!.revision)
    assert.ok(result.kind === 'written')
    return result.revision
  }
  return {
    clock,
    memory,
    cache,
    put,
    remove,
    async [Symbol.asyncDispose]() {
      await cache[Symbol.asyncDispose]()
      await memory[Symbol.asyncDispose]()
    },
  }
}

/** Keeps what a watch is given as lines of text. */
export class Recorder implements Sink<Thing> {
  readonly seen: string[] = []
  takes = Number.POSITIVE_INFINITY
  event(type: EventType, item: CacheItem<Thing>): boolean {
    this.seen.push(`${type} ${item.object.name} ${item.object.color} ${item.object.revision}`)
    return --this.takes > 0
  }
  synced(revision: Revision): void {
    this.seen.push(`synced ${revision}`)
  }
  end(reason: string): void {
    this.seen.push(`end ${reason}`)
  }
}
export const all: Scope = { prefix: PREFIX }
export const names = (items: readonly CacheItem<Thing>[]): string[] => items.map((i) => i.object.name)
export const fails = (code: WatchCacheErrorCode) => (error: unknown) =>
  error instanceof WatchCacheError && error.code === code
