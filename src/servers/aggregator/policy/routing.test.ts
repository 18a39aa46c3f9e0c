import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeRequest } from '../../../../test/harness/fake-exchange.ts'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { compileRoutes } from './routing.ts'

const routing = compileRoutes({
  backends: [{ name: 'default' }, { name: 'b' }, { name: 'c' }, { name: 'unused' }],
  routes: [
    { matches: [{ resources: ['moved'] }], to: [{ backend: 'b' }] },
    {
      to: [
        { backend: 'default', weight: 50 },
        { backend: 'b', weight: 30 },
        { backend: 'c', weight: 20 },
        { backend: 'unused', weight: 0 },
      ],
    },
  ],
})
const clock = new FakeClock()
const picks = (resource: string, down: readonly string[]): string[] =>
  Array.from({ length: 300 }, (_, i) => {
    const { ctx } = fakeRequest(
      { target: `/apis/g.example.com/v1/${resource}`, headers: { 'user-agent': `client-${i}` } },
      clock,
    )
    return routing.pick(ctx, (backend) => !down.includes(backend))
  })
const countOf = (found: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    ['default', 'b', 'c', 'unused'].map((name) => [name, Math.round(found.filter((f) => f === name).length / 30)]),
  )

test('routing: what requests may go to', () => {
  assert.deepEqual([...routing.destinations], ['default', 'b', 'c'])
})

for (const { name, down, want } of [
  { name: 'all are there', down: [], want: { default: 5, b: 3, c: 2, unused: 0 } },
  {
    name: 'one is down: its clients are divided by the weights of the others',
    down: ['default'],
    want: { default: 0, b: 6, c: 4, unused: 0 },
  },
  { name: 'one of no weight takes nothing over', down: ['default', 'b'], want: { default: 0, b: 0, c: 10, unused: 0 } },
  {
    name: 'all are down: as if all were there',
    down: ['default', 'b', 'c'],
    want: { default: 5, b: 3, c: 2, unused: 0 },
  },
]) {
  test(`routing by weight: ${name}`, () => {
    const found = picks('things', down)
    const counts = countOf(found)
    for (const [backend, tenths] of Object.entries(want))
      assert.ok(Math.abs(counts[backend]! - tenths) <= 1, `${backend}: ${counts[backend]} tenths, not ${tenths}`)
  })
}

test('routing by weight: clients of a backend that is there do not move', () => {
  const [before, after] = [picks('things', []), picks('things', ['b'])]
  assert.ok(before.every((backend, i) => backend === 'b' || backend === after[i]))
})

test('routing by match: a backend that is down has no stand-in', () => {
  assert.deepEqual(new Set(picks('moved', ['b'])), new Set(['b']))
})

test('routing: what is explained is what is picked, and whose it would be else', () => {
  const down = ['default']
  const isUsable = (backend: string): boolean => !down.includes(backend)
  for (let i = 0; i < 100; i++) {
    const { ctx } = fakeRequest(
      { target: '/apis/g.example.com/v1/things', headers: { 'user-agent': `client-${i}` } },
      clock,
    )
    const { backend, index, because, insteadOf } = routing.explain(ctx, isUsable)
    const mine = routing.pick(ctx, () => true)
    assert.equal(backend, routing.pick(ctx, isUsable))
    assert.deepEqual([index, because, insteadOf], [1, 'matches every request', mine === backend ? undefined : mine])
  }
})

test('routing: shares are told in percent, also the smallest beside the greatest', () => {
  const { ctx } = fakeRequest({ target: '/apis/g.example.com/v1/things' }, clock)
  assert.deepEqual(
    routing.explain(ctx, () => true).shares.map((s) => [s.backend, s.percent]),
    [
      ['default', 50],
      ['b', 30],
      ['c', 20],
      ['unused', 0],
    ],
  )
  const uneven = compileRoutes({
    routes: [
      {
        to: [
          { backend: 'a', weight: 1_000_000 },
          { backend: 'b', weight: 1 },
        ],
      },
    ],
  })
  assert.deepEqual(
    uneven.explain(ctx, () => true).shares.map((s) => s.percent),
    [99.9999, 0.0001],
  )
})
