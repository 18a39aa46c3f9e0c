import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withPhases } from './ended-span.ts'
import { RecordedSpan, type Recorder } from './recorded-span.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

/** A span begun at 1,000 ms of a clock that the test sets, and those that have ended. */
function setUp(): { clock: { ms: number }; ended: RecordedSpan[]; span: RecordedSpan } {
  const clock = { ms: 1_000 }
  const ended: RecordedSpan[] = []
  const recorder: Recorder = { now: () => clock.ms, ended: (span) => ended.push(span) }
  return { clock, ended, span: new RecordedSpan(recorder, { name: 'all', traceId: TRACE, spanId: SPAN, start: {} }) }
}
const told = (span: RecordedSpan): unknown[] =>
  withPhases(span, () => SPAN).map((s) => [s.name, s.startMs, s.endMs, ...(s.failure === undefined ? [] : [s.failure])])

test('phases of a span follow each other, and the last ends with it', () => {
  const { clock, ended, span } = setUp()
  span.enter('before', 990)
  span.leave(995)
  span.enter('pick')
  clock.ms = 1_010
  span.enter('connect')
  clock.ms = 1_030
  span.end()
  clock.ms = 1_040
  span.leave()
  assert.deepEqual(told(span), [
    ['all', 1_000, 1_030],
    ['before', 990, 995],
    ['pick', 1_000, 1_010],
    ['connect', 1_010, 1_030],
  ])
  assert.deepEqual(ended, [span], 'phases go with it')
})

test('the phase under way fails with its span, those before it do not', () => {
  const { span } = setUp()
  span.enter('pick')
  span.enter('connect')
  span.fail(new Error('refused'))
  span.end()
  assert.deepEqual(told(span), [
    ['all', 1_000, 1_000, 'refused'],
    ['pick', 1_000, 1_000],
    ['connect', 1_000, 1_000, 'refused'],
  ])
  const other = setUp().span
  other.enter('authentication')
  other.leave()
  other.fail('status 503')
  other.end()
  assert.deepEqual(told(other), [
    ['all', 1_000, 1_000, 'status 503'],
    ['authentication', 1_000, 1_000],
  ])
})
