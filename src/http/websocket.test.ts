/** The server's half of a WebSocket, against bytes that come in any pieces. */
import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { random } from '../../test/harness/random.ts'
import { untilTurn } from '../../test/harness/until.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { WebSocket, webSocketAccept } from './websocket.ts'

/** A stream that takes what it is given. */
class Wire extends Duplex {
  sent: Buffer = Buffer.alloc(0)
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.sent = Buffer.concat([this.sent, chunk])
    done()
  }
}
function clientFrame(first: number, payload: Buffer, mask = [1, 2, 3, 4]): Buffer {
  const { length } = payload
  const long = Buffer.alloc(length < 126 ? 0 : length <= 0xffff ? 2 : 8)
  if (long.length === 2) long.writeUInt16BE(length)
  else if (long.length === 8) long.writeBigUInt64BE(BigInt(length))
  const short = length < 126 ? length : length <= 0xffff ? 126 : 127
  return Buffer.concat([
    Buffer.from([first, 0x80 | short]),
    long,
    Buffer.from(mask),
    payload.map((b, i) => b ^ mask[i % 4]!),
  ])
}
const PING = clientFrame(0x89, Buffer.from('hi'))
const PONG_SENT = Buffer.from([0x8a, 2, 0x68, 0x69])
const closeSent = (code: number): Buffer => Buffer.from([0x88, 2, code >> 8, code & 0xff])

test('the accept of a key. Source: RFC 6455 section 1.3', () => {
  assert.equal(webSocketAccept('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

test('lengths of messages: 7, 16 and 64 bits', async () => {
  const wire = new Wire()
  const socket = new WebSocket(wire, new FakeClock())
  for (const length of [0, 125, 126, 65_535, 65_536]) {
    wire.sent = Buffer.alloc(0)
    socket.send(Buffer.alloc(length, 'a'), 'text')
    await untilTurn('it is sent', () => wire.writableLength === 0)
    const extra = length < 126 ? 0 : length <= 0xffff ? 2 : 8
    assert.equal(wire.sent.length, 2 + extra + length)
    assert.equal(wire.sent[0], 0x81)
    assert.equal(wire.sent[1], length < 126 ? length : extra === 2 ? 126 : 127)
    if (extra > 0) assert.equal(wire.sent.readUIntBE(extra === 2 ? 2 : 4, extra === 2 ? 2 : 6), length)
  }
})

test('messages are passed over, pings among them answered, whatever pieces the bytes come in', async () => {
  const next = random(7)
  const all = Buffer.concat([
    PING,
    ...[0, 1, 125, 126, 70_000].flatMap((length) => [clientFrame(0x82, Buffer.alloc(length, 'x')), PING]),
    clientFrame(0x01, Buffer.from('a')),
    PING,
    clientFrame(0x80, Buffer.from('b')),
    clientFrame(0x88, Buffer.from([0x03, 0xe9])),
    PING,
  ])
  for (let run = 0; run < 20; run++) {
    const wire = new Wire()
    void new WebSocket(wire, new FakeClock())
    for (let at = 0; at < all.length; ) {
      const size = 1 + next(run < 10 ? 9 : 40_000)
      wire.push(all.subarray(at, at + size))
      at += size
    }
    const wanted = Buffer.concat([...Array<Buffer>(7).fill(PONG_SENT), closeSent(1_001)])
    await untilTurn('all is answered', () => wire.sent.length >= wanted.length)
    assert.ok(wire.sent.equals(wanted), wire.sent.toString('hex'))
    wire.destroy()
  }
})

const bad: Record<string, Buffer> = {
  'no mask': Buffer.from([0x81, 0x01, 0x61]),
  'a reserved bit': clientFrame(0xc1, Buffer.from('a')),
  'a ping in pieces': clientFrame(0x09, Buffer.from('a')),
  'a long ping': clientFrame(0x89, Buffer.alloc(126)),
  'a length beyond all': Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4]),
}
for (const [name, bytes] of Object.entries(bad)) {
  test(`what no client may send ends it with 1002: ${name}`, async () => {
    const wire = new Wire()
    const clock = new FakeClock()
    const socket = new WebSocket(wire, clock)
    wire.push(bytes)
    await untilTurn('it is closed', () => wire.sent.length > 0)
    assert.ok(wire.sent.equals(closeSent(1_002)))
    assert.ok(wire.writableEnded)
    // Neither what comes now nor what is sent now matters; a client that does not close is not waited for.
    wire.push(PING)
    assert.ok(socket.send(Buffer.from('x'), 'text'))
    clock.advance(5_000)
    assert.ok(wire.destroyed)
    assert.ok(wire.sent.equals(closeSent(1_002)))
    assert.equal(clock.pending, 0)
  })
}
