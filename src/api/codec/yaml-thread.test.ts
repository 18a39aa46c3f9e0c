import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../lib/fake-clock.ts'
import { YamlBusyError, YamlThread } from './yaml-thread.ts'

const LARGE = Buffer.from(`a: ${'x'.repeat(20_000)}\n`)

test('YamlThread: large documents are read and written there, small ones are left to who asks', async () => {
  await using thread = new YamlThread(new FakeClock())
  assert.equal(await thread.read(Buffer.from('a: 1')), undefined)
  const read = await thread.read(LARGE)
  assert.ok(read && 'json' in read)
  assert.equal(read.json.length, 20_008)
  assert.equal(await thread.write('{"b":1,"a":"no"}'), 'a: "no"\nb: 1\n')
})

test('YamlThread: what takes too long fails alone, and the next is read by a new thread', {
  timeout: 20_000,
}, async () => {
  const clock = new FakeClock()
  await using thread = new YamlThread(clock)
  const first = thread.read(LARGE)
  clock.advance(10_000)
  assert.deepEqual(await first, { failure: 'yaml: it took too long' })
  const next = await thread.read(LARGE)
  assert.ok(next && 'json' in next)
})

test('YamlThread: only some may wait', async () => {
  await using thread = new YamlThread(new FakeClock())
  const waiting = Array.from({ length: 16 }, () => thread.read(LARGE))
  await assert.rejects(thread.read(LARGE), YamlBusyError)
  await Promise.all(waiting)
  assert.ok(await thread.read(LARGE))
})
