/** The guard of streamed lists by itself: when it looks, what it learns, how it ends a stream. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { StatusError } from '../../src/api/status-error.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { noopMetrics } from '../../src/observability/metrics.ts'
import type { AnswerTap } from '../../src/proxy/forward.ts'
import { WatchListGuard } from '../../src/servers/aggregator/backends/watch-list-guard.ts'
import { type FakeExchange, fakeRequest } from '../harness/fake-exchange.ts'
import { until } from '../harness/until.ts'

const PATH = '/apis/g.example.com/v1/things'
const STREAMED = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
const ADDED = Buffer.from('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n')
const END = Buffer.from(
  '{"type":"BOOKMARK","object":{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}}\n',
)

function setUp() {
  const clock = new FakeClock()
  const guard = new WatchListGuard({ clock, metrics: noopMetrics, timeoutMs: 4000 })
  const open = (query = STREAMED, target = 't'): { tap: AnswerTap | undefined; exchange: FakeExchange } => {
    const { ctx, exchange } = fakeRequest({ target: `${PATH}?${query}` }, clock)
    ctx.recover = (_, e) => exchange.end(Buffer.from(String((e as StatusError).code)))
    return { tap: guard.enter(ctx, 'v1.g.example.com', target), exchange }
  }
  const answer = (o: { tap: AnswerTap | undefined; exchange: FakeExchange }, ...headers: string[]): AnswerTap => {
    o.exchange.respond(200, [])
    o.tap!.answered(200, headers.length === 0 ? ['Content-Type', 'application/json'] : headers)
    return o.tap!
  }
  return { clock, guard, open, answer }
}
const isRefusal = (e: unknown): boolean => e instanceof StatusError && e.code === 422 && e.reason === 'Invalid'

for (const query of [
  'watch=1',
  'watch=1&allowWatchBookmarks=true',
  STREAMED.replace('sendInitialEvents=true', 'sendInitialEvents=false'),
  STREAMED.replace('&allowWatchBookmarks=true', ''),
  STREAMED.replace('watch=1&', ''),
]) {
  test(`watch-list guard: ${query} is none of its business`, () => {
    const { open, guard, clock } = setUp()
    assert.equal(open(query).tap, undefined)
    assert.equal(guard.size + clock.pending, 0)
  })
}

test('watch-list guard: after one bookmark a resource is trusted and its streams are not looked at', () => {
  const { open, answer, clock } = setUp()
  const first = open()
  answer(first).data(Buffer.concat([ADDED, END]))
  assert.equal(clock.pending, 0)
  clock.advance(60_000)
  assert.equal(first.exchange.phase, 'responded')
  assert.equal(open().tap, undefined)
})

test('watch-list guard: 4 s of silence end a stream; the next one is refused', () => {
  const { open, answer, clock } = setUp()
  const first = open()
  answer(first).data(ADDED)
  clock.advance(3999)
  assert.equal(first.exchange.phase, 'responded')
  clock.advance(1)
  assert.equal(first.exchange.phase, 'finished')
  assert.match(first.exchange.text, /^\{"type":"ERROR","object":\{.*"code":422/)
  assert.throws(() => open(), isRefusal)
  assert.notEqual(open(STREAMED, 'another target').tap, undefined)
})

test('watch-list guard: a large first list may take as long as it keeps coming', () => {
  const { open, answer, clock } = setUp()
  const first = open()
  const tap = answer(first)
  const large = Buffer.from(`{"type":"ADDED","object":{"a":"${'x'.repeat(40_000)}"}}\n`)
  for (let i = 0; i < 100; i++) {
    tap.data(large)
    clock.advance(1990)
  }
  assert.equal(first.exchange.phase, 'responded')
  tap.data(END)
  assert.equal(open().tap, undefined, 'trusted')
})

const trickles: readonly { name: string; event: Buffer; times: number }[] = [
  { name: 'a few new objects', event: ADDED, times: 4 },
  {
    name: 'many changes',
    event: Buffer.from(`{"type":"MODIFIED","object":{"a":"${'x'.repeat(40_000)}"}}\n`),
    times: 40,
  },
  { name: 'ordinary bookmarks', event: Buffer.from('{"type":"BOOKMARK","object":{"metadata":{}}}\n'), times: 4 },
]
for (const { name, event, times } of trickles) {
  test(`watch-list guard: ${name} are no list on its way`, () => {
    const { open, answer, clock } = setUp()
    const first = open()
    const tap = answer(first)
    for (let i = 0; i < times; i++) {
      tap.data(event)
      clock.advance(4000 / times)
    }
    assert.equal(first.exchange.phase, 'finished')
    assert.throws(() => open(), isRefusal)
  })
}

test('watch-list guard: a client that does not read is no silence of the backend', () => {
  const { open, answer, clock } = setUp()
  const first = open()
  const tap = answer(first)
  tap.data(ADDED)
  tap.blocked(true)
  clock.advance(600_000)
  assert.equal(first.exchange.phase, 'responded')
  tap.blocked(false)
  clock.advance(4000)
  assert.equal(first.exchange.phase, 'finished')
})

test('watch-list guard: an answer that does not begin ends as soon, and speaks against the backend for a minute', () => {
  const { open, clock } = setUp()
  const first = open()
  clock.advance(3999)
  assert.equal(first.exchange.phase, 'waiting')
  clock.advance(1)
  assert.equal(first.exchange.text, '422')
  clock.advance(59_999)
  assert.throws(() => open(), isRefusal)
  clock.advance(1)
  assert.notEqual(open().tap, undefined)
})

test('watch-list guard: within an event there is no place for an error', () => {
  const { open, answer, clock } = setUp()
  const first = open()
  answer(first).data(ADDED.subarray(0, 10))
  clock.advance(4000)
  assert.ok(first.exchange.aborted instanceof Error)
  assert.equal(first.exchange.text, '')
})

test('watch-list guard: a stream in protobuf ends with an error in protobuf', () => {
  const { open, answer, clock } = setUp()
  const first = open()
  answer(first, 'content-type', 'application/vnd.kubernetes.protobuf;stream=watch')
  clock.advance(4000)
  assert.match(first.exchange.text, /^\0\0..[^]*ERROR[^]*k8s\0/)
})

test('watch-list guard: what is compressed in an unknown way, or no watch at all, is let pass', () => {
  const { open, answer, clock } = setUp()
  answer(open(), 'content-type', 'application/json', 'content-encoding', 'compress')
  open().tap!.answered(403, ['content-type', 'application/json'])
  assert.equal(clock.pending, 0)
})

test('watch-list guard: what is compressed has no place for an error', () => {
  const { open, answer, clock } = setUp()
  const first = open()
  answer(first, 'content-type', 'application/json', 'content-encoding', 'gzip').data(gzipSync(ADDED))
  clock.advance(4000)
  assert.ok(first.exchange.aborted instanceof Error)
  assert.throws(() => open(), isRefusal)
})

test('watch-list guard: what only says that it is compressed is let pass', async () => {
  const { open, answer, clock } = setUp()
  const first = open()
  answer(first, 'content-type', 'application/json', 'content-encoding', 'gzip').data(ADDED)
  await until('it gave up', () => clock.pending === 0)
  assert.equal(first.exchange.phase, 'responded')
})

test('watch-list guard: what comes faster than it can be inflated is let pass, not held', () => {
  const { open, answer, clock } = setUp()
  const first = open()
  const tap = answer(first, 'content-type', 'application/json', 'content-encoding', 'gzip')
  const chunk = gzipSync(randomBytes(65_536))
  for (let i = 0; i < 15; i++) tap.data(chunk)
  assert.equal(clock.pending, 1)
  for (let i = 0; i < 5; i++) tap.data(chunk)
  assert.equal(clock.pending, 0)
  assert.equal(first.exchange.phase, 'responded')
})

test('watch-list guard: two streams that a backend ends without the bookmark tell as much', () => {
  const { open, answer } = setUp()
  for (let i = 0; i < 2; i++) {
    const stream = open()
    answer(stream).data(ADDED)
    stream.exchange.end()
  }
  assert.throws(() => open(), isRefusal)
})

test('watch-list guard: what was learned goes with the backend, and after an hour', () => {
  const { open, answer, clock, guard } = setUp()
  answer(open())
  clock.advance(4000)
  assert.throws(() => open(), isRefusal)
  clock.advance(3_600_000)
  const again = open()
  assert.notEqual(again.tap, undefined)
  assert.equal(guard.size, 1)
  answer(again)
  clock.advance(4000)
  guard.forget('v1.g.example.com')
  assert.equal(guard.size, 0)
  assert.notEqual(open().tap, undefined)
})
