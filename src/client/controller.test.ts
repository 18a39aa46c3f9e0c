import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deferred } from '../lib/deferred.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { noopLogger } from '../observability/logger.ts'
import { noopMetrics } from '../observability/metrics.ts'
import { DONE, type ReconcileResult, runWorkers, TerminalError } from './controller.ts'
import { WorkQueue } from './work-queue.ts'
import { WorkQueueMetrics } from './work-queue-metrics.ts'

function setUp(limit?: number) {
  const clock = new FakeClock()
  const metrics = new WorkQueueMetrics(noopMetrics).bind('test')
  return { clock, queue: new WorkQueue({ clock, metrics, ...(limit !== undefined && { limit }) }) }
}

test('work queue: a key waits once, and once more when it is added while in work', async () => {
  const { queue } = setUp()
  queue.add('a')
  queue.add('b')
  queue.add('a')
  assert.equal(queue.length, 2)
  assert.equal(await queue.take(), 'a')
  queue.add('a')
  queue.add('a')
  assert.equal(queue.length, 1, 'a is not given out while it is in work')
  assert.equal(await queue.take(), 'b')
  queue.done('a')
  assert.equal(await queue.take(), 'a')
  queue.done('a')
  queue.done('b')
  assert.equal(queue.length, 0)
})
test('work queue: takers wait for keys, in order, and end with undefined', async () => {
  const { queue } = setUp()
  const taking = [queue.take(), queue.take(), queue.take()]
  queue.add('a')
  queue.add('b')
  queue[Symbol.dispose]()
  assert.deepEqual(await Promise.all(taking), ['a', 'b', undefined])
  assert.equal(queue.add('c'), false)
  assert.equal(await queue.take(), undefined)
})
test('work queue: of delayed adds the earliest counts', () => {
  const { queue, clock } = setUp()
  queue.addAfter('a', 100)
  queue.addAfter('a', 50)
  queue.addAfter('a', 80)
  clock.advance(49)
  assert.equal(queue.length, 0)
  clock.advance(1)
  assert.equal(queue.length, 1)
  assert.equal(clock.pending, 0)
})
test('work queue: retries back off from 5 ms, doubling, until forgotten', async () => {
  const { queue, clock } = setUp()
  for (const delayMs of [5, 10, 20, 40]) {
    queue.retry('a')
    clock.advance(delayMs - 1)
    assert.equal(queue.length, 0)
    clock.advance(1)
    assert.equal(await queue.take(), 'a')
    queue.done('a')
  }
  queue.forget('a')
  queue.retry('a')
  clock.advance(5)
  assert.equal(queue.length, 1)
})
test('work queue: a full one drops and says so', () => {
  const { queue } = setUp(2)
  assert.deepEqual([queue.add('a'), queue.add('b'), queue.add('c'), queue.add('a')], [true, true, false, true])
  assert.deepEqual([queue.addAfter('a', 1), queue.addAfter('b', 1), queue.addAfter('c', 1)], [true, true, false])
})

async function run(reconcile: (key: string) => Promise<ReconcileResult>, workers = 1) {
  const { clock, queue } = setUp()
  const stop = new AbortController()
  const o = { name: 'test', reconciler: { reconcile }, queue, log: noopLogger, workers }
  return { clock, queue, stop, ended: runWorkers(o, stop.signal) }
}

test('controller: a failing key backs off alone, then succeeds', async () => {
  const calls: string[] = []
  const t = await run(async (key) => {
    calls.push(key)
    if (key === 'bad' && calls.filter((k) => k === 'bad').length < 3) throw new Error('not yet')
    return DONE
  })
  t.queue.add('bad')
  t.queue.add('good')
  await nextTurn()
  assert.deepEqual(calls, ['bad', 'good'])
  t.clock.advance(5)
  await nextTurn()
  t.clock.advance(10)
  await nextTurn()
  assert.deepEqual(calls, ['bad', 'good', 'bad', 'bad'])
  assert.equal(t.queue.failures('bad'), 0)
  t.stop.abort()
  await t.ended
})
test('controller: a terminal error is not retried, a requeue comes back when it says', async () => {
  const calls: string[] = []
  const t = await run(async (key) => {
    calls.push(key)
    if (key === 'hopeless') throw new TerminalError('no')
    return calls.length < 4 ? { kind: 'requeue', afterMs: 100 } : DONE
  })
  t.queue.add('hopeless')
  t.queue.add('again')
  await nextTurn()
  for (let i = 0; i < 5; i++) {
    t.clock.advance(100)
    await nextTurn()
  }
  assert.deepEqual(calls, ['hopeless', 'again', 'again', 'again'])
  t.stop.abort()
  await t.ended
})
test('controller: several workers, never one key twice at once; the end waits for what is in work', async () => {
  const gate = new Deferred()
  let active = 0
  let most = 0
  const t = await run(async () => {
    active++
    most = Math.max(most, active)
    await gate.promise
    active--
    return DONE
  }, 3)
  for (const key of ['a', 'b', 'a', 'a']) t.queue.add(key)
  await nextTurn()
  t.queue.add('a')
  await nextTurn()
  assert.equal(most, 2)
  t.stop.abort()
  let ended = false
  void t.ended.then(() => (ended = true))
  await nextTurn()
  assert.equal(ended, false)
  gate.resolve()
  await t.ended
  assert.equal(active, 0)
})
