import assert from 'node:assert/strict'
import { test } from 'node:test'
import { all, fails, names, PREFIX, Recorder, red, thingCache } from '../../../test/harness/thing-cache.ts'
import { nextTurn } from '../../lib/next-turn.ts'
import { type Batch, type Storage, StorageError } from '../../storage/storage.ts'

/** The storage with some of it replaced. */
function altered(change: (s: Storage) => Partial<Storage>): (s: Storage) => Storage {
  return (s) => {
    const changed = change(s)
    return new Proxy(s, {
      get(target, name) {
        const value: unknown = Reflect.get(name in changed ? changed : target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }
}

test('filling: a watch from before the start resumes, with deletions and objects that start or stop to match', async () => {
  await using t = await thingCache()
  const a = await t.put('a', 'red')
  const start = await t.put('b', 'red')
  await t.memory.compact(a)
  const c = await t.put('c', 'red')
  const blue = await t.put('a', 'blue')
  const gone = await t.remove('b')
  const again = await t.put('b', 'green')
  await t.cache.list(PREFIX)
  assert.equal(t.cache.oldestRevision, a)
  const [whole, reds] = [new Recorder(), new Recorder()]
  t.cache.subscribe({ scope: all, after: start }, whole)
  t.cache.subscribe({ scope: all, after: start, matches: red }, reds)
  assert.deepEqual(whole.seen, [
    `ADDED c red ${c}`,
    `MODIFIED a blue ${blue}`,
    `DELETED b red ${gone}`,
    `ADDED b green ${again}`,
  ])
  assert.deepEqual(reds.seen, [`ADDED c red ${c}`, `DELETED a red ${blue}`, `DELETED b red ${gone}`])
  const live = await t.put('d', 'red')
  await t.cache.reach(live)
  assert.equal(whole.seen.at(-1), `ADDED d red ${live}`)
  assert.throws(() => t.cache.subscribe({ scope: all, after: a - 1 }, whole), fails('too-old'))
})

test('filling: lists of revisions from before the start are answered, a page after another', async () => {
  await using t = await thingCache()
  await t.put('a', 'red')
  const then = await t.put('b', 'red')
  await t.put('c', 'red')
  await t.remove('a')
  const old = await t.cache.list(PREFIX, { exact: then, limit: 1 })
  assert.deepEqual([names(old.items), old.more, old.revision], [['a'], true, then])
  assert.deepEqual(names((await t.cache.list(PREFIX, { exact: then, after: `${PREFIX}a` })).items), ['b'])
  assert.deepEqual(names((await t.cache.list(PREFIX)).items), ['b', 'c'])
})

test('filling: what was corrupt on the way is corrupt only while it was', async () => {
  await using t = await thingCache()
  const start = await t.put('a', 'corrupt')
  await t.put('b', 'red')
  await t.put('b', 'corrupt')
  await t.memory.compact(start)
  const repaired = await t.put('a', 'red')
  await t.cache.list(PREFIX)
  assert.deepEqual(
    t.cache.corrupt(PREFIX).map((c) => c.key),
    [`${PREFIX}b`],
  )
  const sink = new Recorder()
  t.cache.subscribe({ scope: all, after: repaired - 1 }, sink)
  assert.deepEqual(sink.seen, [`ADDED a red ${repaired}`])
})

test('filling: a resource that is quiet while others are written knows the latest revision', async () => {
  await using t = await thingCache()
  const start = await t.put('a', 'red')
  await t.memory.compact(start)
  for (let i = 0; i < 1200; i++) await t.memory.put(`/registry/others/${i}`, Buffer.from('{}'), { expected: 'absent' })
  await t.cache.list(PREFIX)
  assert.equal(t.cache.oldestRevision, start)
  assert.equal(t.cache.revision, await t.memory.currentRevision())
})

test('filling: no more revisions than the history has room for are caught up with', async () => {
  await using t = await thingCache({ historyLimit: 3 })
  for (let i = 0; i < 9; i++) await t.put(`n${i}`, 'red')
  const { items, revision } = await t.cache.list(PREFIX)
  assert.equal(items.length, 9)
  assert.equal(t.cache.oldestRevision, revision - 3)
})

test('filling: an engine that says that nothing has changed is not watched for it', async () => {
  const watched: number[] = []
  await using t = await thingCache({
    around: altered((s) => ({
      list: async (prefix, o) => ({ ...(await s.list(prefix, o)), unchanged: true }),
      watch: (prefix, o) => {
        watched.push(o.after)
        return s.watch(prefix, o)
      },
    })),
  })
  const start = await t.put('a', 'red')
  await t.memory.compact(start)
  await t.memory.put('/registry/others/x', Buffer.from('{}'), { expected: 'absent' })
  await t.cache.list(PREFIX)
  await nextTurn()
  assert.equal(t.cache.oldestRevision, start)
  assert.deepEqual(watched, [start + 1])
})

const fallBacks: readonly { name: string; around: (s: Storage) => Storage; passMs?: number }[] = [
  {
    name: 'the oldest revision is compacted on the way',
    around: altered((s) => ({
      list: async (prefix, o) => {
        if (o.at !== undefined) throw new StorageError('compacted', 'too late')
        return s.list(prefix, o)
      },
    })),
  },
  {
    name: 'the storage falls silent',
    around: altered((s) => ({
      requestProgress: () => {},
      watch: (prefix, o) => (o.after < 4 ? silence(o.signal) : s.watch(prefix, o)),
    })),
    passMs: 2000,
  },
  { name: 'the storage cannot tell how far a watch has come', around: altered(() => ({ freshness: 'unproven' })) },
]
function silence(signal: AbortSignal): AsyncIterable<Batch> {
  const ended = new Promise<IteratorReturnResult<undefined>>((resolve) => {
    signal.addEventListener('abort', () => resolve({ done: true, value: undefined }))
  })
  return { [Symbol.asyncIterator]: () => ({ next: () => ended }) }
}
for (const { name, around, passMs } of fallBacks) {
  test(`filling: the storage is listed as it is where ${name}`, async () => {
    await using t = await thingCache({ around })
    await t.put('a', 'red')
    await t.put('b', 'red')
    const last = await t.put('c', 'red')
    const list = t.cache.list(PREFIX)
    await nextTurn()
    await nextTurn()
    t.clock.advance(passMs ?? 0)
    assert.deepEqual(names((await list).items), ['a', 'b', 'c'])
    assert.equal(t.cache.oldestRevision, last)
    const next = await t.put('d', 'red')
    await t.cache.reach(next)
    assert.equal(t.cache.size, 4)
  })
}
