import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OtlpJson } from './otlp-json.ts'
import { RecordedSpan } from './recorded-span.ts'
import { noopSpan, type Span, type StartSpan } from './tracer.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'
const PARENT = { traceId: TRACE, spanId: '00f067aa0ba902b7', sampled: true, traceState: 'a=1,b="2"' }
/** Finer than a double can tell in nanoseconds. */
const NOW_MS = 1_795_647_665_835.25

interface Exported {
  resourceSpans: { resource: object; scopeSpans: { scope: object; spans: Record<string, unknown>[] }[] }[]
}
const json = new OtlpJson({ 'service.name': 'portico' }, 'portico')
function exported(...spans: RecordedSpan[]): Exported {
  return JSON.parse(json.body(spans).toString()) as Exported
}
function span(start: StartSpan, during: (span: Span) => void = () => {}): RecordedSpan {
  const made = new RecordedSpan(
    { now: () => NOW_MS, ended: () => {} },
    { name: 'a "b"', traceId: TRACE, spanId: SPAN, start },
  )
  during(made)
  made.end(NOW_MS + 1.5)
  return made
}
const only = (made: RecordedSpan): Record<string, unknown> => exported(made).resourceSpans[0]!.scopeSpans[0]!.spans[0]!

test('an export names its resource and scope once, then each span', () => {
  const [all, ...none] = exported(span({}), span({})).resourceSpans
  assert.equal(none.length, 0)
  assert.deepEqual(all!.resource, { attributes: [{ key: 'service.name', value: { stringValue: 'portico' } }] })
  assert.deepEqual(
    all!.scopeSpans.map(({ scope, spans }) => [scope, spans.length]),
    [[{ name: 'portico' }, 2]],
  )
})

test('a span of its own', () => {
  assert.deepEqual(only(span({})), {
    traceId: TRACE,
    spanId: SPAN,
    flags: 0x101,
    name: 'a "b"',
    kind: 1,
    startTimeUnixNano: '1795647665835250000',
    endTimeUnixNano: '1795647665836750000',
    attributes: [],
  })
})

const local: Span = { ...noopSpan, context: PARENT, recording: true }
const fields: readonly (readonly [string, StartSpan, Record<string, unknown>])[] = [
  ['a server', { kind: 'server' }, { kind: 2 }],
  ['a client', { kind: 'client' }, { kind: 3 }],
  [
    'under a remote parent',
    { parent: PARENT },
    { parentSpanId: PARENT.spanId, flags: 0x301, traceState: PARENT.traceState },
  ],
  [
    'under a local one',
    { parent: local },
    { parentSpanId: PARENT.spanId, flags: 0x101, traceState: PARENT.traceState },
  ],
  [
    'linked',
    { link: { ...PARENT, sampled: false } },
    { links: [{ traceId: TRACE, spanId: PARENT.spanId, traceState: PARENT.traceState, flags: 0x300 }] },
  ],
  ['back-dated', { startMs: 1_795_647_665_000.5 }, { startTimeUnixNano: '1795647665000500000' }],
]
for (const [name, start, wanted] of fields)
  test(`a span: ${name}`, () => {
    const got = only(span(start))
    for (const [field, value] of Object.entries(wanted)) assert.deepEqual(got[field], value, field)
  })

test('attributes: of two values the later counts; each in its type', () => {
  const made = span({ attributes: { code: 100, path: '/\u{1F600}\n"' } }, (s) => {
    s.setAttributes({ code: 200, part: 0.5, ok: true, big: 2 ** 60, none: Number.POSITIVE_INFINITY })
  })
  assert.deepEqual(only(made)['attributes'], [
    { key: 'path', value: { stringValue: '/\u{1F600}\n"' } },
    { key: 'code', value: { intValue: '200' } },
    { key: 'part', value: { doubleValue: 0.5 } },
    { key: 'ok', value: { boolValue: true } },
    { key: 'big', value: { doubleValue: 2 ** 60 } },
    { key: 'none', value: { doubleValue: 'Infinity' } },
  ])
})

test('a failure is a status and, where it was thrown, an event', () => {
  const told = only(span({}, (s) => s.fail('status 503')))
  assert.deepEqual(told['status'], { code: 2, message: 'status 503' })
  assert.equal(told['events'], undefined)
  const thrown = only(span({}, (s) => s.fail(new TypeError('no such thing'))))
  assert.deepEqual(thrown['status'], { code: 2, message: 'no such thing' })
  const [event] = thrown['events'] as {
    name: string
    timeUnixNano: string
    attributes: { key: string; value: object }[]
  }[]
  assert.deepEqual([event!.name, event!.timeUnixNano], ['exception', '1795647665835250000'])
  assert.deepEqual(event!.attributes.slice(0, 2), [
    { key: 'exception.type', value: { stringValue: 'TypeError' } },
    { key: 'exception.message', value: { stringValue: 'no such thing' } },
  ])
  assert.equal(event!.attributes[2]!.key, 'exception.stacktrace')
})

test('an export of more than the memory at hand', () => {
  const long = '\u{1F600}'.repeat(100_000)
  const some = Array.from({ length: 30 }, (_, i) => span({ attributes: { i, long } }))
  const { spans } = exported(...some).resourceSpans[0]!.scopeSpans[0]!
  assert.deepEqual(
    spans.map((s) => s['attributes']),
    some.map((_, i) => [
      { key: 'i', value: { intValue: String(i) } },
      { key: 'long', value: { stringValue: long } },
    ]),
  )
  assert.ok(json.body([]).buffer.byteLength < 1_000_000, 'what was needed once is kept')
})
