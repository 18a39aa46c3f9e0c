import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type EndedSpan, withPhases } from './ended-span.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'

test('phases are spans below theirs, of the same trace', () => {
  const span: EndedSpan = {
    name: 'HTTP GET',
    kind: 'client',
    context: { traceId: TRACE, spanId: 'b7ad6b7169203331', sampled: true, traceState: 'a=1' },
    parent: { traceId: TRACE, spanId: '00f067aa0ba902b7', sampled: true },
    isParentRemote: true,
    link: undefined,
    startMs: 1_000,
    endMs: 1_030,
    attributes: [{ color: 'red' }],
    events: [{ name: 'sent again', timeMs: 1_010 }],
    failure: 'refused',
    phases: [
      { name: 'pick', startMs: 1_000, endMs: 1_010, failure: undefined },
      { name: 'connect', startMs: 1_010, endMs: 1_030, failure: 'refused' },
    ],
  }
  let ids = 0
  const [self, ...phases] = withPhases(span, () => String(++ids).padStart(16, '0'))
  assert.equal(self, span)
  const shared = {
    kind: 'internal',
    parent: span.context,
    isParentRemote: false,
    link: undefined,
    attributes: [],
    events: [],
    phases: [],
  }
  assert.deepEqual(phases, [
    { ...shared, ...span.phases[0], context: { ...span.context, spanId: '0000000000000001' } },
    { ...shared, ...span.phases[1], context: { ...span.context, spanId: '0000000000000002' } },
  ])
})
