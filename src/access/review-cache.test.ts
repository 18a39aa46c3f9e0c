import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deferred } from '../lib/deferred.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { ReviewCache } from './review-cache.ts'

interface Answer {
  readonly good: boolean
}
const GOOD: Answer = { good: true }
const BAD: Answer = { good: false }

function cache(o: { max?: number; goodTtlMs?: number; badTtlMs?: number; maxUnderWay?: number } = {}) {
  const clock = new FakeClock()
  const reviews = new ReviewCache<Answer>({
    clock,
    max: 10,
    maxUnderWay: 10,
    isGood: (a) => a.good,
    goodTtlMs: 1000,
    badTtlMs: 100,
    ...o,
  })
  return { clock, reviews }
}

test('good and bad answers are remembered for their own time', async () => {
  const { clock, reviews } = cache()
  await reviews.ask('g', async () => GOOD)
  await reviews.ask('b', async () => BAD)
  const known = (): boolean[] => ['g', 'b'].map((key) => reviews.known(key) !== undefined)
  clock.advance(99)
  assert.deepEqual(known(), [true, true])
  clock.advance(2)
  assert.deepEqual(known(), [true, false])
  clock.advance(900)
  assert.deepEqual(known(), [false, false])
})

test('a time to live of 0 remembers nothing', async () => {
  const { reviews } = cache({ goodTtlMs: 0 })
  await reviews.ask('g', async () => GOOD)
  assert.equal(reviews.known('g'), undefined)
})

test('any number of bad answers pushes no good one out', async () => {
  const { reviews } = cache({ max: 3 })
  await reviews.ask('g', async () => GOOD)
  for (let i = 0; i < 100; i++) await reviews.ask(`b${i}`, async () => BAD)
  assert.equal(reviews.known('g'), GOOD)
  assert.equal(reviews.known('b0'), undefined)
})

test('who asks meanwhile shares the answer; who asks after a failure asks anew', async () => {
  const { reviews } = cache()
  const answer = new Deferred<Answer>()
  let asked = 0
  const load = (): Promise<Answer> => {
    asked++
    return answer.promise
  }
  const both = Promise.allSettled([reviews.ask('k', load), reviews.ask('k', load)])
  answer.reject(new Error('down'))
  assert.deepEqual(
    (await both).map((r) => r.status),
    ['rejected', 'rejected'],
  )
  assert.equal(asked, 1)
  assert.equal(await reviews.ask('k', async () => GOOD), GOOD)
})

test('an answer that comes after clear() is not remembered', async () => {
  const { reviews } = cache()
  const answer = new Deferred<Answer>()
  const asked = reviews.ask('k', () => answer.promise)
  reviews.clear()
  answer.resolve(GOOD)
  assert.equal(await asked, GOOD)
  assert.equal(reviews.known('k'), undefined)
})

test('questions under way are bounded', async () => {
  const { reviews } = cache({ maxUnderWay: 2 })
  const answer = new Deferred<Answer>()
  const asked = ['a', 'b'].map((key) => reviews.ask(key, () => answer.promise))
  await assert.rejects(
    reviews.ask('c', () => answer.promise),
    RangeError,
  )
  answer.resolve(GOOD)
  await Promise.all(asked)
  assert.equal(reviews.underWay, 0)
  assert.equal(await reviews.ask('c', async () => GOOD), GOOD)
})
