import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  all,
  decodeOne,
  fails,
  names,
  PREFIX,
  Recorder,
  type Thing,
  thingCache,
} from '../../../test/harness/thing-cache.ts'
import { Deferred } from '../../lib/deferred.ts'
import { nextTurn } from '../../lib/next-turn.ts'
import type { Decode, Decoded, Undecodable } from './cache-item.ts'

/** Decodes when it is told to; each call is one batch. */
function onDemand() {
  const calls: { names: string[]; succeed(): void; fail(): void }[] = []
  let called = new Deferred()
  const decode: Decode<Thing> = (values) => {
    const { promise, resolve, reject } = Promise.withResolvers<(Decoded<Thing> | Undecodable)[]>()
    calls.push({
      names: values.map((v) => v.key.slice(PREFIX.length)),
      succeed: () => resolve(values.map(decodeOne)),
      fail: () => reject(new Error('the converter is down')),
    })
    called.resolve()
    return promise
  }
  async function call(n: number): Promise<(typeof calls)[number]> {
    while (calls.length <= n) {
      called = new Deferred()
      await called.promise
    }
    return calls[n]!
  }
  return { decode, call, calls }
}

test('decoding: batches keep their order, a corrupt one spoils only itself, and no batch is decoded before its turn', async () => {
  const { decode, call, calls } = onDemand()
  await using t = await thingCache({ decode })
  await t.put('a', 'red')
  await t.put('x', 'corrupt')
  const filled = t.cache.list(PREFIX)
  ;(await call(0)).succeed()
  assert.deepEqual(names((await filled).items), ['a'])
  const sink = new Recorder()
  t.cache.subscribe({ scope: all, after: t.cache.revision }, sink)
  const b = await t.put('b', 'red')
  const first = await call(1)
  await t.put('y', 'corrupt')
  const c = await t.put('c', 'red')
  await nextTurn()
  assert.deepEqual(
    calls.map((o) => o.names),
    [['a', 'x'], ['b']],
  )
  first.succeed()
  const second = await call(2)
  assert.deepEqual([second.names, sink.seen], [['y', 'c'], [`ADDED b red ${b}`]])
  second.succeed()
  await t.cache.reach(c)
  assert.deepEqual(sink.seen, [`ADDED b red ${b}`, `ADDED c red ${c}`])
  assert.deepEqual(
    t.cache.corrupt(PREFIX).map((o) => o.key),
    [`${PREFIX}x`, `${PREFIX}y`],
  )
})
test('decoding: a batch that fails as a whole is decoded again after a while; nothing is lost', async () => {
  const { decode, call } = onDemand()
  await using t = await thingCache({ decode })
  await t.put('a', 'red')
  const filled = t.cache.list(PREFIX)
  ;(await call(0)).fail()
  await nextTurn()
  t.clock.advance(1000)
  ;(await call(1)).succeed()
  assert.deepEqual(names((await filled).items), ['a'])
  const b = await t.put('b', 'red')
  ;(await call(2)).fail()
  await nextTurn()
  assert.ok(t.cache.revision < b)
  t.clock.advance(1000)
  const again = await call(3)
  assert.deepEqual(again.names, ['b'])
  again.succeed()
  await t.cache.reach(b)
  assert.deepEqual(names((await t.cache.list(PREFIX)).items), ['a', 'b'])
})
test('decoding: a cache that is closed does not wait for what is being decoded', async () => {
  const { decode, call } = onDemand()
  await using t = await thingCache({ decode })
  await t.put('a', 'red')
  const filled = assert.rejects(t.cache.list(PREFIX), fails('not-ready'))
  await call(0)
  await t.cache[Symbol.asyncDispose]()
  await filled
})
test('decoding: what need not wait is handed on in the turn of its event', async () => {
  await using t = await thingCache()
  await t.cache.list(PREFIX)
  const seen: string[] = []
  const sink = new Recorder()
  sink.event = (_type, item) => seen.push(item.object.name) > 0
  t.cache.subscribe({ scope: all, after: t.cache.revision }, sink)
  await nextTurn()
  void t.put('a', 'red')
  setImmediate(() => seen.push('next turn'))
  await nextTurn()
  assert.deepEqual(seen, ['a', 'next turn'])
})
