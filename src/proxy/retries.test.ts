import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mayRepeat, RetryBudget } from './retries.ts'
import { UpstreamError } from './upstream.ts'

const unprocessed = new UpstreamError('connect', 'x', { unprocessed: true })
const stale = new UpstreamError('first-byte', 'x', { stale: true })
const reset = new UpstreamError('first-byte', 'x')
const cut = new UpstreamError('stream', 'x')
const rows: readonly { name: string; error: UpstreamError; may: readonly string[]; not: readonly string[] }[] = [
  { name: 'what the backend cannot have seen', error: unprocessed, may: ['GET', 'POST', 'PATCH', 'DELETE'], not: [] },
  {
    name: 'what a connection took that died waiting',
    error: stale,
    may: ['GET', 'HEAD', 'PUT', 'DELETE'],
    not: ['POST', 'PATCH'],
  },
  {
    name: 'what was reset before an answer',
    error: reset,
    may: ['GET', 'HEAD'],
    not: ['POST', 'PUT', 'PATCH', 'DELETE'],
  },
  { name: 'what was cut within the answer', error: cut, may: [], not: ['GET', 'POST'] },
]
for (const { name, error, may, not } of rows) {
  test(`mayRepeat: ${name}`, () => {
    for (const method of may) assert.equal(mayRepeat(error, method), true, method)
    for (const method of not) assert.equal(mayRepeat(error, method), false, method)
  })
}

test('the budget allows a part of all requests, and a few when there were none', () => {
  const budget = new RetryBudget(20)
  let taken = 0
  while (budget.take(reset)) taken++
  assert.equal(taken, 100)
  for (let i = 0; i < 50; i++) budget.requested()
  for (taken = 0; budget.take(reset); ) taken++
  assert.ok(taken === 9 || taken === 10, String(taken))
  assert.equal(new RetryBudget(0).take(reset), false)
})
test('who was refused a connection may ask elsewhere though the budget is empty, but not without any budget', () => {
  const refused = new UpstreamError('connect', 'connection refused', { unprocessed: true })
  const budget = new RetryBudget(20)
  while (budget.take(reset));
  for (let i = 0; i < 1_000; i++) assert.equal(budget.take(refused), true)
  assert.equal(new RetryBudget(0).take(refused), false)
})
