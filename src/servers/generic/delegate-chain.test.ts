import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeRequest } from '../../../test/harness/fake-exchange.ts'
import { StatusError } from '../../api/status-error.ts'
import { FakeClock } from '../../lib/fake-clock.ts'
import { Publisher } from '../../lib/published.ts'
import { delegateChain, routeOf } from './delegate-chain.ts'
import type { Delegate } from './delegate.ts'
import { FixedPaths } from './fixed-paths.ts'

function delegate(name: string, prefix: string, installed = true): Delegate {
  return {
    name,
    route: (info) =>
      info.path.startsWith(prefix)
        ? { owner: name, reason: prefix, handler: (ctx) => ctx.answer(200, ['Owner', name]) }
        : undefined,
    discovery: new Publisher([]),
    installed: new Publisher(installed),
    postStartHooks: [],
    healthChecks: [],
    listedPaths: () => [],
  }
}
const ask = (delegates: readonly Delegate[], target: string) => {
  const { exchange, ctx } = fakeRequest({ target }, new FakeClock())
  void delegateChain(delegates)(ctx)
  return exchange
}

test('delegates: the first that claims a request serves it', () => {
  const delegates = [delegate('a', '/apis/a'), delegate('b', '/apis/')]
  assert.equal(ask(delegates, '/apis/a/v1').answered['owner'], 'a')
  assert.equal(ask(delegates, '/apis/b/v1').answered['owner'], 'b')
})

test('delegates: what nobody claims is a 404 text, or a 503 while not everything is known', () => {
  const known = ask([delegate('a', '/apis/a')], '/nobody')
  assert.equal(known.status, 404)
  assert.equal(known.text, '404 page not found\n')
  assert.throws(
    () => ask([delegate('a', '/apis/a'), delegate('b', '/apis/b', false)], '/nobody'),
    (e: StatusError) => e.code === 503 && e.details?.retryAfterSeconds === 5,
  )
})

test('fixed paths: exact ones first, then the longest prefix; never a request for a resource', () => {
  const fixed = new FixedPaths()
  fixed.exact('/livez', { handler: () => {} })
  fixed.exact('/hidden', { handler: () => {}, listed: false })
  fixed.prefix('/livez/', () => {})
  fixed.prefix('/livez/deep/', () => {})
  const reason = (target: string): string | undefined =>
    routeOf([fixed], fakeRequest({ target }, new FakeClock()).ctx.info, 'GET')?.reason
  assert.equal(reason('/livez'), 'fixed path /livez')
  assert.equal(reason('/livez/a'), 'fixed prefix /livez/')
  assert.equal(reason('/livez/deep/a'), 'fixed prefix /livez/deep/')
  assert.equal(reason('/api/v1/namespaces'), undefined)
  assert.deepEqual(fixed.listedPaths(), ['/livez'])
})
