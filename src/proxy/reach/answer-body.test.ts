import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../lib/fake-clock.ts'
import type { UpstreamError } from '../upstream.ts'
import { AnswerBody, type AnswerBodyOptions } from './answer-body.ts'

function setUp(o: Partial<Pick<AnswerBodyOptions, 'maxBytes' | 'idleTimeoutMs'>> = {}) {
  const clock = new FakeClock()
  const gaveUp: (UpstreamError | undefined)[] = []
  let resumed = 0
  const body: AnswerBody = new AnswerBody({
    clock,
    maxBytes: Number.POSITIVE_INFINITY,
    idleTimeoutMs: undefined,
    ...o,
    resume: () => void resumed++,
    giveUp: (error) => {
      gaveUp.push(error)
      if (error) body.fail(error)
    },
  })
  return { clock, body, gaveUp, resumed: () => resumed }
}
const piece = Buffer.alloc(40_000)

test('answer body: unread pieces hold up the connection until they are read', async () => {
  const { body, resumed } = setUp()
  assert.deepEqual([body.push(piece), body.push(piece)], [true, false])
  await body.next()
  await body.next()
  assert.equal(resumed(), 0)
  const third = body.next()
  assert.equal(resumed(), 1)
  assert.equal(body.push(piece), true)
  assert.equal((await third).value?.length, piece.length)
  body.finish()
  assert.deepEqual(await body.next(), { done: true, value: undefined })
})
test('answer body: a reader who leaves gives up the connection, once, and gets nothing more', async () => {
  const { body, gaveUp } = setUp()
  body.push(piece)
  await body.return()
  await body.return()
  assert.deepEqual([gaveUp, (await body.next()).done], [[undefined], true])
})
test('answer body: who leaves after the end gives up nothing', async () => {
  const { body, gaveUp } = setUp()
  body.finish()
  await body.return()
  assert.deepEqual(gaveUp, [])
})
test('answer body: what came before a failure is read, then it throws', async () => {
  const { body } = setUp()
  body.push(piece)
  body.fail(new Error('broken'))
  assert.equal((await body.next()).value?.length, piece.length)
  await assert.rejects(body.next(), /broken/)
})
test('answer body: one that is longer than allowed is given up', async () => {
  const { body, gaveUp } = setUp({ maxBytes: piece.length })
  body.push(piece)
  assert.equal(gaveUp.length, 0)
  body.push(Buffer.alloc(1))
  assert.match(gaveUp[0]!.message, /longer than 40000 bytes/)
})
test('answer body: only a reader who waits runs out of patience', async () => {
  const { body, clock, gaveUp } = setUp({ idleTimeoutMs: 100 })
  clock.advance(1000)
  body.push(piece)
  await body.next()
  const waiting = body.next()
  clock.advance(99)
  assert.equal(gaveUp.length, 0)
  clock.advance(1)
  await assert.rejects(waiting, (e) => (e as UpstreamError).timedOut)
  assert.equal(clock.pending, 0)
})
