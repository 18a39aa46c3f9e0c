/**
 * Peers that say a little now and then: what they have begun has to be whole within its limit, whatever trickles in, and a
 * connection without a finished TLS handshake does not stay.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import type { Exchange } from '../../src/http/exchange.ts'
import { CLIENT_PREFACE, Flag, FrameType } from '../../src/http/http2/frames.ts'
import type { ListenLimits } from '../../src/http/listen-limits.ts'
import { listen, type Listener } from '../../src/http/listener.ts'
import { ReloadableTls } from '../../src/http/tls-context.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { block, data, FrameReader, frame, headers, HEAD_FLAGS, settings } from '../harness/http2-frames.ts'
import { untilTurn } from '../harness/until.ts'

const limited = { timeout: 20_000 }
const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 86_400_000 }
const ca = makeCA({ commonName: 'ca', ...validity })
const serving = makeCertificate({ commonName: 'x', names: ['localhost'], usages: ['server'], ...validity }, ca)
const SECOND_MS = 1_000

class Rig implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly failures: string[] = []
  readonly refused: string[] = []
  readonly requests: Exchange[] = []
  readonly sockets: Socket[] = []
  listener!: Listener

  static async start(o: { tls?: boolean; limits?: Partial<ListenLimits> } = {}): Promise<Rig> {
    const rig = new Rig()
    rig.listener = await listen({
      port: 0,
      host: '127.0.0.1',
      clock: rig.clock,
      ...(o.tls === false ? {} : { tls: new ReloadableTls(serving) }),
      limits: o.limits ?? {},
      onRequest: (exchange) => {
        rig.requests.push(exchange)
        exchange
          .body()
          .on('error', () => {})
          .resume()
      },
      hooks: { tlsError: (error) => rig.failures.push(error.message), refused: (limit) => rig.refused.push(limit) },
    })
    return rig
  }
  async dial(): Promise<Client> {
    const socket = connect(this.listener.port, '127.0.0.1')
    this.sockets.push(socket)
    const client = new Client(socket)
    await once(socket, 'connect')
    return client
  }
  async secure(protocol: 'h2' | 'http/1.1'): Promise<Client> {
    const socket = connectTls({ port: this.listener.port, host: 'localhost', ca: ca.cert, ALPNProtocols: [protocol] })
    this.sockets.push(socket)
    const client = new Client(socket)
    await once(socket, 'secureConnect')
    return client
  }
  /** A second passes after each of the bytes, for as long as the connection is there. @returns how many seconds that was. */
  async trickle(client: Client, bytes: Iterable<Buffer>, arrived: () => boolean = () => true): Promise<number> {
    let seconds = 0
    for (const part of bytes) {
      if (client.closed) break
      await new Promise<void>((resolve) => client.socket.write(part, () => resolve()))
      await untilTurn('the bytes are with the server', arrived)
      // One turn of the loop for what lies in the socket.
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
      this.clock.advance(SECOND_MS)
      seconds++
      await new Promise((resolve) => setImmediate(resolve))
    }
    return seconds
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await this.listener.close({ graceMs: 0 })
  }
}

class Client {
  readonly socket: Socket
  text = ''
  closed = false
  ended = false
  readonly #reader = new FrameReader()
  readonly frames = this.#reader.frames

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1')
    })
    socket.on('end', () => {
      this.ended = true
    })
    socket.on('close', () => {
      this.closed = true
    })
  }
}

function* each(text: string | Buffer): Generator<Buffer> {
  for (const byte of Buffer.from(text)) yield Buffer.from([byte])
}
/** So many bytes of one value. */
function* endless(byte: string, count: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.from(byte)
}

/** The first bytes of a ClientHello that says it is long. */
const HELLO = Buffer.from([0x16, 0x03, 0x01, 0x40, 0x00, 0x01, 0x00, 0x3f, 0xfc, 0x03, 0x03])

describe('a TLS handshake that is not done', limited, () => {
  for (const [name, bytes] of [
    ['nothing', Buffer.alloc(0)],
    ['half a ClientHello', HELLO],
    ['a beginning that is none', Buffer.from('GE')],
  ] as const) {
    test(`${name}: the connection is destroyed at the limit, and counted once`, limited, async () => {
      await using rig = await Rig.start()
      const client = await rig.dial()
      if (bytes.length > 0) client.socket.write(bytes)
      await untilTurn('it is known', () => rig.listener.handshaking === 1)
      rig.clock.advance(10_000)
      assert.deepEqual([client.closed, rig.listener.handshaking], [false, 1])
      rig.clock.advance(SECOND_MS)
      await untilTurn('it is closed', () => client.closed)
      await untilTurn('it is counted', () => rig.failures.length > 0)
      assert.deepEqual([rig.listener.handshaking, rig.failures.length], [0, 1])
    })
  }
  test('a byte a second does not keep it', limited, async () => {
    await using rig = await Rig.start()
    const client = await rig.dial()
    client.socket.write(HELLO)
    const seconds = await rig.trickle(client, endless('\0', 60))
    await untilTurn('it is closed', () => client.closed)
    assert.ok(seconds <= 13, `${seconds} s`)
  })
  test('bytes that are no TLS close it at once, not at the limit', limited, async () => {
    await using rig = await Rig.start()
    const client = await rig.dial()
    client.socket.write(Buffer.from('\u0016\u0003\u0001\u0000\u0005hello'))
    await untilTurn('it is closed', () => client.closed)
    assert.deepEqual([rig.failures.length, rig.listener.handshaking], [1, 0])
  })
  test('a client that ends in the middle of it is not waited for', limited, async () => {
    await using rig = await Rig.start()
    const client = await rig.dial()
    client.socket.end(HELLO)
    await untilTurn('it is closed', () => client.closed)
    assert.equal(rig.failures.length, 1)
  })
  test('a finished handshake is let go, and one that failed is closed with its alert', limited, async () => {
    await using rig = await Rig.start()
    const good = await rig.secure('http/1.1')
    await untilTurn('it is accepted', () => [...rig.listener.connections].length === 1)
    const old = connectTls({ port: rig.listener.port, host: 'localhost', ca: ca.cert, maxVersion: 'TLSv1.1' })
    rig.sockets.push(old)
    const [error] = (await once(old, 'error')) as [NodeJS.ErrnoException]
    assert.match(String(error.code), /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS/)
    await untilTurn('it is let go', () => rig.listener.handshaking === 0)
    assert.equal(good.closed, false)
  })
  test('an address has a limited number of them; a finished one makes room', limited, async () => {
    await using rig = await Rig.start({ limits: { maxHandshakesPerAddress: 2 } })
    const first = await rig.dial()
    await rig.dial()
    const third = await rig.dial()
    await untilTurn('it is closed', () => third.closed)
    assert.deepEqual([rig.refused, rig.listener.handshaking], [['handshakes'], 2])
    first.socket.destroy()
    await untilTurn('there is room', () => rig.listener.handshaking === 1)
    await rig.secure('h2')
    await rig.secure('http/1.1')
    assert.deepEqual(rig.refused, ['handshakes'])
  })
  for (const request of ['GET /version', 'POST /api', 'OPTIONS *', 'DELETE /x', 'PATCH /x']) {
    test(`plain HTTP is answered with 400: ${request}`, limited, async () => {
      await using rig = await Rig.start()
      const client = await rig.dial()
      client.socket.write(`${request} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await untilTurn('the answer ends', () => client.ended)
      assert.equal(client.text, 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n')
      assert.equal(rig.failures.length, 1)
      await untilTurn('it is let go', () => rig.listener.handshaking === 0)
    })
  }
})

describe('HTTP/1.1 that trickles', limited, () => {
  const GET = 'GET / HTTP/1.1\r\nHost: x\r\n'
  const POST = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
  const rows: readonly { name: string; before: string; bytes: string; answered?: RegExp; limitS: number }[] = [
    { name: 'a request line', before: '', bytes: 'G'.repeat(200), answered: /^HTTP\/1\.1 408 /, limitS: 32 },
    { name: 'headers', before: GET, bytes: `X: ${'y'.repeat(200)}`, answered: /^HTTP\/1\.1 408 /, limitS: 32 },
    { name: 'a chunk size', before: POST, bytes: `1;${'e'.repeat(200)}`, limitS: 60 },
    { name: 'trailers', before: `${POST}1\r\na\r\n0\r\n`, bytes: `T: ${'t'.repeat(200)}`, limitS: 60 },
  ]
  for (const { name, before, bytes, answered, limitS } of rows) {
    test(`${name}: the limit counts from the first byte`, limited, async () => {
      await using rig = await Rig.start({ tls: false })
      const client = await rig.dial()
      if (before !== '') client.socket.write(before)
      if (before.startsWith('POST')) await untilTurn('the request is there', () => rig.requests.length === 1)
      const seconds = await rig.trickle(client, each(bytes))
      assert.ok(seconds >= limitS && seconds <= limitS + 4, `${seconds} s`)
      if (answered) assert.match(client.text, answered)
    })
  }
  test('content that comes slowly but steadily is no trickle', limited, async () => {
    await using rig = await Rig.start({ tls: false })
    const client = await rig.dial()
    client.socket.write(`${POST}${(100).toString(16)}\r\n`)
    await untilTurn('the request is there', () => rig.requests.length === 1)
    assert.equal(await rig.trickle(client, endless('a', 100)), 100)
    assert.equal(client.closed, false)
  })
  test('a body that nobody wants is not waited for, byte by byte, behind its answer', limited, async () => {
    await using rig = await Rig.start({ tls: false })
    const client = await rig.dial()
    client.socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\na')
    await untilTurn('the request is there', () => rig.requests.length === 1)
    rig.requests[0]!.respond(200, [])
    rig.requests[0]!.end()
    const seconds = await rig.trickle(client, endless('a', 200))
    assert.ok(seconds <= 64, `${seconds} s`)
  })
  test(
    'a connection that never asks ends after the header limit, one that asked before after the idle limit',
    limited,
    async () => {
      await using rig = await Rig.start({ tls: false })
      const [silent, asked] = [await rig.dial(), await rig.dial()]
      asked.socket.write(`${GET}\r\n`)
      await untilTurn('both are there', () => rig.requests.length === 1 && [...rig.listener.connections].length === 2)
      rig.requests[0]!.respond(200, [])
      rig.requests[0]!.end()
      await untilTurn('it is answered', () => asked.text !== '')
      for (let i = 0; i < 35; i++) rig.clock.advance(SECOND_MS)
      await untilTurn('the silent one ends', () => silent.ended)
      assert.deepEqual([silent.text, asked.ended], ['', false])
      for (let i = 0; i < 60; i++) rig.clock.advance(SECOND_MS)
      await untilTurn('the idle one ends', () => asked.ended)
    },
  )
})

describe('HTTP/2 that trickles', limited, () => {
  const HEAD = block(':method', 'GET', ':scheme', 'https', ':path', '/', ':authority', 'a')
  const start = Buffer.concat([CLIENT_PREFACE, settings()])
  const field = block('x', 'y')
  const continuation = frame(FrameType.continuation, 0, 3, field)
  /** A stream that is open all the while: an idle connection would end by itself. */
  const held = headers(1, HEAD, HEAD_FLAGS | Flag.endStream)
  const rows: readonly { name: string; before: Buffer; bytes: readonly Buffer[] }[] = [
    {
      name: 'the preface',
      before: Buffer.alloc(0),
      bytes: [...each(start), ...Array<Buffer>(100).fill(Buffer.alloc(0))],
    },
    {
      name: 'a header block in CONTINUATION',
      before: Buffer.concat([start, held, headers(3, HEAD, 0)]),
      bytes: Array<Buffer>(200).fill(continuation),
    },
    {
      name: 'a HEADERS frame',
      before: Buffer.concat([start, held]),
      bytes: [Buffer.from([0, 1, 0, 1, 4, 0, 0, 0, 3]), ...Array<Buffer>(200).fill(Buffer.from('a'))],
    },
  ]
  for (const { name, before, bytes } of rows) {
    test(`${name}: the limit counts from the first byte`, limited, async () => {
      await using rig = await Rig.start()
      const client = await rig.secure('h2')
      if (before.length > 0) client.socket.write(before)
      if (name !== 'the preface') await untilTurn('the stream is open', () => rig.requests.length === 1)
      const seconds = await rig.trickle(client, name === 'the preface' ? each(start.subarray(0, -1)) : bytes)
      if (!client.closed) for (let i = 0; i < 35 - seconds; i++) rig.clock.advance(SECOND_MS)
      await untilTurn('it is closed', () => client.closed)
      assert.ok(seconds <= 36, `${seconds} s`)
    })
  }
  test('frames that are whole do not count', limited, async () => {
    await using rig = await Rig.start()
    const client = await rig.secure('h2')
    client.socket.write(
      Buffer.concat([start, headers(1, block(':method', 'POST', ':scheme', 'https', ':path', '/', ':authority', 'a'))]),
    )
    await untilTurn('the stream is open', () => rig.requests.length === 1)
    assert.equal(await rig.trickle(client, Array<Buffer>(100).fill(data(1, 'x'))), 100)
    assert.equal(client.closed, false)
  })
})
