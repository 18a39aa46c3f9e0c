import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../lib/fake-clock.ts'
import { MemoryStorage } from './memory/memory-storage.ts'

test('a watch misses nothing when a commit of another prefix follows before it reads on', async () => {
  await using storage = new MemoryStorage({ clock: new FakeClock() })
  const stop = new AbortController()
  const seen: string[] = []
  const all = (async () => {
    for await (const batch of storage.watch('/a/', { after: await storage.currentRevision(), signal: stop.signal })) {
      for (const event of batch.events) seen.push(event.key)
      if (seen.includes('/a/last')) stop.abort()
    }
  })()
  await storage.put('/warm', Buffer.from('-'), { expected: 'absent' })
  // All in one turn: each pair commits a matching key and then another one.
  const writes = ['/a/1', '/b/1', '/a/2', '/b/2', '/b/3', '/a/last'].map((key) =>
    storage.put(key, Buffer.from('x'), { expected: 'absent' }),
  )
  await Promise.all(writes)
  await all
  assert.deepEqual(seen, ['/a/1', '/a/2', '/a/last'])
})
