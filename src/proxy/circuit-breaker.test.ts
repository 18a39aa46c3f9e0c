import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../lib/fake-clock.ts'
import { CircuitBreaker } from './circuit-breaker.ts'

const rules = { failurePercent: 50, minRequests: 4, windowMs: 1_000, openMs: 500 }
function made(): { breaker: CircuitBreaker; clock: FakeClock; states: string[] } {
  const clock = new FakeClock()
  const states: string[] = []
  return { breaker: new CircuitBreaker(rules, clock, (s) => states.push(s)), clock, states }
}
const rows: readonly { name: string; results: string; opens: boolean }[] = [
  { name: 'fewer than the least number of requests', results: 'fff', opens: false },
  { name: 'as many failures as the rate', results: 'okfokf'.replaceAll('ok', 'o'), opens: true },
  { name: 'fewer failures than the rate', results: 'ooofoof', opens: false },
  { name: 'failures of an older window', results: 'fff>of', opens: false },
]
for (const { name, results, opens } of rows) {
  test(`breaker: ${name}: ${opens ? 'opens' : 'stays closed'}`, () => {
    const { breaker, clock } = made()
    for (const r of results) {
      if (r === '>') clock.advance(1_001)
      else if (breaker.enter() === 0) breaker.report(r === 'o')
    }
    assert.equal(breaker.state, opens ? 'open' : 'closed')
  })
}
test('breaker: refuses while open, lets one request try, and closes or opens by it', () => {
  const { breaker, clock, states } = made()
  for (let i = 0; i < 4; i++) breaker.report(false)
  assert.equal(breaker.enter(), 500)
  clock.advance(200)
  assert.equal(breaker.enter(), 300)
  clock.advance(300)
  assert.equal(breaker.enter(), 0, 'the one that tries')
  assert.ok(breaker.enter() > 0, 'no second one meanwhile')
  breaker.report(false)
  assert.equal(breaker.enter(), 500)
  clock.advance(500)
  assert.equal(breaker.enter(), 0)
  breaker.abandoned()
  assert.equal(breaker.enter(), 0, 'its client left: the next one tries')
  breaker.report(true)
  assert.deepEqual(states, ['open', 'half-open', 'open', 'half-open', 'closed'])
})
