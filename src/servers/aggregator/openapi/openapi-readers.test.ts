import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deferred } from '../../../lib/deferred.ts'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { Publisher } from '../../../lib/published.ts'
import type { ReadDocuments } from '../../../endpoints/openapi/openapi-source.ts'
import { IDLE_MS, OpenApiReaders, WAIT_MS } from './openapi-readers.ts'

function source() {
  const calls: string[] = []
  const asked = new Deferred()
  const documents: ReadDocuments = {
    documents: new Publisher(new Map()),
    begin: () => {
      calls.push('begin')
      return asked.promise
    },
    again: () => {},
    end: () => void calls.push('end'),
  }
  return { calls, asked, documents }
}
const settled = async (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))])

test('readers of OpenAPI: the first has all asked, the others wait for the same answer', async () => {
  const clock = new FakeClock()
  const [a, b] = [source(), source()]
  const readers = new OpenApiReaders([a.documents, b.documents], clock)
  assert.deepEqual([a.calls, b.calls], [[], []])
  const [first, second] = [readers.noteReader(), readers.noteReader()]
  a.asked.resolve()
  assert.equal(await settled(first), false)
  b.asked.resolve()
  assert.equal(await settled(first), true)
  assert.equal(await settled(second), true)
  assert.deepEqual([a.calls, b.calls], [['begin'], ['begin']])
})

test('readers of OpenAPI: a backend that hangs is waited for once, and not for ever', async () => {
  const clock = new FakeClock()
  const { documents } = source()
  const readers = new OpenApiReaders([documents], clock)
  const first = readers.noteReader()
  clock.advance(WAIT_MS - 1)
  assert.equal(await settled(first), false)
  clock.advance(1)
  assert.equal(await settled(first), true)
  assert.equal(await settled(readers.noteReader()), true)
})

test('readers of OpenAPI: when nobody came for a while nothing is kept, and the next is the first again', async () => {
  const clock = new FakeClock()
  const { calls, asked, documents } = source()
  asked.resolve()
  const readers = new OpenApiReaders([documents], clock)
  await readers.noteReader()
  clock.advance(IDLE_MS - 1)
  await readers.noteReader()
  clock.advance(IDLE_MS - 1)
  assert.deepEqual(calls, ['begin'])
  clock.advance(1)
  assert.deepEqual(calls, ['begin', 'end'])
  await readers.noteReader()
  assert.deepEqual(calls, ['begin', 'end', 'begin'])
})
