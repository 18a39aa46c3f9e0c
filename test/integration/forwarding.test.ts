/** One forwarded request by itself: when it is sent again, what its endpoint and its backend are told, what is left over. */
import assert from 'node:assert/strict'
import { PassThrough, type Readable } from 'node:stream'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { StatusError } from '../../src/api/status-error.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { nextTurn } from '../../src/lib/next-turn.ts'
import { MetricsRegistry } from '../../src/observability/metrics-registry.ts'
import { noopTracer } from '../../src/observability/tracer.ts'
import { Endpoint } from '../../src/proxy/endpoint-set.ts'
import { type ForwardRequest, type ForwardRules, forward } from '../../src/proxy/forward.ts'
import { ProxyMetrics } from '../../src/proxy/proxy-metrics.ts'
import { RetryBudget } from '../../src/proxy/retries.ts'
import {
  SilentEndpointError,
  UpstreamError,
  type UpstreamHandler,
  type UpstreamRequest,
  type UpstreamStream,
} from '../../src/proxy/upstream.ts'
import { defaultPoolOptions } from '../../src/proxy/pool-options.ts'
import { type SendOptions, UpstreamPool } from '../../src/proxy/upstream-pool.ts'
import { fakeRequest } from '../harness/fake-exchange.ts'

interface Attempt extends SendOptions {
  readonly to: string
  readonly handler: UpstreamHandler
  aborted: boolean
}
/** Sends nothing: the test answers. */
class FakePool extends UpstreamPool {
  readonly attempts: Attempt[]
  constructor(host: string, clock: FakeClock, attempts: Attempt[]) {
    super({ host, port: 443, tls: undefined }, { ...defaultPoolOptions, clock })
    this.attempts = attempts
  }
  override send(_request: UpstreamRequest, handler: UpstreamHandler, how: SendOptions): UpstreamStream {
    const attempt: Attempt = { ...how, to: this.address.host, handler, aborted: false }
    this.attempts.push(attempt)
    return { write: () => true, end() {}, resume() {}, abort: () => void (attempt.aborted = true) }
  }
}

function start(o: {
  readonly method?: string
  readonly target?: string
  readonly body?: Readable
  readonly hosts?: readonly string[]
  readonly rules?: Partial<ForwardRules>
  readonly more?: Partial<ForwardRequest>
}) {
  const clock = new FakeClock()
  const attempts: Attempt[] = []
  const endpoints = (o.hosts ?? ['a', 'b']).map((host) => {
    const pool = new FakePool(host, clock, attempts)
    return new Endpoint({ address: pool.address, zone: '', terminating: false }, () => pool, 0)
  })
  const failed: [string, boolean | undefined][] = []
  const verdicts: [string, number][] = []
  let error: StatusError | undefined
  const { ctx, exchange } = fakeRequest(
    { method: o.method ?? 'GET', target: o.target ?? '/apis/g/v1/things', ...(o.body ? { body: o.body } : {}) },
    clock,
  )
  ctx.user = { name: 'jane', groups: [] }
  ctx.recover = (_, e) => {
    error = e as StatusError
    exchange.respond(error.code, [])
    exchange.end()
  }
  const registry = new MetricsRegistry()
  forward(ctx, {
    rules: {
      backend: 'b',
      identity: 'requestheader',
      metrics: new ProxyMetrics(registry).of('b'),
      tracer: noopTracer,
      clock,
      ...o.rules,
    },
    endpoints: {
      size: endpoints.length,
      pick: (_longRunning, tried = []) => endpoints.find((e) => !tried.includes(e)) ?? endpoints[0],
      failed: (e, silent) => void failed.push([e.address.host, silent]),
      succeeded: () => {},
    },
    longRunning: ctx.longRunning,
    onVerdict: (verdict, _error, status) => void verdicts.push([verdict, status]),
    ...o.more,
  })
  return { clock, attempts, endpoints, failed, verdicts, exchange, registry, error: () => error }
}
const silent = (): UpstreamError =>
  new UpstreamError('first-byte', 'lost', { cause: new SilentEndpointError('nothing comes') })
const refused = (): UpstreamError => new UpstreamError('connect', 'refused', { unprocessed: true })

const failures: readonly {
  readonly name: string
  readonly error: UpstreamError
  readonly method?: string
  readonly hosts?: readonly string[]
  readonly sentTo: readonly string[]
  readonly silent?: boolean
}[] = [
  { name: 'no connection, and another endpoint', error: refused(), sentTo: ['a', 'b'] },
  { name: 'no connection, and no other endpoint', error: refused(), hosts: ['a'], sentTo: ['a'] },
  { name: 'silence, and another endpoint', error: silent(), sentTo: ['a', 'b'], silent: true },
  { name: 'silence, and no other endpoint', error: silent(), hosts: ['a'], sentTo: ['a'], silent: true },
  {
    name: 'a reset, and no other endpoint',
    error: new UpstreamError('first-byte', 'reset'),
    hosts: ['a'],
    sentTo: ['a', 'a'],
  },
  { name: 'a reset of a POST', error: new UpstreamError('first-byte', 'reset'), method: 'POST', sentTo: ['a'] },
  { name: 'our own patience', error: new UpstreamError('first-byte', 'late', { timedOut: true }), sentTo: ['a'] },
]
for (const { name, error, method = 'GET', hosts = ['a', 'b'], sentTo, silent: isSilent = false } of failures) {
  test(`forward: ${name}: sent to ${sentTo.join(', ')}`, () => {
    const { attempts, failed } = start({ method, hosts })
    attempts[0]!.handler.failed(error)
    assert.deepEqual(
      attempts.map((a) => a.to),
      sentTo,
    )
    assert.deepEqual(failed, [['a', isSilent]])
  })
}

test('forward: two more attempts, and the error tells how many there were', () => {
  const { attempts, error } = start({ hosts: ['a', 'b', 'c', 'd'] })
  for (let i = 0; i < 3; i++) attempts[i]!.handler.failed(refused())
  assert.equal(attempts.length, 3)
  assert.equal(error()?.details?.causes?.find((c) => c.field === 'attempts')?.message, '3')
})

test('forward: only after a connection that waited and was dead the next attempt wants a new one', () => {
  for (const stale of [true, false]) {
    const { attempts } = start({})
    attempts[0]!.handler.failed(new UpstreamError('first-byte', 'EOF', { stale }))
    assert.deepEqual(
      attempts.map((a) => a.fresh),
      [false, stale],
    )
  }
})

test('forward: without a budget nothing is sent again, and it is counted', async () => {
  const { attempts, registry } = start({ rules: { budget: new RetryBudget(0) } })
  attempts[0]!.handler.failed(refused())
  assert.equal(attempts.length, 1)
  let text = ''
  for await (const part of registry.render()) text += part
  assert.match(text, /portico_proxy_retry_budget_exhausted_total\{backend="b"\} 1/)
})

for (const [status, verdict] of [
  [200, 'ok'],
  [404, 'ok'],
  [500, 'ok'],
  [502, 'failed'],
  [503, 'failed'],
  [504, 'failed'],
] as const) {
  test(`forward: an answer ${status} says of the backend: ${verdict}`, () => {
    const { attempts, verdicts, failed } = start({})
    attempts[0]!.handler.answered(status, ['content-length', '0'])
    attempts[0]!.handler.ended([])
    assert.deepEqual(verdicts, [[verdict, status]])
    assert.equal(failed.length, verdict === 'failed' ? 1 : 0)
  })
}

test('forward: a deadline that passed without an answer is a failure of the backend, a client that left is none', () => {
  const late = start({})
  late.exchange.respond(504, [])
  late.exchange.end()
  assert.deepEqual(late.verdicts, [['failed', 0]])
  const left = start({})
  left.exchange.abort(new Error('gone'))
  assert.deepEqual(left.verdicts, [['abandoned', 0]])
  for (const { attempts, endpoints } of [late, left]) {
    assert.equal(attempts[0]!.aborted, true)
    assert.equal(endpoints[0]!.inFlight, 0)
  }
})

test('forward: a body is kept to be sent again until the answer begins, and no longer', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const body = new PassThrough()
  const { attempts } = start({ method: 'POST', body })
  attempts[0]!.handler.drained()
  const piece = (() => {
    const bytes = new ArrayBuffer(1_024)
    body.write(Buffer.from(bytes))
    return new WeakRef(bytes)
  })()
  const isKept = async (): Promise<boolean> => {
    for (let i = 0; i < 3; i++) await nextTurn()
    collect()
    return piece.deref() !== undefined
  }
  assert.equal(await isKept(), true)
  attempts[0]!.handler.answered(200, [])
  assert.equal(await isKept(), false)
})

test('forward: each piece of the answer puts the idle limit off', () => {
  const { attempts, exchange, clock } = start({ more: { idleTimeoutMs: 1_000 } })
  attempts[0]!.handler.answered(200, [])
  for (let i = 0; i < 3; i++) {
    clock.advance(999)
    attempts[0]!.handler.data(Buffer.from('x'))
  }
  clock.advance(999)
  assert.equal(exchange.phase, 'responded')
  clock.advance(1)
  assert.match(String(exchange.aborted), /nothing came for 1000 ms/)
  assert.equal(attempts[0]!.aborted, true)
  assert.equal(clock.pending, 0)
})

test('forward: a watch is ended between two events, and leaves nothing behind', () => {
  let tracked = 0
  const trackWatch = (): (() => void) => {
    tracked++
    return () => void tracked--
  }
  const event = Buffer.from('{"type":"ADDED"}\n')
  const open = () => {
    const watch = start({ target: '/apis/g/v1/things?watch=1', rules: { trackWatch } })
    watch.attempts[0]!.handler.answered(200, ['content-type', 'application/json'])
    watch.attempts[0]!.handler.data(event)
    return watch
  }
  const soft = open()
  const [endpoint] = soft.endpoints
  assert.deepEqual([endpoint!.watches, endpoint!.endings.size, tracked], [1, 1, 1])
  soft.attempts[0]!.handler.data(event.subarray(0, 5))
  for (const end of endpoint!.endings) end()
  assert.equal(soft.exchange.phase, 'responded', 'in the middle of an event')
  soft.attempts[0]!.handler.data(event.subarray(5))
  assert.equal(soft.exchange.phase, 'finished')
  assert.equal(soft.exchange.text, event.toString().repeat(2))
  const usual = open()
  usual.attempts[0]!.handler.ended([])
  for (const { endpoints } of [soft, usual])
    assert.deepEqual([endpoints[0]!.watches, endpoints[0]!.endings.size], [0, 0])
  assert.equal(tracked, 0)
})

test('forward: who looks on is told while the client does not read', () => {
  const told: boolean[] = []
  const tap = { answered: () => {}, data: () => {}, blocked: (isBlocked: boolean) => void told.push(isBlocked) }
  const { attempts, exchange } = start({ more: { tap } })
  let drained: (() => void) | undefined
  exchange.write = () => false
  exchange.onDrain = (fn: () => void) => {
    drained = fn
  }
  attempts[0]!.handler.answered(200, [])
  assert.equal(attempts[0]!.handler.data(Buffer.from('x')), false)
  assert.deepEqual(told, [true])
  drained!()
  assert.deepEqual(told, [true, false])
})
