import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { all, fails, names, PREFIX, Recorder, red, type Thing, thingCache } from '../../../test/harness/thing-cache.ts'
import { type ByteText, utf8ByteText } from '../../lib/byte-text.ts'
import { Deferred } from '../../lib/deferred.ts'
import { nextTurn } from '../../lib/next-turn.ts'
import type { Revision, Storage } from '../../storage/storage.ts'
import type { WatchCacheError } from './watch-cache-error.ts'

describe('reads', () => {
  test('a list is in key order, and what was written is there once its revision is reached', async () => {
    await using t = await thingCache()
    for (const name of ['ns/b', 'ns/a', 'other/c', 'ns/a-b']) await t.put(name, 'red')
    const list = await t.cache.list(PREFIX)
    assert.deepEqual(names(list.items), ['ns/a', 'ns/a-b', 'ns/b', 'other/c'])
    const revision = await t.put('ns/aa', 'blue')
    const newer = await t.cache.list(`${PREFIX}ns/`, { minRevision: revision })
    assert.deepEqual(names(newer.items), ['ns/a', 'ns/a-b', 'ns/aa', 'ns/b'])
    assert.ok(newer.revision >= revision)
    const { item } = await t.cache.get(`${PREFIX}ns/aa`)
    assert.equal(item?.object.color, 'blue')
    assert.equal(item?.revision, revision)
  })
  test('pages, their rest and predicates', async () => {
    await using t = await thingCache()
    for (let i = 0; i < 6; i++) await t.put(`n${i}`, i % 2 ? 'red' : 'blue')
    const first = await t.cache.list(PREFIX, { limit: 4 })
    assert.deepEqual([names(first.items), first.more, first.remaining], [['n0', 'n1', 'n2', 'n3'], true, 2])
    const last = await t.cache.list(PREFIX, { limit: 4, after: `${PREFIX}n3` })
    assert.deepEqual([names(last.items), last.more, last.remaining], [['n4', 'n5'], false, 0])
    const reds = await t.cache.list(PREFIX, { limit: 2, matches: red })
    assert.deepEqual([names(reds.items), reds.more], [['n1', 'n3'], true])
    const rest = await t.cache.list(PREFIX, { limit: 2, matches: red, after: `${PREFIX}n3` })
    assert.deepEqual([names(rest.items), rest.more], [['n5'], false])
  })
  test('an exact list shows the state as it was, page by page', async () => {
    await using t = await thingCache()
    await t.put('a', 'red')
    await t.memory.compact(await t.put('c', 'red'))
    await t.cache.list(PREFIX)
    const then = await t.put('d', 'red')
    await t.put('b', 'red')
    await t.put('a', 'blue')
    await t.remove('c')
    const now = await t.remove('d')
    await t.cache.reach(now)
    const old = await t.cache.list(PREFIX, { exact: then })
    assert.deepEqual(
      old.items.map((i) => `${i.object.name} ${i.object.color}`),
      ['a red', 'c red', 'd red'],
    )
    assert.equal(old.revision, then)
    const page = await t.cache.list(PREFIX, { exact: then, limit: 1, after: `${PREFIX}a` })
    assert.deepEqual([names(page.items), page.remaining], [['c'], 1])
    await assert.rejects(t.cache.list(PREFIX, { exact: 1 }), fails('too-old'))
  })
  test('a revision of the future is waited for, 3 s at most', async () => {
    await using t = await thingCache()
    await t.cache.list(PREFIX)
    const next = (await t.memory.currentRevision()) + 1
    const waiting = t.cache.get(`${PREFIX}a`, { minRevision: next })
    await t.put('a', 'red')
    assert.equal((await waiting).item?.object.name, 'a')
    const never = t.cache.get(`${PREFIX}a`, { minRevision: next + 100 })
    await nextTurn()
    t.clock.advance(3000)
    await assert.rejects(never, fails('too-large'))
    const stop = new AbortController()
    const aborted = t.cache.get(`${PREFIX}a`, { minRevision: next + 100, signal: stop.signal })
    stop.abort(new Error('gone'))
    await assert.rejects(aborted, /gone/)
  })
  test('a consistent read has every write before it, also when others moved the revision', async () => {
    await using t = await thingCache()
    await t.cache.list(PREFIX)
    await t.put('a', 'red')
    await t.memory.put('/registry/others/x', Buffer.from('{}'), { expected: 'absent' })
    const revision = await t.cache.reachCurrent()
    assert.ok(t.cache.revision >= revision)
    assert.ok(t.cache.peek(`${PREFIX}a`))
  })
  test('a corrupt value hides its own key only, until it is repaired', async () => {
    await using t = await thingCache()
    await t.put('a', 'red')
    await t.put('b', 'corrupt')
    await t.put('c', 'red')
    assert.deepEqual(names((await t.cache.list(PREFIX)).items), ['a', 'c'])
    assert.deepEqual(
      t.cache.corrupt(PREFIX).map((c) => c.key),
      [`${PREFIX}b`],
    )
    await t.put('b', 'blue')
    await t.cache.reach(await t.put('c', 'corrupt'))
    assert.deepEqual(names((await t.cache.list(PREFIX)).items), ['a', 'b'])
    assert.deepEqual(
      t.cache.corrupt(PREFIX).map((c) => c.key),
      [`${PREFIX}c`],
    )
  })
  test('encoded bytes are made once for each form', async () => {
    await using t = await thingCache()
    await t.put('a', 'red')
    const { item } = await t.cache.get(`${PREFIX}a`)
    let made = 0
    const encode = (object: Thing): ByteText => utf8ByteText(`${object.name}${++made}`)
    const [one, other] = [{ encode }, { encode }]
    assert.equal(item!.encoded(one), item!.encoded(one))
    item!.encoded(other)
    assert.equal(made, 2)
  })
})

describe('watches', () => {
  test('a watch gives the changes after its revision, a deletion with its own revision', async () => {
    await using t = await thingCache()
    const start = await t.put('a', 'red')
    await t.cache.list(PREFIX)
    const sink = new Recorder()
    const r2 = await t.put('b', 'red')
    await t.cache.reach(r2)
    const subscription = t.cache.subscribe({ scope: all, after: start }, sink)
    const r3 = await t.put('a', 'blue')
    const r4 = await t.remove('a')
    await t.cache.reach(r4)
    assert.deepEqual(sink.seen, [`ADDED b red ${r2}`, `MODIFIED a blue ${r3}`, `DELETED a blue ${r4}`])
    assert.equal(subscription.revision, r4)
    subscription.close()
    await t.cache.reach(await t.put('c', 'red'))
    assert.equal(sink.seen.length, 3)
    assert.equal(t.cache.watchers, 0)
  })
  test('initial events come first, then their end, then changes', async () => {
    await using t = await thingCache()
    const a = await t.put('a', 'red')
    const b = await t.put('b', 'blue')
    await t.cache.list(PREFIX)
    const sink = new Recorder()
    t.cache.subscribe({ scope: all, matches: red }, sink)
    const c = await t.put('c', 'red')
    await t.cache.reach(c)
    assert.deepEqual(sink.seen, [`ADDED a red ${a}`, `synced ${b}`, `ADDED c red ${c}`])
  })
  test('an object that starts or stops to match is ADDED or DELETED', async () => {
    await using t = await thingCache()
    const start = await t.put('a', 'blue')
    await t.cache.list(PREFIX)
    const sink = new Recorder()
    t.cache.subscribe({ scope: all, after: start, matches: red }, sink)
    const in1 = await t.put('a', 'red')
    const still = await t.put('a', 'red')
    const out = await t.put('a', 'blue')
    await t.put('a', 'green')
    const unseen = await t.remove('a')
    await t.cache.reach(unseen)
    assert.deepEqual(sink.seen, [`ADDED a red ${in1}`, `MODIFIED a red ${still}`, `DELETED a red ${out}`])
  })
  test('a watch of one key, and one of another prefix, see their own', async () => {
    await using t = await thingCache()
    const start = await t.put('ns/a', 'red')
    await t.cache.list(PREFIX)
    const one = new Recorder()
    const other = new Recorder()
    t.cache.subscribe({ scope: { key: `${PREFIX}ns/a` }, after: start }, one)
    t.cache.subscribe({ scope: { prefix: `${PREFIX}x/` }, after: start }, other)
    const a = await t.put('ns/a', 'blue')
    await t.put('ns/ab', 'blue')
    const x = await t.put('x/y', 'blue')
    await t.cache.reach(x)
    assert.deepEqual(one.seen, [`MODIFIED ns/a blue ${a}`])
    assert.deepEqual(other.seen, [`ADDED x/y blue ${x}`])
  })
  test('a paused watch reads on where it stopped, in the initial events and after', async () => {
    await using t = await thingCache()
    for (const name of ['a', 'b', 'c']) await t.put(name, 'red')
    await t.cache.list(PREFIX)
    const sink = new Recorder()
    sink.takes = 2
    const subscription = t.cache.subscribe({ scope: all }, sink)
    await t.cache.reach(await t.put('d', 'red'))
    assert.equal(sink.seen.length, 2)
    sink.takes = 2
    subscription.resume()
    assert.deepEqual(
      sink.seen.map((s) => s.split(' ').slice(0, 2).join(' ')),
      ['ADDED a', 'ADDED b', 'ADDED c', 'synced 4', 'ADDED d'],
    )
    const before = subscription.revision
    const e = await t.put('e', 'red')
    await t.cache.reach(e)
    assert.equal(subscription.revision, before, 'a bookmark must not name what was not sent')
    sink.takes = 10
    subscription.resume()
    assert.equal(sink.seen.at(-1), `ADDED e red ${e}`)
    assert.equal(subscription.revision, e)
  })
  test('a watch that stays paused is ended when history has moved past it, others are not', async () => {
    await using t = await thingCache({ historyLimit: 5 })
    await t.cache.list(PREFIX)
    const slow = new Recorder()
    const fast = new Recorder()
    slow.takes = 1
    t.cache.subscribe({ scope: all, after: t.cache.revision }, slow)
    t.cache.subscribe({ scope: all, after: t.cache.revision }, fast)
    for (let i = 0; i < 20; i++) await t.cache.reach(await t.put(`n${i}`, 'red'))
    assert.equal(slow.seen.length, 2)
    assert.equal(slow.seen[1], 'end slow')
    assert.equal(fast.seen.length, 20)
    assert.equal(t.cache.watchers, 1)
  })
  test('a watch from before history is refused with the oldest revision', async () => {
    await using t = await thingCache({ historyLimit: 5 })
    await t.cache.list(PREFIX)
    let last = 0
    for (let i = 0; i < 20; i++) last = await t.put(`n${i}`, 'red')
    await t.cache.reach(last)
    assert.throws(
      () => t.cache.subscribe({ scope: all, after: 3 }, new Recorder()),
      (e) => fails('too-old')(e) && (e as WatchCacheError).available === last - 5,
    )
    t.cache.subscribe({ scope: all, after: last - 5 }, new Recorder())
  })
  test('a sink that throws ends its own watch only', async () => {
    await using t = await thingCache()
    await t.cache.list(PREFIX)
    const bad = new Recorder()
    const good = new Recorder()
    bad.event = () => {
      throw new Error('broken')
    }
    t.cache.subscribe({ scope: all, after: t.cache.revision }, bad)
    t.cache.subscribe({ scope: all, after: t.cache.revision }, good)
    for (const name of ['a', 'b']) await t.cache.reach(await t.put(name, 'red'))
    assert.deepEqual(bad.seen, ['end failed'])
    assert.equal(good.seen.length, 2)
  })
})

describe('the storage', () => {
  test('an outage is survived: cached reads go on, then the watch resumes without loss', async () => {
    let broken = false
    const failing = (s: Storage): Storage =>
      new Proxy(s, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (name === 'watch') return (prefix: string, o: never) => interruptible(target, prefix, o)
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      })
    async function* interruptible(s: Storage, prefix: string, o: { after: Revision; signal: AbortSignal }) {
      if (broken) throw new Error('unreachable')
      for await (const batch of s.watch(prefix, o)) {
        if (broken) throw new Error('unreachable')
        yield batch
      }
    }
    await using t = await thingCache({ around: failing })
    await t.put('a', 'red')
    await t.cache.list(PREFIX)
    const sink = new Recorder()
    t.cache.subscribe({ scope: all, after: t.cache.revision }, sink)
    broken = true
    await t.put('b', 'red')
    await nextTurn()
    assert.deepEqual(names((await t.cache.list(PREFIX)).items), ['a'])
    broken = false
    t.clock.advance(60_000)
    await t.cache.reach(await t.put('c', 'red'))
    assert.deepEqual(names((await t.cache.list(PREFIX)).items), ['a', 'b', 'c'])
    assert.equal(sink.seen.length, 2)
  })
  test('after compaction of what was not read the cache lists anew and ends its watches', async () => {
    await using t = await thingCache()
    await t.put('a', 'red')
    await t.cache.list(PREFIX)
    const sink = new Recorder()
    t.cache.subscribe({ scope: all, after: t.cache.revision }, sink)
    const b = t.put('b', 'red') // the cache has not read this when it is compacted
    await t.memory.compact((await t.memory.currentRevision()) as Revision)
    await b
    await t.cache.reach(await t.put('c', 'red'))
    const { items } = await t.cache.list(PREFIX)
    assert.deepEqual(names(items), ['a', 'b', 'c'])
  })
  test('events grow old without newer ones', async () => {
    await using t = await thingCache()
    await t.cache.list(PREFIX)
    let last = 0
    for (let i = 0; i < 300; i++) last = await t.put(`n${i}`, 'red')
    await t.cache.reach(last)
    const before = t.cache.oldestRevision
    t.clock.advance(74_000)
    await nextTurn()
    assert.equal(t.cache.oldestRevision, before)
    t.clock.advance(80_000)
    await nextTurn()
    assert.equal(t.cache.oldestRevision, last - 100, 'the latest hundred stay')
  })
  test('until the first list is done reads wait, then fail with a time to come back', async () => {
    const list = new Deferred<never>()
    await using t = await thingCache({
      around: (s) => Object.assign(Object.create(s) as Storage, { list: () => list.promise }),
    })
    const read = t.cache.list(PREFIX)
    await nextTurn()
    t.clock.advance(3000)
    await assert.rejects(read, (e) => fails('not-ready')(e) && (e as WatchCacheError).retryAfterSeconds >= 1)
    assert.throws(() => t.cache.subscribe({ scope: all }, new Recorder()), fails('not-ready'))
    const closed = t.cache[Symbol.asyncDispose]()
    list.reject(new Error('too late'))
    await closed
  })
})
