import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextTurn } from '../../lib/next-turn.ts'
import type { Connection } from '../exchange.ts'
import { bodyDecoder } from './body-decoder.ts'
import { Http1Exchange } from './server-exchange.ts'

const BODY = Buffer.alloc(1_000_000, 'abcdefghij')
const CONNECTION: Connection = {
  id: 1,
  remoteAddress: '127.0.0.1',
  remotePort: 1,
  localPort: 1,
  protocol: 'http/1.1',
  secure: true,
  clientCertificate: undefined,
  hasBadCertificate: false,
  retire() {},
}

/** One exchange on a connection that takes what it is given; `full`: and says that it is full each time. */
function setUp(full = false) {
  const sent: Buffer[] = []
  const head = { method: 'GET', target: '/', minorVersion: 1 as const, headers: [] }
  const exchange = new Http1Exchange(
    {
      connection: CONNECTION,
      retired: false,
      dateValue: () => 'now',
      send: (bytes, flushed) => {
        if (bytes.length > 0) sent.push(Buffer.from(bytes as string, 'latin1'))
        if (flushed) setImmediate(flushed)
        return !full
      },
      wantBody() {},
      destroy() {},
      detach: () => assert.fail(),
      finished() {},
    },
    head,
    { target: '/', authority: 'a' },
    bodyDecoder({ kind: 'none' }),
  )
  const outcomes: string[] = []
  exchange.onFinish((o) => outcomes.push(`${o.kind} ${o.bytesOut}`))
  return { exchange, sent, outcomes }
}
const largest = (sent: readonly Buffer[]): number => Math.max(...sent.map((b) => b.length))

test('an answer over HTTP/1.1: a large one goes piece by piece, each in a turn of its own', async () => {
  const { exchange, sent, outcomes } = setUp()
  exchange.respond(200, [])
  exchange.end(BODY)
  assert.ok(Buffer.concat(sent).length < 300_000)
  for (let i = 0; outcomes.length === 0 && i < 20; i++) await nextTurn()
  assert.deepEqual(outcomes, [`complete ${BODY.length}`])
  assert.ok(largest(sent) <= 262_144)
  const all = Buffer.concat(sent)
  assert.match(all.subarray(0, 200).toString(), /^HTTP\/1.1 200 OK\r\nContent-Length: 1000000\r\n/)
  assert.ok(all.subarray(all.indexOf('\r\n\r\n') + 4).equals(BODY))
})

test('an answer over HTTP/1.1: a large last piece of a chunked one, with trailers, waits for a full socket', async () => {
  const { exchange, sent, outcomes } = setUp(true)
  exchange.respond(200, [])
  exchange.write(Buffer.from('first'))
  exchange.end(BODY, ['x-sum', '1'])
  for (let i = 0; outcomes.length === 0 && i < 20; i++) {
    const before = sent.length
    await nextTurn()
    assert.equal(sent.length, before, 'nothing before the socket can take more')
    exchange.drained()
    await nextTurn()
    await nextTurn()
  }
  assert.deepEqual(outcomes, [`complete ${BODY.length + 5}`])
  const all = Buffer.concat(sent).toString('latin1')
  const chunks = [...all.matchAll(/([0-9a-f]+)\r\n([a-j]+|first)\r\n/g)]
  assert.ok(chunks.length > 3)
  assert.equal(chunks.map((c) => c[2]).join(''), `first${BODY.toString('latin1')}`)
  assert.ok(chunks.every((c) => Number.parseInt(c[1]!, 16) === c[2]!.length))
  assert.ok(all.endsWith('\r\n0\r\nx-sum: 1\r\n\r\n'))
})

test('an answer over HTTP/1.1: nothing more is sent once the client is gone', async () => {
  const { exchange, sent, outcomes } = setUp()
  exchange.respond(200, [])
  exchange.end(BODY)
  const before = sent.length
  exchange.clientGone(undefined)
  for (let i = 0; i < 5; i++) await nextTurn()
  assert.equal(sent.length, before)
  assert.deepEqual(outcomes, [`client-gone ${BODY.length}`])
})
