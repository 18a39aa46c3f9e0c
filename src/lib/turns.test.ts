import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './fake-clock.ts'
import { nextTurn } from './next-turn.ts'
import { Turns } from './turns.ts'

test('turns: so many at once, the others in order as one ends, each counted once', async () => {
  const turns = new Turns({ atOnce: 2, maxMs: 1_000, clock: new FakeClock() })
  const got: number[] = []
  const take = async (n: number): Promise<Disposable> => {
    const turn = await turns.take()
    got.push(n)
    return turn
  }
  const taken = [1, 2, 3, 4].map(take)
  await nextTurn()
  assert.deepEqual(got, [1, 2])
  const first = await taken[0]!
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  await nextTurn()
  assert.deepEqual(got, [1, 2, 3])
  for (const n of [1, 2]) (await taken[n]!)[Symbol.dispose]()
  ;(await taken[3]!)[Symbol.dispose]()
  await Promise.all([take(5), take(6)])
  assert.deepEqual(got, [1, 2, 3, 4, 5, 6])
})

test('turns: what takes too long makes room for the next, and its late end for nobody', async () => {
  const clock = new FakeClock()
  const turns = new Turns({ atOnce: 1, maxMs: 1_000, clock })
  const hanging = await turns.take()
  const second = turns.take()
  clock.advance(1_000)
  await second
  let third = false
  const waiting = turns.take().then(() => (third = true))
  hanging[Symbol.dispose]()
  await nextTurn()
  assert.equal(third, false)
  ;(await second)[Symbol.dispose]()
  await waiting
})
