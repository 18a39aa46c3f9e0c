import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noopSpan, noopTracer, type Span } from '../observability/tracer.ts'
import { ForwardSpans } from './forward-spans.ts'

const rows: readonly [name: string, happens: (spans: ForwardSpans) => void, phases: string[]][] = [
  [
    'a connection that is there has neither connect nor tls',
    (spans) => {
      spans.picked('a:1')
      spans.connected()
      spans.sent()
      spans.answered(200)
    },
    ['pick', 'first byte', 'stream'],
  ],
  [
    'a new connection',
    (spans) => {
      spans.picked('a:1')
      spans.sent()
      spans.handshaking()
      spans.connected()
      spans.answered(200)
    },
    ['pick', 'connect', 'tls', 'first byte', 'stream'],
  ],
  [
    'each attempt has its own',
    (spans) => {
      spans.picked('a:1')
      spans.sent()
      spans.sentAgain('refused')
      spans.picked('b:1')
      spans.connected()
      spans.sent()
      spans.answered(200)
    },
    ['pick', 'connect', 'pick', 'first byte', 'stream'],
  ],
  [
    'an attempt after a broken connection makes a new one',
    (spans) => {
      spans.picked('a:1')
      spans.connected()
      spans.sent()
      spans.sentAgain('reset')
      spans.picked('a:1')
      spans.sent()
      spans.handshaking()
    },
    ['pick', 'first byte', 'pick', 'connect', 'tls'],
  ],
  [
    'where an attempt fails before the pool returns, its end is not taken for a new beginning',
    (spans) => {
      spans.picked('a:1')
      spans.failed(new Error('queue full'))
      spans.sent()
    },
    ['pick'],
  ],
]
for (const [name, happens, wanted] of rows)
  test(`phases of a forwarded request: ${name}`, () => {
    const phases: string[] = []
    const request: Span = { ...noopSpan, recording: true, enter: (phase) => phases.push(phase) }
    happens(new ForwardSpans({ ...noopTracer, start: () => request }, 'GET', noopSpan))
    assert.deepEqual(phases, wanted)
  })
