import assert from 'node:assert/strict'
import { test } from 'node:test'
import { notFound } from '../../api/status-error.ts'
import type { TransportResponse } from '../../client/transport.ts'
import type { Outcome } from '../../http/exchange.ts'
import type { Handler } from '../../http/filter.ts'
import { FakeClock } from '../../lib/fake-clock.ts'
import { noopLogger } from '../../observability/logger.ts'
import { inProcessTransport } from './in-process-transport.ts'

const USER = { name: 'system:apiserver', groups: ['system:masters'] }

function call(
  handler: Handler,
  o: { signal?: AbortSignal; body?: Uint8Array; rejectErrors?: boolean } = {},
): Promise<TransportResponse> {
  const { rejectErrors = false, signal = new AbortController().signal, ...request } = o
  const transport = inProcessTransport({ handler, user: USER, clock: new FakeClock(), log: noopLogger, rejectErrors })
  return Promise.resolve(
    transport({ method: 'POST', path: '/api/v1/namespaces?limit=1', headers: { a: 'b' }, signal, ...request }),
  )
}
async function textOf(response: TransportResponse): Promise<string> {
  let text = ''
  for await (const chunk of response.body) text += String(chunk)
  return text
}

test('in process: a handler sees the user, the request and its body; the answer comes back whole', async () => {
  let outcome: Outcome | undefined
  const response = await call(
    async (ctx) => {
      ctx.exchange.onFinish((o) => {
        outcome = o
      })
      assert.deepEqual(ctx.user, USER)
      assert.deepEqual([ctx.info.verb, ctx.info.resource, ctx.rawQuery], ['create', 'namespaces', 'limit=1'])
      assert.equal(ctx.exchange.headers.get('a'), 'b')
      const body = await Array.fromAsync(ctx.exchange.body())
      ctx.answer(201, ['X-Name', 'v'], Buffer.concat(body as Buffer[]))
    },
    { body: Buffer.from('sent') },
  )
  assert.equal(response.status, 201)
  assert.equal(response.headers['x-name'], 'v')
  assert.equal(await textOf(response), 'sent')
  assert.deepEqual(outcome, { kind: 'complete', status: 201, bytesIn: 4, bytesOut: 4 })
})

const failing: Handler = () => {
  throw notFound({ group: '', resource: 'namespaces' }, 'a')
}

test('in process: what a handler throws is the answer, or rejects where that is asked for', async () => {
  const response = await call(failing)
  assert.equal(response.status, 404)
  assert.equal((JSON.parse(await textOf(response)) as { reason: string }).reason, 'NotFound')
  await assert.rejects(call(failing, { rejectErrors: true }), { code: 404 })
})

test('in process: an abort ends the request on both sides', async () => {
  const abort = new AbortController()
  const outcome = Promise.withResolvers<Outcome>()
  const pending = call((ctx) => ctx.exchange.onFinish(outcome.resolve), { signal: abort.signal })
  abort.abort(new Error('enough'))
  await assert.rejects(pending, /enough/)
  assert.equal((await outcome.promise).kind, 'client-gone')
})

test('in process: an answer broken off never looks complete', async () => {
  const response = await call((ctx) => {
    ctx.respond(200, [])
    ctx.exchange.write(Buffer.from('half'))
    setImmediate(() => ctx.exchange.abort(new Error('broken')))
  })
  await assert.rejects(textOf(response), /broken/)
})

test('in process: a request that was given up before it began never reaches the handler', async () => {
  const handler: Handler = () => assert.fail('called')
  await assert.rejects(call(handler, { signal: AbortSignal.abort(new Error('enough')) }), /enough/)
})

for (const { path, isCut } of [
  { path: '/api/v1/configmaps', isCut: true },
  { path: '/api/v1/configmaps?watch=1', isCut: false },
]) {
  test(`in process: GET ${path} ${isCut ? 'ends' : 'goes on'} at the deadline`, async () => {
    const clock = new FakeClock()
    const outcomes: Outcome[] = []
    const handler: Handler = (ctx) => ctx.exchange.onFinish((o) => outcomes.push(o))
    const transport = inProcessTransport({ handler, user: USER, clock, log: noopLogger, timeoutMs: 60_000 })
    const abort = new AbortController()
    const pending = transport({ method: 'GET', path, headers: {}, signal: abort.signal })
    pending.catch(() => {})
    clock.advance(60_000)
    assert.deepEqual(
      outcomes.map((o) => o.kind),
      isCut ? ['aborted'] : [],
    )
    abort.abort(new Error('enough'))
    await assert.rejects(pending, isCut ? { code: 504 } : /enough/)
  })
}
