import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeExchange } from '../../test/harness/fake-exchange.ts'
import { RequestContext } from '../http/request-context.ts'
import { parseRequestInfo } from '../http/request-info.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { attemptsAfter, defaultRetries, hasEffects, mayRepeat, passesSoon, RetryBudget } from './retries.ts'
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
    for (const method of may) assert.equal(mayRepeat(error, { method, hasEffects: false }), true, method)
    for (const method of not) assert.equal(mayRepeat(error, { method, hasEffects: false }), false, method)
    for (const method of [...may, ...not])
      assert.equal(mayRepeat(error, { method, hasEffects: true }), error.unprocessed, `${method} with effects`)
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

const { attempts } = defaultRetries
const afterwards: readonly { name: string; error: UpstreamError; rules: number; want: number }[] = [
  { name: 'a backend sees a request twice at most', error: reset, rules: attempts, want: 1 },
  { name: 'what no backend saw may look further', error: unprocessed, rules: attempts, want: 2 },
  { name: 'none means none', error: unprocessed, rules: 0, want: 0 },
  { name: 'more where a policy says so', error: reset, rules: 5, want: 5 },
]
for (const { name, error, rules, want } of afterwards) {
  test(`attemptsAfter: ${name}`, () => {
    assert.equal(attemptsAfter(error, { ...defaultRetries, attempts: rules }), want)
  })
}

const failed = (phase: UpstreamError['phase'], code?: string): UpstreamError =>
  new UpstreamError(phase, 'x', { unprocessed: true, cause: code === undefined ? undefined : { code } })
const soon: readonly { error: UpstreamError; want: boolean }[] = [
  { error: failed('queue'), want: true },
  { error: failed('connect', 'ECONNREFUSED'), want: true },
  { error: failed('connect', 'ETIMEDOUT'), want: false },
  { error: failed('connect', 'ENOTFOUND'), want: false },
  { error: failed('resolve'), want: false },
  { error: failed('tls', 'CERT_HAS_EXPIRED'), want: false },
  { error: reset, want: false },
]
test('passesSoon: where nobody listens, and where too many wait', () => {
  for (const { error, want } of soon) assert.equal(passesSoon(error), want, `${error.phase} ${String(error.cause)}`)
})

const requests: readonly { target: string; upgrade?: string; want: boolean }[] = [
  { target: '/apis/g/v1/namespaces/a/things/b', want: false },
  { target: '/apis/g/v1/namespaces/a/things/b', upgrade: 'websocket', want: true },
  ...['exec', 'attach', 'portforward', 'proxy', 'proxy/some/path'].map((sub) => ({
    target: `/api/v1/namespaces/a/pods/b/${sub}?stdin=true`,
    want: true,
  })),
  { target: '/api/v1/proxy/nodes/a/metrics', want: true },
  { target: '/api/v1/namespaces/a/pods/b/log', want: false },
  { target: '/api/v1/namespaces/a/pods/b/log?follow=false', want: false },
  { target: '/api/v1/namespaces/a/pods/b/log?follow=true', want: true },
]
test('hasEffects: upgrades and connect-like subresources, whatever the method', () => {
  for (const { target, upgrade, want } of requests) {
    const exchange = new FakeExchange({ target, ...(upgrade === undefined ? {} : { upgrade }) })
    const ctx = new RequestContext(exchange, new FakeClock())
    ctx.info = parseRequestInfo('GET', ctx.path, ctx.query)
    assert.equal(hasEffects(ctx), want, target)
  }
})
