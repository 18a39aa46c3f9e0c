import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EndedSpan } from './ended-span.ts'
import { packSpans, unpackSpans } from './packed-spans.ts'

const context = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true }
const bare: EndedSpan = {
  name: 'GET',
  kind: 'server',
  context,
  parent: undefined,
  isParentRemote: false,
  link: undefined,
  startMs: 1_000.25,
  endMs: undefined,
  attributes: [],
  events: [],
  failure: undefined,
  phases: [],
}
const full: EndedSpan = {
  name: 'HTTP GET',
  kind: 'client',
  context: { ...context, traceState: 'a=1' },
  parent: { ...context, spanId: '00f067aa0ba902b7' },
  isParentRemote: true,
  link: { ...context, sampled: false, traceState: '' },
  startMs: 1_000,
  endMs: 1_030,
  attributes: [{ color: 'red', size: 0, 'with space': '木' }, { yes: true }],
  events: [
    { name: 'sent again', timeMs: 1_010, attributes: { 'error.message': '' } },
    { name: 'told', timeMs: 1_011 },
  ],
  failure: 'refused',
  phases: [
    { name: 'pick', startMs: 1_000, endMs: 1_010, failure: undefined },
    { name: 'connect', startMs: 1_010, endMs: undefined, failure: 'refused' },
  ],
}
/** The same, with what is one thing once: attributes of all calls together. */
const united = (span: EndedSpan): EndedSpan => ({
  ...span,
  attributes: [Object.assign({}, ...span.attributes)],
  events: span.events.map((event) => ({ ...event, attributes: event.attributes ?? {} })),
})

for (const [name, spans] of Object.entries({ none: [], bare: [bare], full: [full], several: [full, bare, full, bare] }))
  test(`spans arrive as they were: ${name}`, () => {
    assert.deepEqual(unpackSpans(structuredClone(packSpans(spans))), spans.map(united))
  })
test('of an attribute that is set again the later value counts', () => {
  const [span] = unpackSpans(packSpans([{ ...bare, attributes: [{ a: 1, b: 2 }, { a: 3 }] }]))
  assert.deepEqual(span!.attributes, [{ a: 3, b: 2 }])
})
