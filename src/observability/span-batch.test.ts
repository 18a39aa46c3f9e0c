import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deferred } from '../lib/deferred.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { type LogFields, type Logger, noopLogger } from './logger.ts'
import { SpanBatch } from './span-batch.ts'

/** A collector whose answers the test gives. @param o.each what a span counts with its phases. */
function setUp(o: { each?: number } = {}): {
  batch: SpanBatch<number>
  clock: FakeClock
  /** Of each export: how many spans. */
  exports: number[]
  answers: Deferred<void>[]
  counts: { sent: number; dropped: number }
  warnings: string[]
} {
  const clock = new FakeClock()
  const [exports, answers, warnings]: [number[], Deferred<void>[], string[]] = [[], [], []]
  const counts = { sent: 0, dropped: 0 }
  const log: Logger = { ...noopLogger, warn: (message: string, _fields?: LogFields) => warnings.push(message) }
  const batch = new SpanBatch<number>({
    clock,
    export: (spans) => {
      exports.push(spans.length)
      answers.push(new Deferred())
      return answers.at(-1)!.promise
    },
    count: (spans) => spans.length * (o.each ?? 1),
    sent: { inc: (by = 1) => (counts.sent += by) },
    dropped: { inc: (by = 1) => (counts.dropped += by) },
    log,
  })
  return { batch, clock, exports, answers, counts, warnings }
}
function add(batch: SpanBatch<number>, count: number): void {
  for (let i = 0; i < count; i++) batch.add(i)
}

test('few spans wait five seconds for company', () => {
  const { batch, clock, exports } = setUp()
  add(batch, 3)
  clock.advance(4_999)
  assert.deepEqual(exports, [])
  clock.advance(1)
  assert.deepEqual(exports, [3])
})

test('many are sent at once, and one export at a time', async () => {
  const { batch, clock, exports, answers, counts } = setUp()
  add(batch, 512)
  assert.deepEqual(exports, [512])
  add(batch, 600)
  assert.deepEqual(exports, [512])
  answers[0]!.resolve()
  await nextTurn()
  assert.deepEqual(exports, [512, 512])
  answers[1]!.resolve()
  await nextTurn()
  clock.advance(5_000)
  assert.deepEqual(exports, [512, 512, 88])
  assert.deepEqual(counts, { sent: 1_024, dropped: 0 })
})

test('while the collector is away the queue is bounded; what is lost is counted, and said once', async () => {
  const { batch, exports, answers, counts, warnings } = setUp()
  add(batch, 512 + 2_048 + 100)
  assert.deepEqual(counts, { sent: 0, dropped: 100 })
  for (let i = 0; i < 2; i++) {
    answers[i]!.reject(new Error('nobody there'))
    await nextTurn()
  }
  assert.deepEqual([exports.length, counts, warnings.length], [3, { sent: 0, dropped: 1_124 }, 1])
  answers[2]!.resolve()
  await nextTurn()
  answers[3]!.reject(new Error('gone again'))
  await nextTurn()
  assert.deepEqual([counts, warnings.length], [{ sent: 512, dropped: 1_636 }, 2])
})

test('what is left when it is disposed of is sent before that ends', async () => {
  const { batch, clock, exports, answers, counts } = setUp()
  add(batch, 512 + 7)
  const disposed = batch[Symbol.asyncDispose]()
  answers[0]!.resolve()
  await nextTurn()
  assert.deepEqual(exports, [512, 7])
  answers[1]!.resolve()
  await disposed
  assert.deepEqual(counts, { sent: 519, dropped: 0 })
  clock.advance(60_000)
  assert.deepEqual(exports, [512, 7])
})

test('phases are counted with their spans, sent or dropped', async () => {
  const { batch, answers, counts } = setUp({ each: 3 })
  add(batch, 512 + 2_048 + 100)
  assert.deepEqual(counts, { sent: 0, dropped: 300 })
  answers[0]!.resolve()
  await nextTurn()
  assert.deepEqual(counts, { sent: 1_536, dropped: 300 })
  answers[1]!.reject(new Error('nobody there'))
  await nextTurn()
  assert.deepEqual(counts, { sent: 1_536, dropped: 1_836 })
})
