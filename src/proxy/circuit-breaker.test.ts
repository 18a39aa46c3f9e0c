import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../lib/fake-clock.ts'
import { type BreakerRules, CircuitBreaker } from './circuit-breaker.ts'

const rules = { failurePercent: 50, minRequests: 4, maxFailures: 0, windowMs: 1_000, openMs: 500 }
function made(more: Partial<BreakerRules> = {}): { breaker: CircuitBreaker; clock: FakeClock; states: string[] } {
  const clock = new FakeClock()
  const states: string[] = []
  return { breaker: new CircuitBreaker({ ...rules, ...more }, clock, (s) => states.push(s)), clock, states }
}
const rows: readonly { name: string; results: string; opens: boolean; maxFailures?: number }[] = [
  { name: 'fewer than the least number of requests', results: 'fff', opens: false },
  { name: 'as many failures as the rate', results: 'okfokf'.replaceAll('ok', 'o'), opens: true },
  { name: 'fewer failures than the rate', results: 'ooofoof', opens: false },
  { name: 'failures of an older window', results: 'fff>of', opens: false },
  { name: 'as many failures as there may be, of a few', results: 'ff', opens: true, maxFailures: 2 },
  { name: 'as many failures as there may be, of many', results: 'ooooooofooooof', opens: true, maxFailures: 2 },
  { name: 'fewer failures than there may be', results: 'ooooooofo', opens: false, maxFailures: 2 },
  { name: 'the share, where there may be more', results: 'ooff', opens: true, maxFailures: 9 },
]
for (const { name, results, opens, ...more } of rows) {
  test(`breaker: ${name}: ${opens ? 'opens' : 'stays closed'}`, () => {
    const { breaker, clock } = made(more)
    for (const r of results) {
      if (r === '>') clock.advance(1_001)
      else if (breaker.enter() === 0) breaker.report(r === 'o')
    }
    assert.equal(breaker.state, opens ? 'open' : 'closed')
  })
}
test('breaker: of one that is retired nobody is told, whatever is still reported to it', () => {
  const { breaker, states } = made({ maxFailures: 1 })
  breaker.retire()
  breaker.report(false)
  assert.deepEqual([breaker.state, states], ['open', []])
})
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
