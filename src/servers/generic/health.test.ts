import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FakeExchange, fakeRequest } from '../../../test/harness/fake-exchange.ts'
import { FakeClock } from '../../lib/fake-clock.ts'
import { noopLogger } from '../../observability/logger.ts'
import { noopMetrics } from '../../observability/metrics.ts'
import { HealthChecks } from './health.ts'
import { Hooks } from './hooks.ts'

function checks(): HealthChecks {
  const health = new HealthChecks(noopMetrics)
  health.add({ name: 'bad', check: () => 'the disk is full' }, ['readyz'])
  health.add({ name: 'thrown', check: () => Promise.reject(new Error('no route')) }, ['readyz'])
  return health
}
async function ask(health: HealthChecks, target: string): Promise<FakeExchange> {
  const { exchange, ctx } = fakeRequest({ target }, new FakeClock())
  await health.serve(ctx, target.slice(1).split('?')[0] as 'livez' | 'readyz')
  return exchange
}

const CASES: readonly { name: string; target: string; status: number; text: string }[] = [
  { name: 'well', target: '/livez', status: 200, text: 'ok' },
  { name: 'well, verbose', target: '/livez?verbose', status: 200, text: '[+]ping ok\n[+]log ok\nlivez check passed\n' },
  {
    name: 'failed: always verbose, the reason withheld',
    target: '/readyz',
    status: 500,
    text: '[+]ping ok\n[+]log ok\n[-]bad failed: reason withheld\n[-]thrown failed: reason withheld\nreadyz check failed\n',
  },
  {
    name: 'all that fail excluded',
    target: '/readyz?verbose&exclude=bad&exclude=thrown',
    status: 200,
    text: '[+]ping ok\n[+]log ok\n[+]bad excluded: ok\n[+]thrown excluded: ok\nreadyz check passed\n',
  },
  {
    name: 'names to exclude that are unknown',
    target: '/livez?verbose&exclude=a&exclude=b',
    status: 200,
    text: '[+]ping ok\n[+]log ok\nwarn: some health checks cannot be excluded: no matches for "a","b"\nlivez check passed\n',
  },
]
for (const { name, target, status, text } of CASES) {
  test(`health: ${name}`, async () => {
    const exchange = await ask(checks(), target)
    assert.equal(exchange.status, status)
    assert.equal(exchange.text, text)
    assert.equal(exchange.answered['content-type'], 'text/plain; charset=utf-8')
    assert.equal(exchange.answered['x-content-type-options'], 'nosniff')
  })
}

test('health: a check under its own path says what is wrong', async () => {
  for (const [name, status, text] of [
    ['ping', 200, 'ok'],
    ['bad', 500, 'internal server error: the disk is full\n'],
    ['thrown', 500, 'internal server error: no route\n'],
  ] as const) {
    const { exchange, ctx } = fakeRequest({ target: `/readyz/${name}` }, new FakeClock())
    await checks().serveOne(ctx, 'readyz', name)
    assert.equal(exchange.status, status)
    assert.equal(exchange.text, text)
  }
})

test('hooks: each is a check until it is done; livez overlooks it for the grace period', async () => {
  const clock = new FakeClock()
  const health = new HealthChecks(noopMetrics)
  const hooks = new Hooks()
  const done = Promise.withResolvers<void>()
  hooks.add({ name: 'a', run: () => done.promise }, health, clock, 1000)
  const ready = hooks.run(new AbortController().signal, noopLogger)
  assert.deepEqual([await health.passes('readyz'), await health.passes('livez')], [false, true])
  clock.advance(1000)
  assert.equal(await health.passes('livez'), false)
  done.resolve()
  await ready
  assert.deepEqual([await health.passes('readyz'), await health.passes('livez')], [true, true])
})

test('hooks: one that fails rejects and stays red; one that is aborted by the end does neither', async () => {
  const clock = new FakeClock()
  const health = new HealthChecks(noopMetrics)
  const failing = new Hooks()
  failing.add({ name: 'a', run: () => Promise.reject(new Error('no')) }, health, clock, 0)
  await assert.rejects(failing.run(new AbortController().signal, noopLogger), /^Error: no$/)
  assert.match((await ask(health, '/readyz')).text, /^\[-\]poststarthook\/a failed: reason withheld$/m)
  await failing.run(AbortSignal.abort(), noopLogger)
})
