/** The client against a backend that writes its frames by hand: what it takes, what it refuses, and what it tells. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Flag, FrameType, Setting } from '../http/http2/frames.ts'
import {
  block,
  data,
  type Frame,
  FrameReader,
  frame,
  headers,
  LAST_FLAGS,
  OK,
  settings,
  uint32,
} from '../../test/harness/http2-frames.ts'
import { random } from '../../test/harness/random.ts'
import { untilTurn } from '../../test/harness/until.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { Http2ClientSession } from './http2-client.ts'
import type { UpstreamError, UpstreamHandler, UpstreamRequest, UpstreamStream } from './upstream.ts'

const GET: UpstreamRequest = {
  method: 'GET',
  target: '/x',
  authority: 'a',
  headers: [],
  body: 'none',
  upgrade: undefined,
}
/** What the sender hears, as words. */
class Heard implements UpstreamHandler {
  readonly words: string[] = []
  error: UpstreamError | undefined
  takes = true
  informed(status: number): void {
    this.words.push(`informed ${status}`)
  }
  answered(status: number, fields: readonly string[]): void {
    this.words.push(['answered', status, ...fields].join(' '))
  }
  data(chunk: Buffer): boolean {
    this.words.push(`data ${chunk.toString()}`)
    return this.takes
  }
  ended(trailers: readonly string[]): void {
    this.words.push(['ended', ...trailers].join(' '))
  }
  failed(error: UpstreamError): void {
    this.error = error
    this.words.push(`failed ${error.phase}${error.unprocessed ? ' unprocessed' : ''}${error.stale ? ' stale' : ''}`)
  }
  switched(): void {}
  drained(): void {
    this.words.push('drained')
  }
}

class Rig implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly #reader = new FrameReader()
  readonly frames: readonly Frame[] = this.#reader.frames
  readonly server = createServer()
  client!: Http2ClientSession
  peer!: Socket
  closed = false
  #preface = Buffer.alloc(0)

  static async start(first: Buffer = settings()): Promise<Rig> {
    const rig = new Rig()
    rig.server.listen(0, '127.0.0.1')
    await once(rig.server, 'listening')
    const accepted = once(rig.server, 'connection') as Promise<[Socket]>
    const socket = connect((rig.server.address() as AddressInfo).port, '127.0.0.1')
    await once(socket, 'connect')
    ;[rig.peer] = await accepted
    rig.peer.on('error', () => {})
    rig.peer.on('data', (chunk) => rig.#take(chunk))
    rig.client = new Http2ClientSession(
      socket,
      {
        changed() {},
        closed: () => {
          rig.closed = true
        },
      },
      { clock: rig.clock, readIdleMs: 30_000, pingTimeoutMs: 15_000, maxHeaderBytes: 4_096, maxHeaderCount: 20 },
    )
    rig.peer.write(first)
    await rig.until(() => rig.client.ready || rig.closed)
    return rig
  }
  #take(chunk: Buffer): void {
    const left = 24 - this.#preface.length
    this.#preface = Buffer.concat([this.#preface, chunk.subarray(0, left)])
    if (this.#preface.length < 24) return
    assert.equal(this.#preface.toString('latin1'), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    this.#reader.take(chunk.subarray(left))
  }
  until(holds: () => boolean): Promise<void> {
    return untilTurn(String(holds), holds, 5_000)
  }
  send(request: UpstreamRequest = GET): { heard: Heard; stream: UpstreamStream } {
    const heard = new Heard()
    return { heard, stream: this.client.send(request, heard) }
  }
  of(type: number): Frame[] {
    return this.frames.filter((f) => f.type === type)
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close()
    this.peer.destroy()
    this.server.close()
    await once(this.server, 'close')
  }
}

const over = (heard: Heard): boolean => /^(ended|failed)/.test(heard.words.at(-1) ?? '')
const limited = { timeout: 10_000 }

const ANSWERS: readonly { name: string; request?: Partial<UpstreamRequest>; frames: Buffer[]; want: string[] }[] = [
  { name: 'an answer without a body', frames: [headers(1, OK, LAST_FLAGS)], want: ['answered 200', 'ended'] },
  {
    name: 'an answer with a body, a length and padding',
    frames: [
      headers(1, block(':status', '200', 'content-length', '3')),
      frame(FrameType.data, Flag.padded, 1, Buffer.from('\u0002ab\0\0')),
      data(1, 'c', Flag.endStream),
    ],
    want: ['answered 200 content-length 3', 'data ab', 'data c', 'ended'],
  },
  {
    name: 'a head in pieces, with a priority',
    frames: [
      frame(FrameType.headers, Flag.priority | Flag.endStream, 1, Buffer.concat([Buffer.alloc(5), OK.subarray(0, 4)])),
      frame(FrameType.continuation, Flag.endHeaders, 1, OK.subarray(4)),
    ],
    want: ['answered 200', 'ended'],
  },
  {
    name: '1xx in front, and trailers behind',
    frames: [
      headers(1, block(':status', '100')),
      headers(1, block(':status', '103')),
      headers(1, OK),
      data(1, 'x'),
      headers(1, block('grpc-status', '0'), LAST_FLAGS),
    ],
    want: ['informed 103', 'answered 200', 'data x', 'ended grpc-status 0'],
  },
  {
    name: 'the length of what HEAD does not get',
    request: { method: 'HEAD' },
    frames: [headers(1, block(':status', '200', 'content-length', '9'), LAST_FLAGS)],
    want: ['answered 200 content-length 9', 'ended'],
  },
  {
    name: 'the length of what 304 does not bring',
    frames: [headers(1, block(':status', '304', 'content-length', '9'), LAST_FLAGS)],
    want: ['answered 304 content-length 9', 'ended'],
  },
  {
    name: 'frames of a type nobody knows',
    frames: [frame(0x77, 0xff, 1, Buffer.from('?')), headers(1, OK, LAST_FLAGS)],
    want: ['answered 200', 'ended'],
  },
]
for (const { name, request, frames, want } of ANSWERS) {
  test(`HTTP/2 client takes ${name}`, limited, async () => {
    await using rig = await Rig.start()
    const { heard } = rig.send({ ...GET, ...request })
    rig.peer.write(Buffer.concat(frames))
    await rig.until(() => over(heard))
    assert.deepEqual(heard.words, want)
    assert.equal(rig.client.usable, true)
    assert.equal(rig.client.open, 0)
  })
}

const REFUSED: readonly { name: string; frames: Buffer[]; want?: string[]; code?: number }[] = [
  { name: 'no status', frames: [headers(1, block('a', 'b'), LAST_FLAGS)] },
  { name: 'two statuses', frames: [headers(1, block(':status', '200', ':status', '200'))] },
  { name: 'a status that is no number', frames: [headers(1, block(':status', '2x0'))] },
  { name: 'a pseudo-field of requests', frames: [headers(1, block(':status', '200', ':path', '/'))] },
  { name: 'a pseudo-field behind others', frames: [headers(1, block('a', 'b', ':status', '200'))] },
  { name: 'upper case', frames: [headers(1, block(':status', '200', 'A', 'b'))] },
  { name: 'a line break in a value', frames: [headers(1, block(':status', '200', 'a', 'b\r\nc: d'))] },
  { name: 'connection', frames: [headers(1, block(':status', '200', 'connection', 'close'))] },
  { name: 'two lengths', frames: [headers(1, block(':status', '200', 'content-length', '1', 'content-length', '2'))] },
  { name: 'a length that is none', frames: [headers(1, block(':status', '200', 'content-length', '+1'))] },
  { name: '101', frames: [headers(1, block(':status', '101'))] },
  { name: '1xx at the end', frames: [headers(1, block(':status', '103'), LAST_FLAGS)] },
  { name: 'data in front of the head', frames: [data(1, 'x', Flag.endStream)] },
  {
    name: 'more than its length',
    frames: [headers(1, block(':status', '200', 'content-length', '1')), data(1, 'xy')],
    want: ['answered 200 content-length 1', 'failed stream'],
  },
  {
    name: 'less than its length',
    frames: [headers(1, block(':status', '200', 'content-length', '3')), data(1, 'xy', Flag.endStream)],
    want: ['answered 200 content-length 3', 'data xy', 'failed stream'],
  },
  {
    name: 'nothing of its length',
    frames: [headers(1, block(':status', '200', 'content-length', '3'), LAST_FLAGS)],
    want: ['answered 200 content-length 3', 'failed stream'],
  },
  {
    name: 'trailers that are not the end',
    frames: [headers(1, OK), headers(1, block('a', 'b'))],
    want: ['answered 200', 'failed stream'],
  },
  {
    name: 'a pseudo-field in trailers',
    frames: [headers(1, OK), headers(1, block(':status', '200'), LAST_FLAGS)],
    want: ['answered 200', 'failed stream'],
  },
  {
    name: 'too many fields',
    frames: [headers(1, block(':status', '200', ...Array.from({ length: 42 }, (_, i) => `a${i}`)))],
    code: 8,
  },
  {
    name: 'a window update of nothing',
    frames: [frame(FrameType.windowUpdate, 0, 1, uint32(0))],
  },
]
for (const { name, frames, want = ['failed first-byte'], code = 1 } of REFUSED) {
  test(`HTTP/2 client resets the stream for ${name}, and the session goes on`, limited, async () => {
    await using rig = await Rig.start()
    const { heard } = rig.send()
    rig.peer.write(Buffer.concat(frames))
    await rig.until(() => over(heard) && rig.of(FrameType.reset).length > 0)
    assert.deepEqual(heard.words, want)
    assert.deepEqual([rig.of(FrameType.reset)[0]!.stream, rig.of(FrameType.reset)[0]!.payload], [1, uint32(code)])
    const next = rig.send().heard
    rig.peer.write(headers(3, OK, LAST_FLAGS))
    await rig.until(() => over(next))
    assert.deepEqual(next.words, ['answered 200', 'ended'])
  })
}

const FATAL: readonly { name: string; frames: Buffer[]; code: number }[] = [
  { name: 'a frame longer than allowed', frames: [frame(FrameType.data, 0, 1, Buffer.alloc(16_385))], code: 6 },
  { name: 'a stream nobody opened', frames: [headers(3, OK)], code: 1 },
  { name: 'a stream of the server', frames: [headers(2, OK)], code: 1 },
  { name: 'data on no stream', frames: [data(0, 'x')], code: 1 },
  { name: 'a push', frames: [frame(FrameType.pushPromise, Flag.endHeaders, 1, Buffer.alloc(4))], code: 1 },
  { name: 'a head interrupted', frames: [headers(1, OK, 0), data(1, 'x')], code: 1 },
  { name: 'a continuation of nothing', frames: [frame(FrameType.continuation, 4, 1, OK)], code: 1 },
  { name: 'padding longer than its frame', frames: [frame(FrameType.data, Flag.padded, 1, Buffer.from([9]))], code: 1 },
  { name: 'a header block nobody can read', frames: [headers(1, Buffer.from([0x80]))], code: 9 },
  { name: 'settings of a wrong length', frames: [frame(FrameType.settings, 0, 0, Buffer.alloc(5))], code: 6 },
  { name: 'settings on a stream', frames: [frame(FrameType.settings, 0, 1)], code: 1 },
  { name: 'a window beyond the limit', frames: [frame(FrameType.windowUpdate, 0, 0, uint32(0x7fffffff))], code: 3 },
  { name: 'an initial window beyond the limit', frames: [settings([Setting.initialWindowSize, 2 ** 31])], code: 3 },
  { name: 'a ping of a wrong length', frames: [frame(FrameType.ping, 0, 0, Buffer.alloc(7))], code: 6 },
  {
    name: 'endless pieces of a head',
    frames: [headers(1, OK, 0), ...Array.from({ length: 50 }, () => frame(FrameType.continuation, 0, 1))],
    code: 11,
  },
  {
    name: 'a flood of pings',
    frames: Array.from({ length: 1_100 }, () => frame(FrameType.ping, 0, 0, Buffer.alloc(8))),
    code: 11,
  },
  { name: 'a flood of settings', frames: Array.from({ length: 1_100 }, () => settings()), code: 11 },
  {
    name: 'a flood of data without data',
    frames: [headers(1, OK), ...Array.from({ length: 1_100 }, () => data(1, ''))],
    code: 11,
  },
]
for (const { name, frames, code } of FATAL) {
  test(`HTTP/2 client ends the session for ${name}`, limited, async () => {
    await using rig = await Rig.start()
    const { heard } = rig.send()
    rig.peer.write(Buffer.concat(frames))
    await rig.until(() => rig.closed && rig.of(FrameType.goaway).length > 0)
    assert.match(heard.words.at(-1)!, /^failed/)
    assert.deepEqual(rig.of(FrameType.goaway)[0]!.payload.readUInt32BE(4), code)
  })
}
test('HTTP/2 client ends a session that does not begin with settings', limited, async () => {
  await using rig = await Rig.start(frame(FrameType.ping, 0, 0, Buffer.alloc(8)))
  await rig.until(() => rig.closed)
  assert.equal(rig.client.usable, false)
})

test(
  'GOAWAY: requests behind the last stream are unprocessed, the others go on, then the session ends',
  limited,
  async () => {
    await using rig = await Rig.start()
    const [first, second] = [rig.send().heard, rig.send().heard]
    rig.peer.write(frame(FrameType.goaway, 0, 0, uint32(1, 0)))
    await rig.until(() => over(second))
    assert.deepEqual([first.words, second.words], [[], ['failed first-byte unprocessed']])
    assert.deepEqual([rig.client.usable, rig.closed], [false, false])
    rig.peer.write(headers(1, OK, LAST_FLAGS))
    await rig.until(() => rig.closed)
    assert.deepEqual(first.words, ['answered 200', 'ended'])
  },
)

const RESETS: readonly { code: number; before: Buffer[]; want: string[] }[] = [
  { code: 7, before: [], want: ['failed first-byte unprocessed'] },
  { code: 2, before: [], want: ['failed first-byte'] },
  { code: 0, before: [headers(1, OK), data(1, 'x')], want: ['answered 200', 'data x', 'failed stream'] },
  { code: 7, before: [headers(1, OK)], want: ['answered 200', 'failed stream'] },
]
for (const { code, before, want } of RESETS) {
  test(`RST_STREAM ${code} after ${before.length} frames`, limited, async () => {
    await using rig = await Rig.start()
    const { heard } = rig.send()
    rig.peer.write(Buffer.concat([...before, frame(FrameType.reset, 0, 1, uint32(code))]))
    await rig.until(() => over(heard))
    assert.deepEqual(heard.words, want)
  })
}

test(
  'a connection that dies silently after it has served is stale; at its first request it is not',
  limited,
  async () => {
    for (const served of [true, false]) {
      await using rig = await Rig.start()
      if (served) {
        const { heard } = rig.send()
        rig.peer.write(headers(1, OK, LAST_FLAGS))
        await rig.until(() => over(heard))
      }
      const { heard } = rig.send()
      rig.peer.destroy()
      await rig.until(() => over(heard))
      assert.deepEqual(heard.words, [served ? 'failed first-byte stale' : 'failed first-byte'])
    }
  },
)

test('abort() resets the stream, and what still comes on it does no harm', limited, async () => {
  await using rig = await Rig.start()
  const { heard, stream } = rig.send()
  stream.abort()
  await rig.until(() => rig.of(FrameType.reset).length > 0)
  assert.deepEqual(rig.of(FrameType.reset)[0]!.payload, uint32(8))
  rig.peer.write(Buffer.concat([headers(1, OK), data(1, 'x', Flag.endStream)]))
  const next = rig.send().heard
  rig.peer.write(headers(3, OK, LAST_FLAGS))
  await rig.until(() => over(next))
  assert.deepEqual([heard.words, next.words], [[], ['answered 200', 'ended']])
})

test(
  'what still comes on a stream that was given up does not use up the window of the connection',
  limited,
  async () => {
    await using rig = await Rig.start()
    rig.send().stream.abort()
    const quarter = Array.from({ length: 1_024 }, () => data(1, 'x'.repeat(16_384)))
    const ping = frame(FrameType.ping, 0, 0, Buffer.alloc(8))
    rig.peer.write(Buffer.concat([headers(1, OK), ...quarter, ping]))
    await rig.until(() => rig.of(FrameType.ping).length === 1)
    const updates = rig.of(FrameType.windowUpdate).map((f) => [f.stream, f.payload.readUInt32BE()])
    assert.deepEqual(updates.slice(1), [[0, 16_777_216]])
  },
)
test('a sender that takes no more holds back its own stream, and gets the rest when it asks', limited, async () => {
  await using rig = await Rig.start()
  const { heard, stream } = rig.send()
  heard.takes = false
  const other = rig.send().heard
  const chunk = 'x'.repeat(16_384)
  rig.peer.write(Buffer.concat([headers(1, OK), ...Array.from({ length: 16 }, () => data(1, chunk))]))
  rig.peer.write(Buffer.concat([headers(3, OK), data(3, 'other', Flag.endStream)]))
  await rig.until(() => over(other))
  assert.equal(heard.words.length, 2, 'the head and one chunk')
  assert.equal(rig.of(FrameType.windowUpdate).filter((f) => f.stream === 1).length, 0, 'its window stays closed')
  heard.takes = true
  stream.resume()
  await rig.until(() => rig.of(FrameType.windowUpdate).some((f) => f.stream === 1))
  const got = (): number => heard.words.slice(1).join('').replaceAll('data ', '').length
  await rig.until(() => got() === 16 * chunk.length)
  rig.peer.write(data(1, '', Flag.endStream))
  await rig.until(() => over(heard))
})
test('body bytes go on before their frame is whole, and its end counts once all of it is here', limited, async () => {
  await using rig = await Rig.start()
  const { heard } = rig.send()
  const other = rig.send().heard
  const frame = data(1, 'abcdef', Flag.endStream)
  rig.peer.write(Buffer.concat([headers(1, OK), frame.subarray(0, 11)]))
  await rig.until(() => heard.words.includes('data ab'))
  rig.peer.write(frame.subarray(11, 14))
  await rig.until(() => heard.words.includes('data cde'))
  assert.ok(!over(heard))
  rig.peer.write(Buffer.concat([frame.subarray(14), headers(3, OK), data(3, 'other', Flag.endStream)]))
  await rig.until(() => over(other))
  assert.deepEqual(heard.words, ['answered 200', 'data ab', 'data cde', 'data f', 'ended'])
  assert.deepEqual(other.words, ['answered 200', 'data other', 'ended'])
})
test('a backend that sends more than the stream window is cut off', limited, async () => {
  await using rig = await Rig.start()
  const { heard } = rig.send()
  heard.takes = false
  const chunk = 'x'.repeat(16_384)
  rig.peer.write(Buffer.concat([headers(1, OK), ...Array.from({ length: 17 }, () => data(1, chunk))]))
  await rig.until(() => over(heard) && rig.of(FrameType.reset).length > 0)
  assert.deepEqual(rig.of(FrameType.reset)[0]!.payload, uint32(3))
})

test(
  'request bodies keep to the windows of the stream and of the connection, and trailers close them',
  limited,
  async () => {
    await using rig = await Rig.start(settings([Setting.initialWindowSize, 10]))
    const { heard, stream } = rig.send({ ...GET, method: 'POST', body: 'unknown' })
    const sent = (): string =>
      rig
        .of(FrameType.data)
        .map((f) => f.payload.toString())
        .join('')
    assert.equal(stream.write(Buffer.from('0123456789abcdef')), false)
    await rig.until(() => sent() === '0123456789')
    rig.peer.write(frame(FrameType.windowUpdate, 0, 1, uint32(4)))
    await rig.until(() => sent() === '0123456789abcd')
    assert.deepEqual(heard.words, [])
    rig.peer.write(settings([Setting.initialWindowSize, 20]))
    await rig.until(() => sent() === '0123456789abcdef')
    assert.deepEqual(heard.words, ['drained'])
    stream.end(['X-Sum', '1'])
    await rig.until(() => rig.of(FrameType.headers).length === 2)
    assert.equal(rig.of(FrameType.headers)[1]!.flags & Flag.endStream, Flag.endStream)
    rig.peer.write(headers(1, OK, LAST_FLAGS))
    await rig.until(() => over(heard))
  },
)

test('a long header block is split, and read by its own rules', limited, async () => {
  await using rig = await Rig.start()
  rig.send({ ...GET, headers: ['X-Long', 'x'.repeat(40_000)] })
  await rig.until(() => rig.of(FrameType.continuation).length === 2)
  assert.deepEqual(
    rig.of(FrameType.continuation).map((f) => f.flags & Flag.endHeaders),
    [0, Flag.endHeaders],
  )
  assert.throws(() => rig.send({ ...GET, headers: ['X-Bad', 'a\r\nb: c'] }), TypeError)
  assert.throws(() => rig.send({ ...GET, headers: ['X Bad', 'a'] }), TypeError)
})

test('silence is answered with a ping, and a ping without an answer with the end', limited, async () => {
  await using rig = await Rig.start()
  const { heard } = rig.send()
  rig.clock.advance(30_000)
  rig.clock.advance(30_000)
  await rig.until(() => rig.of(FrameType.ping).length === 1)
  rig.peer.write(frame(FrameType.ping, Flag.ack, 0, Buffer.alloc(8)))
  const alive = rig.send().heard
  rig.peer.write(headers(3, OK, LAST_FLAGS))
  await rig.until(() => over(alive))
  rig.clock.advance(15_000)
  assert.equal(rig.closed, false)
  rig.clock.advance(15_000)
  rig.clock.advance(30_000)
  rig.clock.advance(15_000)
  await rig.until(() => rig.closed)
  assert.deepEqual(heard.words, ['failed first-byte'])
  assert.equal(heard.error!.message, 'http2: client connection lost')
})

test('frames with bytes changed at random, in pieces, end in an answer or a failure, never in an exception', {
  timeout: 60_000,
}, async () => {
  const next = random(3)
  const whole = Buffer.concat([
    headers(1, block(':status', '200', 'content-length', '5')),
    frame(FrameType.data, Flag.padded, 1, Buffer.from('\u0002hel\0\0')),
    data(1, 'lo'),
    frame(FrameType.windowUpdate, 0, 1, uint32(5)),
    headers(1, block('x-t', 'v'), LAST_FLAGS),
  ])
  let answered = 0
  for (let i = 0; i < 300; i++) {
    await using rig = await Rig.start()
    const { heard } = rig.send()
    const bytes = Buffer.from(whole)
    for (let k = next(3); k >= 0; k--) bytes[next(bytes.length)] = next(256)
    const cut = next(bytes.length)
    rig.peer.write(bytes.subarray(0, cut))
    rig.peer.end(bytes.subarray(cut))
    await rig.until(() => over(heard))
    if (heard.words.at(-1) === 'ended x-t v') answered++
    assert.equal(heard.words.filter((w) => /^(ended|failed)/.test(w)).length, 1)
  }
  assert.ok(answered < 300)
})
