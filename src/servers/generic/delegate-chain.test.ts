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

test('delegates: below a group that a delegate has, what no delegate claims is a Status', () => {
  const networking: Delegate = {
    ...delegate('a', '/apis/networking.example/v1/a'),
    hasGroup: (g) => g === 'networking.example' || g === '',
  }
  const delegates = [networking, delegate('b', '/apis/networking.example/v1/b')]
  const paths: readonly [path: string, owner: string][] = [
    ['/apis/networking.example/v1/a', 'a'],
    ['/apis/networking.example/v1/b', 'b'],
    ['/apis/networking.example/v1/c', 'a Status'],
    ['/apis/networking.example/v2', 'a Status'],
    ['/apis/networking.example', 'a Status'],
    ['/apis/other.example/v1/a', 'a page'],
    ['/api/v1/pods', 'a Status'],
    ['/apis', 'a page'],
    ['/apis/', 'a page'],
    ['/networking.example', 'a page'],
  ]
  for (const [path, owner] of paths) {
    const answered = (): string => ask(delegates, path).answered['owner'] ?? 'a page'
    if (owner === 'a Status')
      assert.throws(answered, (e: StatusError) => e.code === 404 && e.reason === 'NotFound', path)
    else assert.equal(answered(), owner, path)
  }
  assert.throws(
    () => ask([networking, delegate('b', '/b', false)], '/apis/networking.example/v1/c'),
    (e: StatusError) => e.code === 503,
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
