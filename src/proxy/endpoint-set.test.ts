import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../lib/fake-clock.ts'
import {
  type BalancingRules,
  defaultBalancing,
  type Endpoint,
  type EndpointInfo,
  EndpointSet,
  onlyEndpoint,
} from './endpoint-set.ts'
import type { UpstreamPool } from './upstream-pool.ts'
import { Upstreams } from './upstreams.ts'

const info = (host: string, more: Partial<EndpointInfo> = {}): EndpointInfo => ({
  address: { host, port: 443, tls: undefined },
  zone: '',
  terminating: false,
  ...more,
})
/** Repeats, but looks random enough: a table of outcomes must not change from run to run. */
function seeded(): () => number {
  let seed = 7
  return () => {
    seed = (seed * 48271) % 2147483647
    return seed / 2147483647
  }
}
async function withSet(
  rules: Partial<BalancingRules>,
  fn: (set: EndpointSet, clock: FakeClock, drained: string[]) => void,
): Promise<void> {
  const clock = new FakeClock()
  await using upstreams = new Upstreams({ clock })
  const drained: string[] = []
  const set = new EndpointSet({
    clock,
    random: seeded(),
    rules: () => ({ ...defaultBalancing, ...rules }),
    poolOf: (address) => upstreams.pool(address),
    onDrain: (endpoint) => drained.push(endpoint.id),
  })
  fn(set, clock, drained)
}
function counts(set: EndpointSet, picks: number, longRunning = false, hold = false): Record<string, number> {
  const found: Record<string, number> = {}
  for (let i = 0; i < picks; i++) {
    const endpoint = set.pick(longRunning)!
    if (hold && longRunning) endpoint.watches++
    found[endpoint.address.host] = (found[endpoint.address.host] ?? 0) + 1
  }
  return found
}
const ratio = (found: Record<string, number>): number =>
  Math.max(...Object.values(found)) / Math.min(...Object.values(found))

test('requests are spread evenly over equal endpoints, and watches to one more or less', () =>
  withSet({}, (set) => {
    set.update([info('a'), info('b'), info('c')])
    assert.ok(ratio(counts(set, 3_000, true, true)) <= 1.01)
    assert.ok(ratio(counts(set, 9_000)) <= 1.2)
  }))

test('watches count as load, but one less of them does not attract every request', () =>
  withSet({}, (set) => {
    set.update([info('a'), info('b'), info('c')])
    const [a, b, c] = set.members as [Endpoint, Endpoint, Endpoint]
    Object.assign(a, { watches: 1000 })
    Object.assign(b, { watches: 1000 })
    Object.assign(c, { watches: 990 })
    assert.ok(ratio(counts(set, 9_000)) <= 1.2)
    Object.assign(c, { watches: 0 })
    assert.ok(counts(set, 900)['c']! > 500)
  }))

test('the less loaded of two takes the request', () =>
  withSet({}, (set) => {
    set.update([info('a'), info('b')])
    set.members[0]!.inFlight = 5
    assert.deepEqual(counts(set, 50), { b: 50 })
  }))

test('a new endpoint gets its share slowly; the first ones at once', () =>
  withSet({ slowStartMs: 10_000 }, (set, clock) => {
    set.update([info('a'), info('b')])
    assert.ok(ratio(counts(set, 2_000)) <= 1.2)
    set.update([info('a'), info('b'), info('new')])
    const cold = counts(set, 3_000)['new'] ?? 0
    clock.advance(5_000)
    const half = counts(set, 3_000)['new']!
    clock.advance(5_000)
    const warm = counts(set, 3_000)['new']!
    assert.ok(cold < half && half < warm, `${cold} ${half} ${warm}`)
    assert.ok(cold < 300 && warm > 850)
  }))

test('failures in a row eject an endpoint for a time that doubles; a success between them does not count', () =>
  withSet({ consecutiveFailures: 3, ejectionMs: 1_000 }, (set, clock) => {
    set.update([info('a'), info('b')])
    const a = set.members[0]!
    for (const ok of [false, false, true, false, false]) {
      if (ok) set.succeeded(a)
      else set.failed(a)
    }
    assert.equal(set.ejected(a), false)
    set.failed(a)
    assert.equal(set.ejected(a), true)
    assert.deepEqual(counts(set, 20), { b: 20 })
    clock.advance(1_001)
    assert.equal(set.ejected(a), false)
    for (let i = 0; i < 3; i++) set.failed(a)
    clock.advance(1_001)
    assert.equal(set.ejected(a), true, 'the second time is longer')
    clock.advance(1_000)
    assert.equal(set.ejected(a), false)
  }))

test('no more than the given part is ejected, and when all fail all are tried', () =>
  withSet({ consecutiveFailures: 1, maxEjectedPercent: 50 }, (set) => {
    set.update([info('a'), info('b'), info('c')])
    for (const e of set.members) set.failed(e)
    assert.equal(set.members.filter((e) => set.ejected(e)).length, 1)
  }))

test('one more that fails is ejected in place of the one that was first, which warms up as a new one', () =>
  withSet({ consecutiveFailures: 1, ejectionMs: 60_000, maxEjectedPercent: 67, slowStartMs: 10_000 }, (set, clock) => {
    set.update([info('a'), info('b'), info('c')])
    const [a, b, c] = set.members
    const ejected = (): string[] => set.members.filter((e) => set.ejected(e)).map((e) => e.address.host)
    for (const e of [b!, a!]) {
      set.failed(e)
      clock.advance(1_000)
    }
    assert.deepEqual(ejected(), ['a', 'b'])
    set.failed(c!)
    assert.deepEqual(ejected(), ['a', 'c'])
    assert.deepEqual(counts(set, 20), { b: 20 })
    set.failed(b!)
    assert.deepEqual(ejected(), ['b', 'c'])
  }))

test('where none may be ejected none is', () =>
  withSet({ consecutiveFailures: 1, maxEjectedPercent: 10 }, (set) => {
    set.update([info('a'), info('b'), info('c')])
    for (const e of set.members) set.failed(e)
    assert.deepEqual(
      set.members.filter((e) => set.ejected(e)),
      [],
    )
  }))

test('an attempt goes to an endpoint that was not tried, while there is one', () =>
  withSet({}, (set) => {
    set.update([info('a'), info('b'), info('c')])
    const tried: Endpoint[] = []
    for (let i = 0; i < 3; i++) tried.push(set.pick(false, tried)!)
    assert.equal(new Set(tried).size, 3)
    assert.ok(set.pick(false, tried))
  }))

test('our own zone first, until most of it is gone', () =>
  withSet({ zone: 'x', consecutiveFailures: 1, maxEjectedPercent: 100 }, (set) => {
    set.update([info('x1', { zone: 'x' }), info('x2', { zone: 'x' }), info('y1', { zone: 'y' })])
    assert.deepEqual(Object.keys(counts(set, 100)).sort(), ['x1', 'x2'])
    set.failed(set.members[0]!)
    assert.deepEqual(Object.keys(counts(set, 100)).sort(), ['x2', 'y1'])
  }))

test('a terminating endpoint takes nothing new and is told to drain, once; one whose address stays is the same one', () =>
  withSet({}, (set, _clock, drained) => {
    set.update([info('a'), info('b')])
    const [a, b] = set.members
    set.update([info('a', { terminating: true }), info('b')])
    assert.deepEqual(counts(set, 50), { b: 50 })
    set.update([info('b')])
    assert.deepEqual(drained, ['a:443'])
    assert.equal(set.members[0], b)
    set.update([info('a'), info('b')])
    assert.notEqual(set.members[0], a)
  }))

test('without endpoints there is none', () => withSet({}, (set) => assert.equal(set.pick(false), undefined)))

test('an endpoint that is silent is left out at once', () =>
  withSet({ consecutiveFailures: 3, ejectionMs: 2_000 }, (set, clock) => {
    set.update([info('a'), info('b')])
    const [a] = set.members
    set.failed(a!, true)
    assert.deepEqual(counts(set, 50), { b: 50 })
    clock.advance(2_000)
    assert.ok((counts(set, 500)['a'] ?? 0) > 0)
  }))

test('an endpoint that came back has as many failures before it as at first', () =>
  withSet({ consecutiveFailures: 3, ejectionMs: 2_000, slowStartMs: 1 }, (set, clock) => {
    set.update([info('a'), info('b')])
    const [a] = set.members
    for (let i = 0; i < 3; i++) set.failed(a!)
    assert.ok(set.ejected(a!))
    clock.advance(2_001)
    set.failed(a!)
    assert.ok(!set.ejected(a!))
  }))

test('an endpoint whose pool nobody used for long opens another, which equal addresses share', async () => {
  const clock = new FakeClock()
  await using upstreams = new Upstreams({ clock })
  const poolOf = (address: EndpointInfo['address']): UpstreamPool => upstreams.pool(address)
  const alone = onlyEndpoint(info('a').address, poolOf).pick(false)!
  const set = new EndpointSet({ clock, random: seeded(), rules: () => defaultBalancing, poolOf })
  set.update([info('a')])
  const [member] = set.members
  const first = alone.pool
  assert.equal(member!.pool, first)
  clock.advance(600_000)
  assert.ok(first.isClosed)
  assert.ok(!member!.pool.isClosed)
  assert.equal(alone.pool, member!.pool)
  // Nothing else of it changed: what runs there goes on.
  set.update([info('a')])
  assert.equal(set.members[0], member)
})
