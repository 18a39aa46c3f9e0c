import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/meta.ts'
import { Informer } from '../client/informer.ts'
import { objectKey } from '../client/object-store.ts'
import type { ObjectRange } from '../client/object-source.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { untilTurn } from '../../test/harness/until.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { noopLogger } from '../observability/logger.ts'
import { noopMetrics } from '../observability/metrics.ts'
import { MemoryStorage } from '../storage/memory/memory-storage.ts'
import { THINGS } from '../../test/harness/things.ts'
import { LocalSource } from './local-source.ts'
import { WatchCache } from './watch-cache/watch-cache.ts'
import { WatchCacheMetrics } from './watch-cache/watch-cache-metrics.ts'

function setUp(range: ObjectRange = {}) {
  const clock = new FakeClock()
  const errors: string[] = []
  const log = { ...noopLogger, error: (message: string) => void errors.push(message) }
  const storage = new MemoryStorage({ clock })
  const cache = new WatchCache<KubeObject>({
    storage,
    prefix: '/registry/things/',
    decode: (values) =>
      values.map(({ value, revision }) => {
        const object = JSON.parse(Buffer.from(value).toString()) as KubeObject
        object.metadata.resourceVersion = String(revision)
        return { object, labels: {}, fields: {} }
      }),
    restamp: (o, revision) => ({ ...o, metadata: { ...o.metadata, resourceVersion: String(revision) } }),
    clock,
    log: noopLogger,
    metrics: new WatchCacheMetrics(noopMetrics).bind('', 'things'),
  })
  const source = new LocalSource({ resource: THINGS, cache, view: (o) => o, range, clock, log })
  const informer = new Informer<KubeObject>({ source, log: noopLogger })
  const seen: string[] = []
  informer.addHandler({
    added: (o) => seen.push(`+${objectKey(o)}@${o.metadata.resourceVersion}`),
    updated: (a, b) => seen.push(`${objectKey(b)} ${a.metadata.resourceVersion}->${b.metadata.resourceVersion}`),
    deleted: (o) => seen.push(`-${objectKey(o)}@${o.metadata.resourceVersion}`),
  })
  const keyIn = (key: string): string => `/registry/things/${key}`
  const write = async (key: string, expected: number | 'absent'): Promise<void> => {
    const [namespace, name] = key.split('/')
    const value = Buffer.from(JSON.stringify({ metadata: { namespace, name, uid: key } }))
    await storage.put(keyIn(key), value, { expected })
  }
  const put = async (key: string): Promise<void> => {
    const { item } = await storage.get(keyIn(key))
    await write(key, item?.revision ?? 'absent')
    await nextTurn()
  }
  const remove = async (key: string): Promise<void> => {
    const { item } = await storage.get(keyIn(key))
    await storage.delete(keyIn(key), item!.revision)
    await nextTurn()
  }
  const held = (key: string): KubeObject | undefined => cache.peek(keyIn(key))?.object
  const dispose = async (): Promise<void> => {
    await informer[Symbol.asyncDispose]()
    await cache[Symbol.asyncDispose]()
  }
  return { clock, errors, storage, cache, informer, seen, write, put, remove, held, [Symbol.asyncDispose]: dispose }
}

test('local source: the state first, then each change, and all of it the objects that the cache holds', async () => {
  await using t = setUp()
  await t.put('a/x')
  await t.put('b/y')
  t.informer.start()
  await t.informer.synced
  assert.deepEqual(t.seen, ['+a/x@2', '+b/y@3'])
  await t.put('a/x')
  await t.put('a/z')
  await t.remove('b/y')
  assert.deepEqual(t.seen.slice(2), ['a/x 2->4', '+a/z@5', '-b/y@6'])
  for (const key of ['a/x', 'a/z']) assert.equal(t.informer.lister.get(key), t.held(key))
  assert.equal(t.cache.watchers, 1)
})

const ranges: readonly { name: string; range: ObjectRange; want: string[] }[] = [
  { name: 'all', range: {}, want: ['+a/x@2', '+a/xx@3', '+b/x@4', 'a/x 2->5', '-b/x@6'] },
  { name: 'a namespace', range: { namespace: 'a' }, want: ['+a/x@2', '+a/xx@3', 'a/x 2->5'] },
  { name: 'one object', range: { namespace: 'a', name: 'x' }, want: ['+a/x@2', 'a/x 2->5'] },
]
for (const { name, range, want } of ranges) {
  test(`local source: a range of ${name}`, async () => {
    await using t = setUp(range)
    for (const key of ['a/x', 'a/xx', 'b/x']) await t.put(key)
    t.informer.start()
    await t.informer.synced
    await t.put('a/x')
    await t.remove('b/x')
    assert.deepEqual(t.seen, want)
  })
}

test('local source: after the cache lists anew, handlers see what changed meanwhile and nothing else', async () => {
  await using t = setUp()
  for (const key of ['n/kept', 'n/changed', 'n/gone']) await t.put(key)
  t.informer.start()
  await t.informer.synced
  t.seen.length = 0
  // All in one turn: the cache has read none of it when the history is compacted.
  const written = [
    t.write('n/changed', 3),
    t.storage.delete('/registry/things/n/gone', 4),
    t.write('n/new', 'absent'),
    t.storage.compact(7),
  ]
  await Promise.all(written)
  await untilTurn('the handlers have been told', () => t.seen.length >= 3)
  assert.deepEqual(t.seen.toSorted(), ['+n/new@7', '-n/gone@4', 'n/changed 3->5'])
  assert.equal(t.informer.lister.get('n/kept'), t.held('n/kept'), 'the object of the older list is let go')
  assert.equal(t.cache.watchers, 1)
})

test('local source: an object that the informer cannot take is logged, and all are given anew after a pause', async () => {
  await using t = setUp()
  let isBroken = true
  t.informer.addIndexer('broken', () => {
    if (isBroken) throw new Error('broken')
    return []
  })
  await t.put('n/a')
  t.informer.start()
  await untilTurn('it is logged', () => t.errors.length > 0)
  assert.deepEqual([t.errors.length, t.informer.hasSynced], [1, false])
  isBroken = false
  t.clock.advance(99)
  await nextTurn()
  assert.equal(t.informer.hasSynced, false)
  t.clock.advance(1)
  await t.informer.synced
  assert.equal(t.errors.length, 1)
  assert.equal(t.informer.lister.get('n/a'), t.held('n/a'))
})

test('local source: it ends with its cache, and with its informer', async () => {
  const t = setUp()
  await t.put('n/a')
  t.informer.start()
  await t.informer.synced
  await t.informer[Symbol.asyncDispose]()
  assert.equal(t.cache.watchers, 0)
  await t.put('n/b')
  assert.deepEqual(t.seen, ['+n/a@2'])

  await using closed = setUp()
  closed.informer.start()
  await closed.informer.synced
  await closed.cache[Symbol.asyncDispose]()
  await nextTurn()
  assert.equal(closed.cache.watchers, 0)
})
