import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { EtcdClients } from '../../src/storage/etcd/etcd-clients.ts'
import { EtcdCompaction } from '../../src/storage/etcd/etcd-compaction.ts'
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts'
import { isProved } from '../../src/storage/etcd/progress-support.ts'
import { StorageError } from '../../src/storage/storage.ts'
import { type EtcdCluster, etcdMissing, startEtcd, untilServing } from '../harness/etcd.ts'
import { storageSuite, takeEvents } from '../suites/storage-suite.ts'

const skip = etcdMissing()
let cluster: EtcdCluster
let tests = 0
const open = async (): Promise<EtcdStorage> =>
  new EtcdStorage({ ...cluster.connection, clock: systemClock, log: noopLogger, compactionIntervalMs: 0 })

before(async () => {
  if (!skip) cluster = await startEtcd()
})
after(async () => {
  if (!skip) await cluster[Symbol.asyncDispose]()
})

storageSuite(
  'etcd storage',
  async () => {
    const storage = await open()
    return {
      storage,
      prefix: `/t${tests++}/`,
      [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
    }
  },
  { skip },
)

describe('etcd storage', { skip }, () => {
  test('a list of more than a page is of one revision', async () => {
    await using storage = await open()
    for (let i = 0; i < 1300; i += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, j) => storage.put(`/page/${i + j}`, Buffer.from('v'), { expected: 'absent' })),
      )
    }
    const listing = storage.list('/page/', {})
    await storage.put('/page/zzz', Buffer.from('late'), { expected: 'absent' })
    const { items } = await listing
    assert.ok(items.length === 1300 || items.length === 1301)
    assert.equal(new Set(items.map((i) => i.key)).size, items.length)
  })
  test('a value beyond etcd’s limit is too-large', async () => {
    await using storage = await open()
    const put = storage.put('/large', Buffer.alloc(3 * 1024 * 1024), { expected: 'absent' })
    await assert.rejects(put, (e) => e instanceof StorageError && e.code === 'too-large')
  })
  test('leases are shared in the window', async () => {
    await using storage = await open()
    const clients = new EtcdClients(cluster.connection)
    for (const name of ['a', 'b']) {
      await storage.put(`/lease/${name}`, Buffer.from('v'), { expected: 'absent', ttlSeconds: 3600 })
    }
    const { kvs } = await clients.call((c, o) =>
      c.kv.range({ key: Buffer.from('/lease/'), range_end: Buffer.from('/lease0') }, o),
    )
    assert.equal(kvs.length, 2)
    assert.equal(kvs[0]!.lease, kvs[1]!.lease)
    clients.close()
  })
  test('of several servers one compacts per interval, to the revision of the interval before', async () => {
    await using storage = await open()
    const clients = new EtcdClients(cluster.connection)
    const servers = [1, 2].map(() => new EtcdCompaction(clients, (upTo) => storage.compact(upTo)))
    const round = () => Promise.all(servers.map((s) => s.turn()))
    await round()
    const revision = await storage.currentRevision()
    await storage.put('/compaction/a', Buffer.from('v'), { expected: 'absent' })
    await round()
    const done = (await round()).filter((r) => r !== undefined)
    assert.equal(done.length, 1)
    await assert.rejects(storage.get('/x', revision - 1), (e) => e instanceof StorageError && e.code === 'compacted')
    clients.close()
  })
  test('a watch goes on over a killed and restarted etcd, without loss or doubles', async () => {
    await using own = await startEtcd()
    await using storage = new EtcdStorage({
      ...own.connection,
      clock: systemClock,
      log: noopLogger,
      compactionIntervalMs: 0,
    })
    const start = await storage.currentRevision()
    const taken = takeEvents(storage, '/w/', start, 40)
    for (let i = 0; i < 20; i++) await storage.put(`/w/${i}`, Buffer.from('v'), { expected: 'absent' })
    await own.members[0]!.kill()
    await own.members[0]!.start()
    await untilServing(own.connection)
    let left = 20
    while (left > 0) {
      try {
        const result = await storage.put(`/w/${39 - left + 1}`, Buffer.from('v'), { expected: 'absent' })
        assert.equal(result.kind, 'written')
        left--
      } catch (error) {
        assert.ok(error instanceof StorageError && error.code === 'unavailable')
      }
    }
    assert.equal(new Set((await taken).map((e) => e.key)).size, 40)
  })
  test('an etcd that cannot be reached is unavailable at once', async () => {
    await using own = await startEtcd()
    const o = { ...own.connection, clock: new FakeClock(), log: noopLogger }
    await using storage = new EtcdStorage(o)
    await storage.currentRevision()
    await own.members[0]!.kill()
    const startMs = performance.now()
    await assert.rejects(storage.get('/a'), (e) => e instanceof StorageError && e.code === 'unavailable')
    assert.ok(performance.now() - startMs < 6000)
  })
})

test('progress is trusted from etcd 3.4.31 and 3.5.13 on', () => {
  const cases: [string, boolean][] = [
    ['3.4.23', false],
    ['3.4.31', true],
    ['3.5.12', false],
    ['3.5.13', true],
    ['3.6.0-rc.1', true],
    ['3.3.27', false],
    ['4.0.0', true],
  ]
  for (const [version, want] of cases) assert.equal(isProved(version), want, version)
})
