import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../lib/fake-clock.ts'
import { Drain } from './drain.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('drain: is drained once it refuses and nothing is under way', async () => {
  const drain = new Drain(new FakeClock())
  let drained = false
  void drain.drained.promise.then(() => {
    drained = true
  })
  drain.enter()
  drain.leave()
  await turn()
  assert.equal(drained, false, 'it still serves')
  drain.enter()
  drain.refuse()
  await turn()
  assert.equal(drained, false, 'one is under way')
  drain.leave()
  await turn()
  assert.equal(drained, true)
})

test('drain: the ends of watches are spread evenly over the grace', async () => {
  const clock = new FakeClock()
  const drain = new Drain(clock)
  const startMs = clock.monotonicMs()
  const endedAt: number[] = []
  for (let i = 0; i < 4; i++) drain.trackWatch(() => endedAt.push(clock.monotonicMs() - startMs))
  const over = drain.endWatches(1000)
  for (let i = 0; i < 3; i++) {
    await turn()
    clock.advance(250)
  }
  await over
  assert.deepEqual(endedAt, [0, 250, 500, 750])
  assert.equal(drain.watches, 0)
})

test('drain: a watch that ended by itself meanwhile is not told', async () => {
  const clock = new FakeClock()
  const drain = new Drain(clock)
  const told: string[] = []
  drain.trackWatch(() => told.push('a'))
  const untrack = drain.trackWatch(() => told.push('b'))
  const over = drain.endWatches(1000)
  untrack()
  clock.advance(1000)
  await over
  assert.deepEqual(told, ['a'])
})
