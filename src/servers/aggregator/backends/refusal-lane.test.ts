import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextTurn } from '../../../lib/next-turn.ts'
import { RefusalLane } from './refusal-lane.ts'

const burst = (lane: RefusalLane, count: number, answered: number[]): void => {
  for (let i = 0; i < count; i++) lane.add(() => answered.push(i))
}

test('a burst is answered in order, one in each turn of the event loop', async () => {
  const [lane, answered]: [RefusalLane, number[]] = [new RefusalLane(), []]
  burst(lane, 20, answered)
  const after: number[] = [answered.length]
  while (answered.length < 20 && after.length < 100) {
    await nextTurn()
    after.push(answered.length)
  }
  assert.deepEqual(
    after,
    Array.from({ length: 21 }, (_, i) => i),
  )
  assert.deepEqual(answered, after.slice(0, 20))
})

test('the larger it is, the more of it a turn answers', async () => {
  const [lane, answered]: [RefusalLane, number[]] = [new RefusalLane(), []]
  burst(lane, 3_200, answered)
  await nextTurn()
  assert.equal(answered.length, 100)
  let turns = 1
  for (; answered.length < 3_200; turns++) await nextTurn()
  assert.ok(turns < 300, `${turns} turns`)
})

test('one who is refused after the burst is over is answered too', async () => {
  const [lane, answered]: [RefusalLane, number[]] = [new RefusalLane(), []]
  for (let i = 1; i <= 2; i++) {
    burst(lane, 1, answered)
    await nextTurn()
    assert.equal(answered.length, i)
  }
})
