/** The server against a client that writes its frames by hand: what it takes, what it refuses, and what it gives back. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import {
  block,
  data,
  type Frame,
  FrameReader,
  frame,
  headers,
  LAST_FLAGS,
  settings,
  uint32,
} from '../../../test/harness/http2-frames.ts'
import { random } from '../../../test/harness/random.ts'
import { untilTurn } from '../../../test/harness/until.ts'
import type { Exchange, Outcome } from '../exchange.ts'
import { defaultLimits, type ListenLimits } from '../listen-limits.ts'
import { CLIENT_PREFACE, DEFAULT_FRAME_BYTES, Flag, FrameType, Setting } from './frames.ts'
import { Http2ServerConnection } from './server-session.ts'

const limited = { timeout: 10_000 }
const head = (method: string, path: string, ...more: string[]): Buffer =>
  block(':method', method, ':scheme', 'https', ':path', path, ':authority', 'a', ...more)
const GET = head('GET', '/')

class Rig implements AsyncDisposable {
  readonly #reader = new FrameReader()
  readonly frames: readonly Frame[] = this.#reader.frames
  readonly requests: Exchange[] = []
  readonly outcomes: Outcome[] = []
  readonly server = createServer()
  connection!: Http2ServerConnection
  peer!: Socket
  now = 0
  ended = false
  handler: (e: Exchange) => void = (e) => {
    e.respond(200, [])
    e.end(Buffer.from(e.target))
  }

  static async start(limits: Partial<ListenLimits> = {}, first: Buffer = settings()): Promise<Rig> {
    const rig = new Rig()
    rig.server.listen(0, '127.0.0.1')
    await once(rig.server, 'listening')
    const accepted = once(rig.server, 'connection') as Promise<[Socket]>
    rig.peer = connect((rig.server.address() as AddressInfo).port, '127.0.0.1')
    rig.peer.on('error', () => {})
    rig.peer.on('close', () => {
      rig.ended = true
    })
    rig.peer.on('data', (chunk: Buffer) => rig.#reader.take(chunk))
    const [socket] = await accepted
    rig.connection = new Http2ServerConnection({
      id: 1,
      socket,
      secure: true,
      peer: undefined,
      limits: { ...defaultLimits, maxHeaderBytes: 4_096, maxHeaderCount: 20, ...limits },
      now: () => rig.now,
      dateValue: () => 'today',
      onRequest: (e) => {
        rig.requests.push(e)
        e.onFinish((o) => rig.outcomes.push(o))
        rig.handler(e)
      },
      onProtocolError: () => {},
    })
    rig.peer.write(Buffer.concat([CLIENT_PREFACE, first]))
    return rig
  }
  until(holds: () => boolean): Promise<void> {
    return untilTurn(String(holds), holds, 5_000)
  }
  of(type: number, stream?: number): Frame[] {
    return this.frames.filter((f) => f.type === type && (stream === undefined || f.stream === stream))
  }
  body(stream: number): string {
    return this.of(FrameType.data, stream)
      .map((f) => f.payload.toString())
      .join('')
  }
  answered(stream: number): boolean {
    return this.frames.some((f) => f.stream === stream && f.type < 2 && (f.flags & Flag.endStream) !== 0)
  }
  resetCode(stream: number): number | undefined {
    return this.of(FrameType.reset, stream)[0]?.payload.readUInt32BE()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.destroy()
    this.peer.destroy()
    this.server.close()
    await once(this.server, 'close')
  }
}

const MALFORMED: readonly { name: string; fields: Buffer; flags?: number; code?: number }[] = [
  { name: 'no path', fields: block(':method', 'GET', ':scheme', 'https') },
  { name: 'an empty path', fields: head('GET', '') },
  { name: 'a blank in the path', fields: head('GET', '/ HTTP/1.1') },
  { name: 'no method', fields: block(':path', '/', ':scheme', 'https') },
  { name: 'a method that is no token', fields: head('G T', '/') },
  { name: 'no scheme', fields: block(':path', '/', ':method', 'GET') },
  { name: 'a pseudo-field twice', fields: head('GET', '/', ':path', '/x') },
  { name: 'a pseudo-field of answers', fields: head('GET', '/', ':status', '200') },
  { name: 'a pseudo-field nobody knows', fields: head('GET', '/', ':x', 'y') },
  { name: 'a pseudo-field behind others', fields: Buffer.concat([block('a', 'b'), GET]) },
  { name: ':protocol without CONNECT', fields: head('GET', '/', ':protocol', 'websocket') },
  { name: 'CONNECT with a path alone', fields: block(':method', 'CONNECT', ':path', '/') },
  { name: 'upper case', fields: head('GET', '/', 'X-Remote-User', 'admin') },
  { name: 'a line break in a value', fields: head('GET', '/', 'a', 'b\r\nx-remote-user: admin') },
  { name: 'connection', fields: head('GET', '/', 'connection', 'x-remote-user') },
  { name: 'transfer-encoding', fields: head('POST', '/', 'transfer-encoding', 'chunked'), flags: Flag.endHeaders },
  { name: 'two lengths', fields: head('POST', '/', 'content-length', '1', 'content-length', '1'), flags: 4 },
  { name: 'a length that is none', fields: head('POST', '/', 'content-length', '-1'), flags: Flag.endHeaders },
  { name: 'a length without a body', fields: head('POST', '/', 'content-length', '1') },
]
for (const { name, fields, flags = LAST_FLAGS, code = 1 } of MALFORMED) {
  test(
    `HTTP/2 server resets the stream for ${name}; no handler sees it, and the connection goes on`,
    limited,
    async () => {
      await using rig = await Rig.start()
      rig.peer.write(Buffer.concat([headers(1, fields, flags), headers(3, GET, LAST_FLAGS)]))
      await rig.until(() => rig.answered(3))
      assert.equal(rig.resetCode(1), code)
      assert.deepEqual([rig.requests.length, rig.body(3)], [1, '/'])
    },
  )
}

const REFUSED: readonly { name: string; fields: Buffer; status: string }[] = [
  { name: 'CONNECT', fields: block(':method', 'CONNECT', ':authority', 'a:1'), status: '405' },
  { name: 'a whole URL for a path', fields: head('GET', 'https://a/'), status: '400' },
  {
    name: 'too many fields',
    fields: head('GET', '/', ...Array.from({ length: 42 }, (_, i) => `a${i}`)),
    status: '431',
  },
]
for (const { name, fields, status } of REFUSED) {
  test(`HTTP/2 server answers ${name} with ${status}`, limited, async () => {
    await using rig = await Rig.start()
    rig.peer.write(headers(1, fields, LAST_FLAGS))
    await rig.until(() => rig.answered(1))
    // Literal behind an index of :status, or an index of it: the number stands there as text but for 400.
    const { payload } = rig.of(FrameType.headers, 1)[0]!
    assert.ok(status === '400' ? payload[0] === 0x8c : payload.includes(status))
    assert.equal(rig.requests.length, 0)
  })
}

const BODIES: readonly { name: string; frames: Buffer[]; code: number }[] = [
  {
    name: 'more than its length',
    frames: [headers(1, head('POST', '/', 'content-length', '1')), data(1, 'xy')],
    code: 1,
  },
  {
    name: 'less than its length',
    frames: [headers(1, head('POST', '/', 'content-length', '3')), data(1, 'xy', Flag.endStream)],
    code: 1,
  },
  { name: 'data behind the end', frames: [headers(1, GET, LAST_FLAGS), data(1, 'x')], code: 5 },
  {
    name: 'a head behind the end',
    frames: [headers(1, GET, LAST_FLAGS), headers(1, block('a', 'b'), LAST_FLAGS)],
    code: 5,
  },
  {
    name: 'trailers that are not the end',
    frames: [headers(1, head('POST', '/')), headers(1, block('a', 'b'))],
    code: 1,
  },
  {
    name: 'more than the window of the stream',
    frames: [headers(1, head('POST', '/')), ...Array.from({ length: 17 }, () => data(1, 'x'.repeat(16_384)))],
    code: 3,
  },
]
for (const { name, frames, code } of BODIES) {
  test(`HTTP/2 server resets the stream for ${name}: its client counts as gone`, limited, async () => {
    await using rig = await Rig.start()
    rig.handler = () => {}
    rig.peer.write(Buffer.concat(frames))
    await rig.until(() => rig.outcomes.length === 1 && rig.resetCode(1) !== undefined)
    assert.deepEqual([rig.resetCode(1), rig.outcomes[0]!.kind], [code, 'client-gone'])
  })
}

test('HTTP/2 server: a GOAWAY for a broken connection names the last request that was taken up', limited, async () => {
  await using rig = await Rig.start()
  rig.peer.write(Buffer.concat([headers(7, GET, LAST_FLAGS), frame(FrameType.ping, 0, 0, Buffer.alloc(3))]))
  await rig.until(() => rig.ended)
  assert.deepEqual(rig.of(FrameType.goaway)[0]!.payload, uint32(7, 6))
})
test('HTTP/2 server: a preface that is none, and even streams, end the connection', limited, async () => {
  for (const first of [headers(2, GET, LAST_FLAGS), frame(FrameType.windowUpdate, 0, 9, uint32(1))]) {
    await using rig = await Rig.start({}, Buffer.concat([settings(), first]))
    await rig.until(() => rig.ended)
    assert.equal(rig.requests.length, 0)
  }
})

test('HTTP/2 server: body, trailers and what the handler does not take yet', limited, async () => {
  await using rig = await Rig.start()
  rig.handler = () => {}
  rig.peer.write(Buffer.concat([headers(1, head('POST', '/')), data(1, 'held ')]))
  await rig.until(() => rig.requests.length === 1)
  const [exchange] = rig.requests
  rig.peer.write(Buffer.concat([data(1, 'back'), headers(1, block('x-sum', '9'), LAST_FLAGS)]))
  const body = (await exchange!.body().toArray()).join('')
  assert.deepEqual([body, exchange!.trailers()], ['held back', ['x-sum', '9']])
  exchange!.respond(204, [])
  exchange!.end()
  await rig.until(() => rig.outcomes.length === 1)
  assert.equal(rig.outcomes[0]!.kind, 'complete')
})
test('HTTP/2 server: padding is no body, also where its frame comes in pieces', limited, async () => {
  await using rig = await Rig.start()
  rig.handler = () => {}
  const padded = frame(FrameType.data, Flag.padded | Flag.endStream, 1, Buffer.from('\u0003body\0\0\0', 'latin1'))
  rig.peer.write(Buffer.concat([headers(1, head('POST', '/')), padded.subarray(0, 12)]))
  await rig.until(() => rig.requests.length === 1)
  rig.peer.write(padded.subarray(12))
  assert.equal((await rig.requests[0]!.body().toArray()).join(''), 'body')
})
test('HTTP/2 server: an answer ends an upload nobody reads, cleanly', limited, async () => {
  await using rig = await Rig.start()
  rig.peer.write(Buffer.concat([headers(1, head('POST', '/p')), data(1, 'x')]))
  await rig.until(() => rig.answered(1) && rig.resetCode(1) !== undefined)
  assert.deepEqual([rig.resetCode(1), rig.body(1), rig.outcomes[0]!.kind], [0, '/p', 'complete'])
  rig.peer.write(Buffer.concat([data(1, 'late'), headers(1, block('a', 'b'), LAST_FLAGS), headers(3, GET, LAST_FLAGS)]))
  await rig.until(() => rig.answered(3))
})

test('HTTP/2 server: answers keep to the windows of the client', limited, async () => {
  await using rig = await Rig.start({}, settings([Setting.initialWindowSize, 5]))
  let drained = 0
  rig.handler = (e) => {
    e.respond(200, [])
    assert.equal(e.write(Buffer.from('0123456789')), false)
    e.onDrain(() => {
      drained++
      e.end()
    })
  }
  rig.peer.write(headers(1, GET, LAST_FLAGS))
  await rig.until(() => rig.body(1) === '01234')
  assert.equal(drained, 0)
  rig.peer.write(frame(FrameType.windowUpdate, 0, 1, uint32(3)))
  await rig.until(() => rig.body(1) === '01234567')
  rig.peer.write(settings([Setting.initialWindowSize, 7]))
  await rig.until(() => rig.answered(1))
  assert.deepEqual([rig.body(1), drained, rig.outcomes[0]!.bytesOut], ['0123456789', 1, 10])
})

test(
  'HTTP/2 server: a window that is granted before the answer begins counts, and may not be too large either',
  limited,
  async () => {
    await using rig = await Rig.start({}, settings([Setting.initialWindowSize, 5]))
    const answers: (() => void)[] = []
    rig.handler = (e) => {
      answers.push(() => {
        e.respond(200, [])
        e.end(Buffer.from('0123456789'))
      })
    }
    rig.peer.write(Buffer.concat([headers(1, GET, LAST_FLAGS), frame(FrameType.windowUpdate, 0, 1, uint32(5))]))
    rig.peer.write(frame(FrameType.ping, 0, 0, Buffer.alloc(8)))
    await rig.until(() => rig.frames.some((f) => f.type === FrameType.ping))
    answers[0]!()
    await rig.until(() => rig.answered(1))
    assert.equal(rig.body(1), '0123456789')
    const most = frame(FrameType.windowUpdate, 0, 3, uint32(0x7fffffff))
    rig.peer.write(Buffer.concat([headers(3, GET, LAST_FLAGS), most]))
    await rig.until(() => rig.frames.some((f) => f.type === FrameType.reset && f.stream === 3))
  },
)

test('HTTP/2 server: streams beyond the limit are refused, and may be sent again', limited, async () => {
  await using rig = await Rig.start({ maxConcurrentStreams: 2 })
  rig.handler = () => {}
  rig.peer.write(Buffer.concat([1, 3, 5].map((id) => headers(id, GET, LAST_FLAGS))))
  await rig.until(() => rig.resetCode(5) !== undefined)
  assert.deepEqual([rig.resetCode(5), rig.requests.length], [7, 2])
})
test(
  'HTTP/2 server: beyond 16 MiB of headers of open requests more are refused, until some are over',
  limited,
  async () => {
    await using rig = await Rig.start({ maxHeaderBytes: 2_097_152 })
    rig.handler = () => {}
    const large = head('GET', '/', 'x-large', 'x'.repeat(1_048_576))
    const piece = DEFAULT_FRAME_BYTES
    const request = (id: number): Buffer => {
      const rest = Array.from({ length: Math.ceil(large.length / piece) - 1 }, (_, i) => (i + 1) * piece).map((at) =>
        frame(
          FrameType.continuation,
          at + piece < large.length ? 0 : Flag.endHeaders,
          id,
          large.subarray(at, at + piece),
        ),
      )
      return Buffer.concat([headers(id, large.subarray(0, piece), Flag.endStream), ...rest])
    }
    for (let i = 0; i < 17; i++) rig.peer.write(request(2 * i + 1))
    await rig.until(() => rig.requests.length + rig.of(FrameType.reset).length === 17)
    assert.deepEqual([rig.requests.length, rig.resetCode(33)], [16, 7])
    rig.requests[0]!.respond(204, [])
    rig.requests[0]!.end()
    await rig.until(() => rig.answered(1))
    rig.peer.write(request(35))
    await rig.until(() => rig.requests.length + rig.of(FrameType.reset).length === 18)
    assert.equal(rig.requests.length, 17)
  },
)
test('HTTP/2 server: streams may not bring more together than the window of the connection', limited, async () => {
  await using rig = await Rig.start()
  rig.handler = () => {}
  // Each as much as its own window takes: 32 of them fill that of the connection.
  const upload = (id: number): Buffer =>
    Buffer.concat([headers(id, head('POST', '/')), ...Array.from({ length: 16 }, () => data(id, 'x'.repeat(16_384)))])
  const ping = frame(FrameType.ping, 0, 0, Buffer.alloc(8))
  for (let i = 0; i < 32; i++) rig.peer.write(upload(2 * i + 1))
  rig.peer.write(ping)
  await rig.until(() => rig.of(FrameType.ping).length === 1)
  assert.deepEqual([rig.requests.length, rig.outcomes.length], [32, 0])
  rig.peer.write(Buffer.concat([upload(65), ping]))
  await rig.until(() => rig.ended || rig.of(FrameType.ping).length === 2)
  assert.equal(rig.of(FrameType.goaway)[0]?.payload.readUInt32BE(4), 3)
})
test('HTTP/2 server: a header block in pieces may not be much longer than headers may be', limited, async () => {
  await using rig = await Rig.start({ maxHeaderBytes: 4_096 })
  const long = head('GET', '/', 'x-long', 'x'.repeat(10_000))
  const pieces = [
    headers(1, long.subarray(0, 8_100), Flag.endStream),
    frame(FrameType.continuation, 4, 1, long.subarray(8_100)),
  ]
  rig.peer.write(Buffer.concat([...pieces, headers(3, GET, LAST_FLAGS)]))
  await rig.until(() => rig.ended || rig.answered(3))
  assert.equal(rig.of(FrameType.goaway)[0]?.payload.readUInt32BE(4), 11)
})
test('HTTP/2 server: what breaks the rules of a stream over and over ends the connection', limited, async () => {
  await using rig = await Rig.start({ streamResetBurst: 20, streamResetRate: 1 })
  rig.handler = () => {}
  // The client makes us reset its streams.
  const faults = Array.from({ length: 50 }, (_, i) =>
    Buffer.concat([headers(2 * i + 1, GET, LAST_FLAGS), frame(FrameType.windowUpdate, 0, 2 * i + 1, uint32(0))]),
  )
  rig.peer.write(Buffer.concat(faults))
  await rig.until(() => rig.ended)
  assert.equal(rig.of(FrameType.goaway)[0]!.payload.readUInt32BE(4), 11)
  assert.ok(rig.requests.length <= 21)
})

test(
  'HTTP/2 server: retire() says GOAWAY, takes no new requests, and ends after the last answer',
  limited,
  async () => {
    await using rig = await Rig.start()
    rig.handler = () => {}
    rig.peer.write(headers(1, GET, LAST_FLAGS))
    await rig.until(() => rig.requests.length === 1)
    rig.connection.retire()
    await rig.until(() => rig.of(FrameType.goaway).length === 1)
    assert.deepEqual(rig.of(FrameType.goaway)[0]!.payload, uint32(1, 0))
    rig.peer.write(headers(3, GET, LAST_FLAGS))
    const [exchange] = rig.requests
    exchange!.respond(200, [])
    exchange!.end(Buffer.from('late'))
    await rig.until(() => rig.ended)
    assert.deepEqual([rig.body(1), rig.requests.length, rig.outcomes[0]!.kind], ['late', 1, 'complete'])
  },
)
test('HTTP/2 server: a connection without requests is retired after its time', limited, async () => {
  await using rig = await Rig.start({ idleTimeoutMs: 1_000 })
  await rig.until(() => rig.of(FrameType.settings).length === 2)
  rig.connection.sweep(1_000)
  assert.equal(rig.ended, false)
  rig.connection.sweep(1_001)
  await rig.until(() => rig.ended)
})
test('HTTP/2 server: a connection with a request is not idle, however long it takes', limited, async () => {
  await using rig = await Rig.start({ idleTimeoutMs: 1_000 })
  rig.handler = () => {}
  rig.peer.write(headers(1, GET, LAST_FLAGS))
  await rig.until(() => rig.requests.length === 1)
  rig.now = 5_000
  rig.connection.sweep(rig.now)
  rig.requests[0]!.respond(204, [])
  rig.requests[0]!.end()
  await rig.until(() => rig.answered(1))
  assert.equal(rig.of(FrameType.goaway).length, 0)
  rig.connection.sweep(6_000)
  rig.peer.write(headers(3, GET, LAST_FLAGS))
  await rig.until(() => rig.requests.length === 2 || rig.ended)
  assert.equal(rig.of(FrameType.goaway).length, 0, 'its time begins with the end of the request')
})
test(
  'HTTP/2 server: a body that someone waits for and that does not come ends its request alone',
  limited,
  async () => {
    await using rig = await Rig.start({ bodyTimeoutMs: 1_000 })
    let bytes = 0
    rig.handler = (e) => {
      const body = e.body()
      body.on('error', () => {})
      body.on('data', (chunk: Buffer) => (bytes += chunk.length))
    }
    rig.peer.write(Buffer.concat([headers(1, head('POST', '/')), headers(3, head('POST', '/'))]))
    await rig.until(() => rig.requests.length === 2)
    rig.connection.sweep(0)
    rig.peer.write(data(3, 'x'))
    await rig.until(() => bytes === 1)
    rig.connection.sweep(1_000)
    assert.equal(rig.outcomes.length, 0)
    rig.connection.sweep(1_001)
    assert.deepEqual(
      rig.outcomes.map((o) => [o.kind, o.bytesIn]),
      [['aborted', 0]],
    )
    await rig.until(() => rig.resetCode(1) !== undefined)
    assert.equal(rig.resetCode(3), undefined)
  },
)

test('frames with bytes changed at random end in answers, resets or a GOAWAY, never in an exception', {
  timeout: 60_000,
}, async () => {
  const next = random(5)
  const whole = Buffer.concat([
    headers(1, head('POST', '/a', 'content-length', '5')),
    data(1, 'hello', Flag.endStream),
    frame(FrameType.windowUpdate, 0, 0, uint32(5)),
    headers(3, head('GET', '/b'), LAST_FLAGS),
    frame(FrameType.reset, 0, 3, uint32(8)),
    frame(FrameType.ping, 0, 0, Buffer.alloc(8)),
  ])
  for (let i = 0; i < 300; i++) {
    await using rig = await Rig.start()
    const bytes = Buffer.from(whole)
    for (let k = next(3); k >= 0; k--) bytes[next(bytes.length)] = next(256)
    rig.peer.end(bytes)
    await rig.until(() => rig.ended)
    assert.equal(rig.outcomes.length, rig.requests.length)
  }
})
