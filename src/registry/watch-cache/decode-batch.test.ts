/** Values whose decoding has to be waited for: in order, none lost, none twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deferred } from '../../lib/deferred.ts'
import { FakeClock } from '../../lib/fake-clock.ts'
import { noopLogger } from '../../observability/logger.ts'
import { noopMetrics } from '../../observability/metrics.ts'
import { MemoryStorage } from '../../storage/memory/memory-storage.ts'
import type { StoredValue } from '../../storage/storage.ts'
import { type DecodeResult, WatchCache } from './watch-cache.ts'
import { WatchCacheMetrics } from './watch-cache-metrics.ts'

const PREFIX = '/registry/things/'

/** Decoding stands still until the test lets a batch go, or fails it. */
class HeldDecoder {
  readonly batches: string[][] = []
  #asked = new Deferred()
  #go = new Deferred()

  readonly decode = async (values: readonly StoredValue[]): Promise<readonly DecodeResult<string>[]> => {
    this.batches.push(values.map((v) => String(v.value)))
    this.#asked.resolve()
    await this.#go.promise
    return values.map(({ value }) =>
      String(value) === 'corrupt'
        ? { status: 'rejected', reason: new Error('not decodable') }
        : { status: 'fulfilled', value: { object: String(value), labels: {}, fields: {} } },
    )
  }
  get asked(): Promise<void> {
    return this.#asked.promise
  }
  /** Ends the batch that stands still; the next one stands still again. */
  settle(error?: Error): void {
    const go = this.#go
    this.#asked = new Deferred()
    this.#go = new Deferred()
    if (error) go.reject(error)
    else go.resolve()
  }
}

async function setUp() {
  const clock = new FakeClock()
  const storage = new MemoryStorage({ clock })
  const decoder = new HeldDecoder()
  const failed = new Deferred()
  const cache = new WatchCache<string>({
    storage,
    prefix: PREFIX,
    decodeBatch: decoder.decode,
    restamp: (object) => object,
    clock,
    log: { ...noopLogger, warn: () => failed.resolve() },
    metrics: new WatchCacheMetrics(noopMetrics).bind('', 'things'),
  })
  const put = async (name: string, value: string): Promise<void> => {
    const { item } = await storage.get(PREFIX + name)
    await storage.put(PREFIX + name, Buffer.from(value), { expected: item?.revision ?? 'absent' })
  }
  const seen: string[] = []
  const follow = (): void => {
    cache.subscribe(
      { scope: { prefix: PREFIX }, after: cache.revision },
      {
        event: (type, item) => seen.push(`${type} ${item.object}`) > 0,
        synced: () => {},
        end: (why) => seen.push(why),
      },
    )
  }
  return {
    clock,
    storage,
    decoder,
    cache,
    put,
    seen,
    follow,
    /** Resolves when the cache has told of a failure. */
    failed: failed.promise,
    async [Symbol.asyncDispose]() {
      decoder.settle()
      await cache[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
    },
  }
}

/** Filled with what was put before. */
async function ready(t: Awaited<ReturnType<typeof setUp>>): Promise<void> {
  t.cache.start()
  await t.decoder.asked
  t.decoder.settle()
  await t.cache.ready
  t.follow()
}

test('a cache is ready when its first objects are decoded, and a corrupt one is left out', async () => {
  await using t = await setUp()
  for (const value of ['a', 'corrupt', 'b']) await t.put(value, value)
  t.cache.start()
  await t.decoder.asked
  assert.equal(t.cache.isReady, false)
  t.decoder.settle()
  await t.cache.ready
  assert.deepEqual(t.decoder.batches, [['a', 'b', 'corrupt']])
  assert.deepEqual(
    (await t.cache.list(PREFIX)).items.map((i) => i.object),
    ['a', 'b'],
  )
  assert.deepEqual(
    t.cache.corrupt(PREFIX).map((c) => c.key),
    [`${PREFIX}corrupt`],
  )
})

test('events wait for their batch and come in order, deletions among them', async () => {
  await using t = await setUp()
  await t.put('x', 'x1')
  await ready(t)
  await t.put('x', 'x2')
  await t.decoder.asked
  await t.put('y', 'y1')
  const { item } = await t.storage.get(`${PREFIX}x`)
  await t.storage.delete(`${PREFIX}x`, item!.revision)
  assert.deepEqual(t.seen, [], 'nothing before it is decoded')
  t.decoder.settle()
  await t.decoder.asked
  assert.deepEqual(t.seen, ['MODIFIED x2'])
  t.decoder.settle()
  await t.cache.reachCurrent()
  assert.deepEqual(t.seen, ['MODIFIED x2', 'ADDED y1', 'DELETED x2'])
})

test('a batch that cannot be decoded now is asked for again, and nothing is lost or given twice', async () => {
  await using t = await setUp()
  await ready(t)
  await t.put('x', 'x1')
  await t.decoder.asked
  t.decoder.settle(new Error('the converter is down'))
  await t.failed
  await t.put('y', 'y1')
  t.clock.advance(20_000)
  await t.decoder.asked
  assert.deepEqual(t.seen, [])
  t.decoder.settle()
  await t.cache.reachCurrent()
  assert.deepEqual(t.seen, ['ADDED x1', 'ADDED y1'])
})

test('a cache that is closed while it decodes ends its watches and gives nothing any more', async () => {
  const t = await setUp()
  await ready(t)
  await t.put('x', 'x1')
  await t.decoder.asked
  const closed = t.cache[Symbol.asyncDispose]()
  t.decoder.settle()
  await closed
  assert.deepEqual(t.seen, ['closed'])
  await t.storage[Symbol.asyncDispose]()
})
