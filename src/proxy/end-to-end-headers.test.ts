import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerHeaders, endToEndHeaders } from './end-to-end-headers.ts'

const cases: readonly { name: string; given: string[]; want: string[] }[] = [
  { name: 'fixed names, any letter case', given: ['KEEP-ALIVE', '5', 'accept', '*/*'], want: ['accept', '*/*'] },
  {
    name: 'names listed by Connection',
    given: ['Connection', 'x-trace, Close', 'X-Trace', '1', 'B', '2'],
    want: ['B', '2'],
  },
  {
    name: 'names listed by a second Connection',
    given: ['Connection', 'a', 'connection', 'b', 'A', '1', 'B', '2'],
    want: [],
  },
  {
    name: 'order, case and duplicates',
    given: ['X-Group', 'a', 'x-group', 'b'],
    want: ['X-Group', 'a', 'x-group', 'b'],
  },
  { name: 'TE is kept for trailers alone', given: ['TE', 'Trailers', 'te', 'gzip'], want: ['TE', 'trailers'] },
  {
    name: 'upgrade and framing',
    given: ['Upgrade', 'h2c', 'Transfer-Encoding', 'chunked', 'Trailer', 'x', 'Proxy-Connection', 'x'],
    want: [],
  },
]
for (const { name, given, want } of cases) {
  test(`endToEndHeaders: ${name}`, () => {
    assert.deepEqual(endToEndHeaders(Object.freeze(given)), want)
  })
}
test('answerHeaders: CORS, audit id and flow control are ours', () => {
  const given = [
    'Access-Control-Allow-Origin',
    '*',
    'Audit-Id',
    'x',
    'X-Kubernetes-PF-FlowSchema-UID',
    'y',
    'ETag',
    '1',
  ]
  assert.deepEqual(answerHeaders(given), ['ETag', '1'])
})
