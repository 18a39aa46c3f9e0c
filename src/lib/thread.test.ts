import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './fake-clock.ts'
import { Thread } from './thread.ts'

interface Order {
  readonly echo?: unknown
  readonly throws?: string
  /** Ends the thread. */
  readonly exit?: boolean
  /** Ends it when the answer is on its way, and notifies. */
  readonly exitLater?: Int32Array<SharedArrayBuffer>
  /** Takes more memory than it may. */
  readonly fill?: boolean
}
const module = new URL('../../test/harness/echo-thread', import.meta.url)
const threadOf = (idle?: { clock: FakeClock; ms: number }): Thread<Order, unknown> =>
  new Thread({ module, name: 'echo', data: { hello: 'there' }, maxHeapMb: 32, ...(idle && { idle }) })

test('a thread: answers in the order of its orders, and knows its data', async () => {
  await using thread = threadOf()
  assert.equal(thread.isRunning, false)
  const answers = await Promise.all([1, 2, 3].map((echo) => thread.run({ echo })))
  assert.deepEqual(
    answers,
    [1, 2, 3].map((echo) => ({ echo, data: { hello: 'there' }, nth: echo })),
  )
  assert.equal(thread.isRunning, true)
})

const broken: readonly (readonly [string, Order, RegExp, nth: number])[] = [
  ['that throws', { throws: 'no such thing' }, /^TypeError: no such thing$/, 3],
  ['that cannot be copied', { echo: () => {} }, /could not be cloned/, 2],
  ['that ends it', { exit: true }, /^Error: the thread ended$/, 1],
  ['that takes too much memory', { fill: true }, /memory/, 1],
]
for (const [name, order, error, nth] of broken)
  test(`a thread: work ${name} fails alone`, async () => {
    await using thread = threadOf()
    await thread.run({ echo: 0 })
    const fails = assert.rejects(thread.run(order), error)
    const next = thread.run({ echo: 1 })
    await fails
    assert.deepEqual(await next, { echo: 1, data: { hello: 'there' }, nth })
  })

test('a thread: one that ends between two orders costs none of them, and none is done twice', {
  timeout: 20_000,
}, async () => {
  await using thread = threadOf()
  await thread.run({ echo: 0 })
  const exitLater = new Int32Array(new SharedArrayBuffer(8))
  const ends = thread.run({ echo: 'ends', exitLater })
  const rest = ['a', 'b', 'c'].map((echo) => thread.run({ echo }))
  // Stands still until the answer and the end are both there to be heard, in one turn; of the last step nobody tells.
  Atomics.wait(exitLater, 0, 0, 10_000)
  Atomics.wait(exitLater, 1, 0, 500)
  const data = { hello: 'there' }
  assert.deepEqual(await ends, { echo: 'ends', data, nth: 2 })
  assert.deepEqual(
    await Promise.all(rest),
    ['a', 'b', 'c'].map((echo, i) => ({ echo, data, nth: i + 1 })),
  )
})

test('a thread: ends when there was no work for a while', async () => {
  const clock = new FakeClock()
  await using thread = threadOf({ clock, ms: 10_000 })
  await thread.run({ echo: 0 })
  clock.advance(9_999)
  assert.equal(thread.isRunning, true)
  await thread.run({ echo: 0 })
  clock.advance(9_999)
  assert.equal(thread.isRunning, true)
  clock.advance(1)
  assert.equal(thread.isRunning, false)
  await thread.run({ echo: 0 })
})

test('a thread: what was not done when it is disposed of fails, and nothing of it stays', async () => {
  const clock = new FakeClock()
  const thread = threadOf({ clock, ms: 10_000 })
  const fails = [1, 2].map((echo) => assert.rejects(thread.run({ echo }), /the server stops/))
  await thread[Symbol.asyncDispose]()
  await Promise.all(fails)
  assert.equal(thread.isRunning, false)
  assert.equal(clock.pending, 0)
})
