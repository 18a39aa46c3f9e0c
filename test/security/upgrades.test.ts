/** Which requests become tunnels: those for a WebSocket or SPDY/3.1, and no other. */
import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { connect as connectPlain } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { CLIENT_PREFACE, Flag, FrameType } from '../../src/http/http2/frames.ts'
import { listen, type Listener } from '../../src/http/listener.ts'
import { isTunnelProtocol } from '../../src/http/tunnel-protocol.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { block, FrameReader, headers, settings } from '../harness/http2-frames.ts'
import {
  answerText,
  policyOf,
  RAW_PATH,
  type RawBackend,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { openTls } from '../harness/tls-socket.ts'
import { untilTurn } from '../harness/until.ts'

const limited = { timeout: 60_000 }

test('tunnel protocols: two names, in any letters', () => {
  for (const token of ['websocket', 'WebSocket', 'SPDY/3.1', 'spdy/3.1']) assert.ok(isTunnelProtocol(token), token)
  for (const token of ['', 'h2c', 'TLS/1.0', 'HTTP/2.0', 'SPDY/3', 'websocket, h2c', 'websocket/13', 'connect-ip'])
    assert.ok(!isTunnelProtocol(token), token)
})

describe('upgrades through the proxy', limited, () => {
  let portico: TestServer
  let backend: RawBackend
  let seen: IncomingHttpHeaders | undefined
  before(async () => {
    portico = await startTestServer()
    backend = await startRawBackend(portico)
    backend.handler = (request, response) => {
      seen = request.headers
      answerText('{"plain":true}')(request, response)
    }
    await registerRaw(portico, policyOf([backend], { connections: { protocol: 'HTTP1' } }))
  })
  after(async () => {
    await portico.stop()
    await backend.close()
  })
  const plain: Record<string, string> = {
    h2c: 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n',
    'TLS/1.0': 'Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n',
    'a list': 'Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n',
    'two headers': 'Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n',
    'no Connection': 'Upgrade: websocket\r\n',
    'HTTP/1.0': 'Connection: Upgrade\r\nUpgrade: websocket\r\n',
  }
  for (const [name, fields] of Object.entries(plain)) {
    test(`${name}: a plain request without the upgrade headers`, limited, async () => {
      const socket = await openTls(portico, 'http/1.1')
      let text = ''
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
      seen = undefined
      socket.write(`GET ${RAW_PATH}/things HTTP/1.${name === 'HTTP/1.0' ? 0 : 1}\r\nHost: x\r\n${fields}\r\n`)
      await untilTurn('it is answered', () => text.includes('plain'))
      socket.destroy()
      assert.match(text, /^HTTP\/1\.1 200 /)
      const { upgrade, connection = '', 'http2-settings': h2 } = seen!
      assert.deepEqual([upgrade, /upgrade/i.test(connection), h2], [undefined, false, undefined])
    })
  }
  test('HTTP/2: an extended CONNECT for anything else is a 501 that no backend sees', limited, async () => {
    const socket = await openTls(portico, 'h2')
    const reader = new FrameReader()
    socket.on('data', (chunk: Buffer) => reader.take(chunk))
    const head = block(
      ':method',
      'CONNECT',
      ':scheme',
      'https',
      ':path',
      `${RAW_PATH}/things`,
      ':authority',
      'a',
      ':protocol',
      'connect-ip',
    )
    seen = undefined
    socket.write(Buffer.concat([CLIENT_PREFACE, settings(), headers(1, head)]))
    await untilTurn('it is answered', () =>
      reader.frames.some((f) => f.stream === 1 && (f.flags & Flag.endStream) !== 0),
    )
    socket.destroy()
    assert.ok(reader.frames.find((f) => f.type === FrameType.headers)!.payload.includes('501'))
    assert.equal(seen, undefined)
  })
})

test('an exchange tells of tunnel protocols alone', limited, async (t) => {
  const upgrades: (string | undefined)[] = []
  const listener: Listener = await listen({
    port: 0,
    host: '127.0.0.1',
    clock: systemClock,
    onRequest: (exchange) => {
      upgrades.push(exchange.upgrade)
      exchange.respond(200, [])
      exchange.end()
    },
  })
  t.after(() => listener.close({ graceMs: 0 }))
  const socket = connectPlain(listener.port, '127.0.0.1')
  for (const token of ['websocket', 'WebSocket', 'SPDY/3.1', 'h2c', 'foo'])
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${token}\r\n\r\n`)
  await untilTurn('all are there', () => upgrades.length === 5)
  socket.destroy()
  assert.deepEqual(upgrades, ['websocket', 'WebSocket', 'SPDY/3.1', undefined, undefined])
})
