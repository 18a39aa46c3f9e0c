/** What one connection may do over and over: past its allowance it ends, and the other connections go on. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { after, before, describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import type { Exchange } from '../../src/http/exchange.ts'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { listen, type Listener } from '../../src/http/listener.ts'
import { ReloadableTls } from '../../src/http/tls-context.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'

const BURST = 50
const STREAMS = 20_000
/** A session looks at its allowance once it has dealt with what it has read. */
const PER_READ = 65_536 / 28
const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, continuation: 9 } as const
const END_STREAM = 1
const END_HEADERS = 4
/** `GET /`, `https` from the static table, and the authority `x`. Source: RFC 7541 appendix A. */
const HEAD = Buffer.from([0x82, 0x84, 0x87, 0x41, 0x01, 0x78])
const CANCEL = Buffer.from([0, 0, 0, 8])

describe('floods over HTTP/2', () => {
  const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 86_400_000 }
  const ca = makeCA({ commonName: 'ca', ...validity })
  const serving = makeCertificate({ commonName: 'x', names: ['localhost'], usages: ['server'], ...validity }, ca)
  let listener: Listener
  let seen = 0
  before(async () => {
    listener = await listen({
      port: 0,
      host: '127.0.0.1',
      tls: new ReloadableTls(serving),
      clock: new FakeClock(),
      limits: { streamResetBurst: BURST, streamResetRate: 1 },
      onRequest: (exchange: Exchange) => {
        seen++
        if (exchange.target === '/') return
        exchange.respond(200, [])
        exchange.write(Buffer.from('some'))
        if (exchange.target === '/ok') exchange.end()
      },
    })
  })
  after(() => listener.close({ graceMs: 0 }))

  test('streams opened and reset past the burst end the connection, not the others', async () => {
    const session = http2.connect(`https://localhost:${listener.port}`, { ca: ca.cert })
    session.on('error', () => {})
    await once(session, 'remoteSettings')
    seen = 0
    const socket = await open()
    const ended = closed(socket)
    for (let i = 0; i < STREAMS; i++) {
      const stream = 2 * i + 1
      socket.write(
        Buffer.concat([
          frame(FRAME.headers, END_STREAM | END_HEADERS, stream, HEAD),
          frame(FRAME.reset, 0, stream, CANCEL),
        ]),
      )
    }
    await ended
    assert.ok(seen <= BURST + PER_READ, `${seen} of ${STREAMS} requests were taken up`)
    assert.equal(await status(session, '/ok'), 200)
    session.close()
  })

  test('a client that cancels now and then is left alone', async () => {
    const session = http2.connect(`https://localhost:${listener.port}`, { ca: ca.cert })
    for (let i = 0; i < BURST - 10; i++) {
      const stream = session.request({ ':path': '/held' })
      stream.end()
      await once(stream, 'response')
      const ended = once(stream, 'close')
      stream.close(http2.constants.NGHTTP2_CANCEL)
      await ended
    }
    assert.equal(await status(session, '/ok'), 200)
    session.close()
  })

  for (const [name, flood] of [
    ['headers that never end', endlessHeaders],
    ['pings that nobody reads the answers of', pings],
    ['settings that nobody reads the answers of', settings],
  ] as const) {
    test(`${name} end the connection`, async () => {
      const socket = await open()
      socket.pause()
      const ended = closed(socket)
      let sent = 0
      for (const bytes of flood()) {
        if (socket.destroyed || sent > 64 * 1_048_576) break
        sent += bytes.byteLength
        if (!socket.write(bytes)) await Promise.race([once(socket, 'drain'), ended])
      }
      socket.resume()
      await ended
      assert.ok(sent <= 64 * 1_048_576, 'it was ended before 64 MiB')
    })
  }

  async function open(): Promise<TLSSocket> {
    const socket = connect({ port: listener.port, host: 'localhost', ca: ca.cert, ALPNProtocols: ['h2'] })
    socket.on('error', () => {})
    socket.on('data', () => {})
    await once(socket, 'secureConnect')
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    socket.write(frame(FRAME.settings, 0, 0, Buffer.alloc(0)))
    return socket
  }
})

/** An error comes with it, or not. */
function closed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}
function* endlessHeaders(): Generator<Buffer> {
  yield frame(FRAME.headers, END_STREAM, 1, HEAD)
  // A literal header without indexing: x: 16,000 times y.
  const part = Buffer.concat([Buffer.from([0x00, 0x01, 0x78, 0x7f, 0x81, 0x7c]), Buffer.alloc(16_000, 'y')])
  for (;;) yield frame(FRAME.continuation, 0, 1, part)
}
function* pings(): Generator<Buffer> {
  const many = Buffer.concat(Array.from({ length: 1_000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8))))
  for (;;) yield many
}
function* settings(): Generator<Buffer> {
  const many = Buffer.concat(Array.from({ length: 1_000 }, () => frame(FRAME.settings, 0, 0, Buffer.alloc(0))))
  for (;;) yield many
}
function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.byteLength, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}
async function status(session: http2.ClientHttp2Session, path: string): Promise<number> {
  const stream = session.request({ ':path': path })
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader]
  stream.resume()
  await once(stream, 'close')
  return headers[':status']!
}
