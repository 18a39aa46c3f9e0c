import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../lib/fake-clock.ts'
import { Bulkhead, defaultBulkhead } from './bulkhead.ts'

const of = (rules: Partial<typeof defaultBulkhead>, clock = new FakeClock()): Bulkhead =>
  new Bulkhead({ ...defaultBulkhead, ...rules }, clock)

test('bulkhead: requests and watches have limits of their own', () => {
  const b = of({ maxInFlight: 1, maxWatches: 1 })
  assert.deepEqual(
    [b.enter(false), b.enter(false), b.enter(true), b.enter(true)],
    [undefined, 'in-flight', undefined, 'watches'],
  )
  b.leave(false)
  b.leave(true)
  assert.deepEqual([b.enter(false), b.enter(true)], [undefined, undefined])
})

test('bulkhead: who waits gets the place that becomes free, in order, or none after a while, or leaves', () => {
  const clock = new FakeClock()
  const b = of({ maxInFlight: 1, maxQueued: 3, maxQueueMs: 100 }, clock)
  const heard: string[] = []
  const wait = (name: string): (() => void) =>
    b.wait({ entered: () => heard.push(`${name} in`), refused: () => heard.push(`${name} refused`) })
  assert.equal(b.enter(false), undefined)
  const first = wait('first')
  wait('second')
  wait('third')
  assert.equal(b.enter(false), 'in-flight', 'the queue is full')
  first()
  assert.equal(b.enter(false), 'wait')
  b.leave(false)
  assert.deepEqual(heard, ['second in'])
  clock.advance(100)
  assert.deepEqual(heard, ['second in', 'third refused'])
  assert.deepEqual(b.stats, { inFlight: 1, queued: 0, watches: 0 })
  assert.equal(clock.pending, 0)
})

test('bulkhead: a rate with a burst', () => {
  const clock = new FakeClock()
  const b = of({ requestsPerSecond: 10, burst: 2 }, clock)
  const take = (n: number): string => Array.from({ length: n }, () => b.enter(false) ?? 'in').join(' ')
  assert.equal(take(3), 'in in rate')
  clock.advance(100)
  assert.equal(take(2), 'in rate')
  clock.advance(10_000)
  assert.equal(take(3), 'in in rate', 'what was not used is not saved up')
})

test('bulkhead: with other limits what is under way still counts', () => {
  const b = of({ maxInFlight: 2, maxWatches: 2 })
  assert.deepEqual([b.enter(false), b.enter(false), b.enter(true)], [undefined, undefined, undefined])
  b.reconfigure({ ...defaultBulkhead, maxInFlight: 1, maxWatches: 1 })
  b.leave(false)
  assert.deepEqual([b.enter(false), b.enter(true)], ['in-flight', 'watches'])
  b.leave(false)
  b.leave(true)
  assert.deepEqual([b.enter(false), b.enter(true)], [undefined, undefined])
})
