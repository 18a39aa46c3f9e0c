import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../lib/fake-clock.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { StorageError, type StorageEvent } from './storage.ts'
import { WatchHub } from './watch-hub.ts'

function setUp() {
  const clock = new FakeClock()
  const log = {
    current: 0,
    compacted: 0,
    events: [] as StorageEvent[],
    eventsAfter: (after: number, limit: number) => log.events.filter((e) => e.revision > after).slice(0, limit),
  }
  const hub = new WatchHub(log, clock)
  const write = (key: string): void => {
    const event: StorageEvent = { kind: 'put', key, revision: ++log.current, created: true }
    log.events.push(event)
    hub.committed([event])
  }
  const stop = new AbortController()
  const watch = (prefix: string, after = 0) => hub.watch(prefix, { after, signal: stop.signal })
  return { clock, log, hub, write, watch, stop }
}

test('watch hub: a consumer that is slow fails with compacted when its history is gone, and buffers nothing', async () => {
  const t = setUp()
  const watch = t.watch('/a')
  t.write('/a1')
  assert.equal((await watch.next()).value?.revision, 1)
  for (let i = 0; i < 10; i++) t.write('/a')
  t.log.compacted = 5
  await assert.rejects(
    async () => watch.next(),
    (e) => e instanceof StorageError && e.code === 'compacted' && e.compactedTo === 5,
  )
})
test('watch hub: one batch is bounded, the rest follows in the next', async () => {
  const t = setUp()
  for (let i = 0; i < 1200; i++) t.write(i % 2 ? '/a' : '/b')
  const watch = t.watch('/a')
  const sizes: number[] = []
  for (let seen = 0; seen < 600; seen += sizes.at(-1)!) sizes.push((await watch.next()).value!.events.length)
  assert.deepEqual(sizes, [250, 250, 100])
})
test('watch hub: a quiet watch hears of the revision now and then, but only when it moved', async () => {
  const t = setUp()
  const watch = t.watch('/a')
  const first = watch.next()
  await nextTurn()
  t.clock.advance(10_000)
  t.write('/b')
  t.clock.advance(10_000)
  assert.deepEqual((await first).value, { revision: 1, events: [] })
  let more = false
  void watch.next().then(() => (more = true))
  await nextTurn()
  t.clock.advance(60_000)
  await nextTurn()
  assert.equal(more, false)
  t.stop.abort()
  await nextTurn()
  assert.equal(t.clock.pending, 0)
})
test('watch hub: a quiet watch never falls behind compaction', async () => {
  const t = setUp()
  const watch = t.watch('/a')
  const next = watch.next()
  await nextTurn()
  for (let i = 0; i < 10; i++) t.write('/b')
  t.log.compacted = 10
  t.write('/a')
  assert.equal((await next).value?.revision, 11)
  t.hub.close()
  await assert.rejects(async () => watch.next(), /closed/)
})
