import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { open } from 'lmdb'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts'
import { StorageFolderError } from '../../src/storage/embedded/storage-folder.ts'
import { passInSteps, storageSuite, takeEvents } from '../suites/storage-suite.ts'

async function folderFor(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'portico-storage-')), 'data')
}
function openIn(folder: string, clock = new FakeClock()): EmbeddedStorage {
  return new EmbeddedStorage({ folder, clock, log: noopLogger })
}

storageSuite('embedded storage', async () => {
  const clock = new FakeClock()
  const folder = await folderFor()
  const storage = openIn(folder, clock)
  return {
    storage,
    prefix: '/registry/',
    pass: (ms) => passInSteps(clock, ms),
    async [Symbol.asyncDispose]() {
      await storage[Symbol.asyncDispose]()
      await rm(join(folder, '..'), { recursive: true })
    },
  }
})

test('embedded storage: everything is there after it is opened again, revisions go on', async () => {
  const folder = await folderFor()
  const clock = new FakeClock()
  const first = openIn(folder, clock)
  const a = await first.put('/a', Buffer.from('a1'), { expected: 'absent' })
  const b = await first.put('/b', Buffer.from('b1'), { expected: 'absent', ttlSeconds: 10 })
  assert.ok(a.kind === 'written' && b.kind === 'written')
  await first.compact(a.revision)
  await first[Symbol.asyncDispose]()

  clock.advance(9000)
  await using second = openIn(folder, clock)
  assert.equal(await second.currentRevision(), b.revision)
  assert.equal((await second.get('/a')).item?.revision, a.revision)
  await assert.rejects(second.get('/a', a.revision - 1), /compacted/)
  const events = await takeEvents(second, '/', a.revision, 1)
  assert.equal(events[0]?.key, '/b')
  const expired = takeEvents(second, '/b', b.revision, 1)
  await passInSteps(clock, 2000)
  assert.equal((await expired)[0]?.kind, 'delete')
})
test('embedded storage: a watch that fell behind what is in memory reads on from the disk', async () => {
  await using storage = openIn(await folderFor())
  const start = await storage.currentRevision()
  for (let i = 0; i < 3000; i += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, j) => storage.put(`/k${i + j}`, Buffer.from('v'), { expected: 'absent' })),
    )
  }
  const events = await takeEvents(storage, '/', start, 3000)
  assert.equal(new Set(events.map((e) => e.key)).size, 3000)
})
test('embedded storage: only this user may read the files', async () => {
  const folder = await folderFor()
  await using _ = openIn(folder)
  assert.equal((await stat(folder)).mode & 0o777, 0o700)
  for (const file of await readdir(folder)) assert.equal((await stat(join(folder, file))).mode & 0o777, 0o600, file)
})
test('embedded storage: a folder belongs to one opener at a time, and the error names it', async () => {
  const folder = await folderFor()
  const first = openIn(folder)
  assert.throws(
    () => openIn(folder),
    (e) => e instanceof StorageFolderError && e.code === 'in-use' && e.message.includes(folder),
  )
  await first[Symbol.asyncDispose]()
  await openIn(folder)[Symbol.asyncDispose]()
})
test('embedded storage: a folder that a newer version wrote is refused and left alone', async () => {
  const folder = await folderFor()
  await openIn(folder)[Symbol.asyncDispose]()
  const environment = open<Buffer, Buffer>({ path: folder, encoding: 'binary', keyEncoding: 'binary' })
  const meta = environment.openDB<Buffer, Buffer>({ name: 'meta', encoding: 'binary', keyEncoding: 'binary' })
  meta.putSync(Buffer.from('format'), Buffer.from('99'))
  await environment.close()
  assert.throws(
    () => openIn(folder),
    (e) => e instanceof StorageFolderError && e.code === 'newer-format' && e.message.includes(folder),
  )
})
test('embedded storage: compaction gives the space of replaced values back', async () => {
  const folder = await folderFor()
  await using storage = openIn(folder)
  const value = Buffer.alloc(3000)
  const sizes: number[] = []
  const rewrite = async (key: string): Promise<void> => {
    for (let i = 0; i < 30; i++) {
      const { item } = await storage.get(key)
      const result = await storage.put(key, value, { expected: item?.revision ?? 'absent' })
      assert.equal(result.kind, 'written')
    }
  }
  for (let round = 0; round < 5; round++) {
    await Promise.all(Array.from({ length: 80 }, (_, i) => rewrite(`/hot/${i}`)))
    await storage.compact(await storage.currentRevision())
    sizes.push((await stat(join(folder, 'data.mdb'))).size)
  }
  assert.ok(sizes[4]! < sizes[0]! * 1.5, sizes.join(' '))
})
