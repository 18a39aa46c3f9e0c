import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../lib/fake-clock.ts'
import { Deadlines } from './deadlines.ts'

test('deadlines expire in their order, those that were forgotten do not, and nothing waits for nothing', () => {
  const clock = new FakeClock()
  const deadlines = new Deadlines(clock, 60_000)
  const expired: string[] = []
  const add = (name: string): (() => void) => deadlines.add(() => expired.push(name))
  add('a')
  const forget = [add('b'), add('c')]
  clock.advance(30_000)
  add('d')
  for (const f of forget) f()
  clock.advance(30_000)
  assert.deepEqual(expired, ['a'])
  clock.advance(29_999)
  assert.deepEqual(expired, ['a'])
  clock.advance(251)
  assert.deepEqual(expired, ['a', 'd'])
  for (const f of forget) f() // a second time does no harm
  clock.advance(1000)
  assert.equal(clock.pending, 0)
  add('e')()
  clock.advance(1000)
  assert.deepEqual([expired.length, clock.pending], [2, 0])
})
