/** Each filter alone, as a table of requests and what becomes of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status } from '../../../api/status-error.ts'
import { type FakeRequest, fakeRequest } from '../../../../test/harness/fake-exchange.ts'
import { notFound } from '../../../api/status-error.ts'
import type { Filter, Handler } from '../../../http/filter.ts'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { type LogFields, type Logger, noopLogger } from '../../../observability/logger.ts'
import { noopMetrics } from '../../../observability/metrics.ts'
import { MetricsRegistry } from '../../../observability/metrics-registry.ts'
import { Drain } from '../drain.ts'
import { auditInitFilter } from './audit-init.ts'
import { cacheControlFilter } from './cache-control.ts'
import { corsFilter } from './cors.ts'
import { deadlineFilter } from './deadline.ts'
import { drainingFilter } from './draining.ts'
import { goawayFilter } from './goaway.ts'
import { hstsFilter } from './hsts.ts'
import { panicRecoveryFilter } from './panic-recovery.ts'
import { requestInfoFilter } from './request-info.ts'

const OK: Handler = (ctx) => ctx.answer(200, [])
const NEVER: Handler = () => {}
const CONFIGMAPS = '/api/v1/namespaces/default/configmaps'

function through(filter: Filter, o: FakeRequest, last: Handler = OK, clock = new FakeClock()) {
  const { exchange, ctx } = fakeRequest(o, clock)
  const pending = filter.wrap(last)(ctx)
  return { exchange, ctx, pending }
}
function recorder(): { log: Logger; lines: { message: string; fields: LogFields | undefined }[] } {
  const lines: { message: string; fields: LogFields | undefined }[] = []
  const log = (bound: LogFields): Logger => ({
    ...noopLogger,
    error: (message, fields) => void lines.push({ message, fields: { ...bound, ...fields } }),
    child: (more) => log({ ...bound, ...more }),
  })
  return { log: log({}), lines }
}

test('audit-init: takes the id of the client, else makes one; it is on the answer and on log lines', () => {
  const { log, lines } = recorder()
  const filter = auditInitFilter(log, () => 'made')
  assert.equal(through(filter, { headers: { 'audit-id': 'given' } }).exchange.answered['audit-id'], 'given')
  const { exchange, ctx } = through(filter, { headers: { 'audit-id': '' } })
  assert.equal(exchange.answered['audit-id'], 'made')
  ctx.log.error('text')
  assert.deepEqual(lines, [{ message: 'text', fields: { auditId: 'made' } }])
})

test('panic-recovery: what a handler throws fails its request alone, with a text that tells nothing', async () => {
  const metrics = new MetricsRegistry()
  const filter = panicRecoveryFilter(metrics)
  const secret = new Error('the password is swordfish')
  const throwing: readonly Handler[] = [
    () => {
      throw secret
    },
    () => Promise.reject(secret),
    (ctx) =>
      queueMicrotask(
        ctx.guard(() => {
          throw secret
        }),
      ),
  ]
  for (const handler of throwing) {
    const { exchange, pending } = through(filter, {}, handler)
    await pending
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(exchange.status, 500)
    assert.ok(!exchange.text.includes('swordfish'))
    assert.equal((JSON.parse(exchange.text) as { reason: string }).reason, 'InternalError')
  }
  assert.match((await Array.fromAsync(metrics.render())).join(''), /^portico_request_panics_total 3$/m)
})

test('panic-recovery: a StatusError is the answer; it counts as nothing unexpected', async () => {
  const metrics = new MetricsRegistry()
  const { exchange } = through(panicRecoveryFilter(metrics), {}, () => {
    throw notFound({ group: '', resource: 'configmaps' }, 'a')
  })
  assert.equal(exchange.status, 404)
  assert.match((await Array.fromAsync(metrics.render())).join(''), /^portico_request_panics_total 0$/m)
})

test('panic-recovery: an answer that has begun is broken off, so that it never looks complete', () => {
  const late = new Error('late')
  const { exchange } = through(panicRecoveryFilter(noopMetrics), {}, (ctx) => {
    ctx.respond(200, [])
    throw late
  })
  assert.equal(exchange.aborted, late)
})

const TIMEOUTS: readonly { name: string; target: string; afterMs: number }[] = [
  { name: '--request-timeout where the request says nothing', target: CONFIGMAPS, afterMs: 60_000 },
  { name: '?timeout= where it is shorter', target: `${CONFIGMAPS}?timeout=5s`, afterMs: 5000 },
  { name: '--request-timeout where ?timeout= is longer', target: `${CONFIGMAPS}?timeout=2h`, afterMs: 60_000 },
  { name: '--request-timeout where ?timeout= is 0', target: `${CONFIGMAPS}?timeout=0`, afterMs: 60_000 },
]
for (const { name, target, afterMs } of TIMEOUTS) {
  test(`deadline: 504 after ${name}`, () => {
    const clock = new FakeClock()
    const { exchange } = through(deadlineFilter(60_000, clock, noopMetrics), { target }, NEVER, clock)
    clock.advance(afterMs - 1)
    assert.equal(exchange.status, 0)
    clock.advance(1)
    assert.equal(exchange.status, 504)
    const { kind, message, reason, code } = JSON.parse(exchange.text) as Status
    const text = 'Timeout: request did not complete within the allotted timeout'
    assert.deepEqual([kind, message, reason, code], ['Status', text, 'Timeout', 504])
    assert.equal(exchange.answered['content-type'], 'application/json')
  })
}

test('deadline: watches have none; an answer in time cancels it; one that has begun is broken off', () => {
  const clock = new FakeClock()
  const filter = deadlineFilter(60_000, clock, noopMetrics)
  through(filter, { target: `${CONFIGMAPS}?watch=1&timeout=1s` }, NEVER, clock)
  assert.equal(clock.pending, 0)
  const { exchange: done } = through(filter, { target: CONFIGMAPS }, OK, clock)
  clock.advance(250)
  assert.equal(clock.pending, 0, 'nobody looks when there is nothing to wait for')
  clock.advance(60_000)
  assert.equal(done.aborted, undefined)
  const { exchange } = through(filter, { target: CONFIGMAPS }, (ctx) => ctx.respond(200, []), clock)
  clock.advance(60_000)
  assert.match(String(exchange.aborted), /allotted timeout/)
})

test('deadline: a ?timeout= that is no duration is a bad request', () => {
  const filter = deadlineFilter(60_000, new FakeClock(), noopMetrics)
  assert.throws(() => through(filter, { target: `${CONFIGMAPS}?timeout=5` }), {
    code: 400,
    message: 'invalid timeout specified in the request URL - time: missing unit in duration "5"',
  })
})

test('draining: counts what is under way, not watches; refuses what is new, but for probes and metrics', async () => {
  const drain = new Drain(new FakeClock())
  const filter = drainingFilter(drain)
  const { exchange: underWay } = through(filter, { target: CONFIGMAPS }, NEVER)
  through(filter, { target: `${CONFIGMAPS}?watch=1` }, NEVER)
  assert.equal(drain.underWay, 1)
  drain.refuse()
  for (const target of [CONFIGMAPS, '/version']) {
    const { exchange } = through(filter, { target })
    assert.equal(exchange.status, 429)
    assert.equal(exchange.answered['retry-after'], '5')
    assert.equal(exchange.retired, 1)
    assert.equal(exchange.text, 'The apiserver is shutting down, please try again later.\n')
  }
  for (const target of ['/readyz', '/livez', '/healthz', '/metrics'])
    assert.equal(through(filter, { target }).exchange.status, 200, target)
  underWay.end()
  await drain.drained.promise
})

const CORS: readonly { name: string; origin?: string; method?: string; status: number; allowed?: string }[] = [
  { name: 'an allowed origin', origin: 'https://a.example', status: 200, allowed: 'https://a.example' },
  { name: 'its preflight', origin: 'https://a.example', method: 'OPTIONS', status: 204, allowed: 'https://a.example' },
  { name: 'another origin', origin: 'https://b.example', status: 200 },
  { name: 'the preflight of another origin', origin: 'https://b.example', method: 'OPTIONS', status: 200 },
  { name: 'no origin', status: 200 },
]
for (const { name, origin, method, status, allowed } of CORS) {
  test(`cors: ${name}`, () => {
    const headers = origin === undefined ? {} : { origin }
    const { exchange } = through(corsFilter([/^https:\/\/a\.example$/i]), { headers, ...(method ? { method } : {}) })
    assert.equal(exchange.status, status)
    assert.equal(exchange.answered['access-control-allow-origin'], allowed)
    assert.equal(exchange.answered['access-control-allow-credentials'], allowed && 'true')
  })
}

test('hsts: the directives on every answer; none: no header and no filter', () => {
  const { exchange } = through(hstsFilter(['max-age=1', 'includeSubDomains']), {})
  assert.equal(exchange.answered['strict-transport-security'], 'max-age=1; includeSubDomains')
  assert.equal(hstsFilter([]).wrap(OK), OK)
  assert.equal(corsFilter([]).wrap(OK), OK)
  assert.equal(goawayFilter(0).wrap(OK), OK)
})

test('goaway: retires HTTP/2 connections with the chance given, others never', () => {
  const retired = (protocol: 'h2' | 'http/1.1', drawn: number): number =>
    through(
      goawayFilter(0.02, () => drawn),
      { protocol },
    ).exchange.retired
  assert.equal(retired('h2', 0.0199), 1)
  assert.equal(retired('h2', 0.02), 0)
  assert.equal(retired('http/1.1', 0), 0)
})

test('cache-control: no shared caches, unless the handler knows better', () => {
  const filter = cacheControlFilter()
  assert.equal(through(filter, {}).exchange.answered['cache-control'], 'no-cache, private')
  const { exchange } = through(filter, {}, (ctx) => ctx.answer(200, ['Cache-Control', 'public']))
  assert.equal(exchange.answered['cache-control'], 'public')
})

for (const { path, status } of [
  { path: '/api/v1/namespaces/a%20b', status: 200 },
  { path: '/api/v1/namespaces/a%2525', status: 200 },
  { path: '/api/v1/namespaces/a?x=%zz', status: 200 },
  { path: '/api/v1/namespaces/%zz', status: 400 },
  { path: '/api/v1/namespaces/default/%73ecrets/%', status: 400 },
  { path: '/api/v1/namespaces/%ff', status: 400 },
]) {
  test(`request-info: ${path} is answered ${status}`, () => {
    assert.equal(through(requestInfoFilter(), { target: path }).exchange.status, status)
  })
}
