/** Header compression against itself and against node:http2's, which is nghttp2's. */
import assert from 'node:assert/strict'
import http2 from 'node:http2'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { random } from '../../../test/harness/random.ts'
import { ByteSink } from './byte-sink.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import { Http2Error } from './errors.ts'
import { decodeHuffman } from './huffman.ts'
import { Http2Wire, type WireOwner } from './wire.ts'

const LIMITS = { maxHeaderBytes: 65_536, maxHeaderCount: 1_000 }
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')
function decode(decoder: HpackDecoder, block: Buffer) {
  return decoder.decode(block, 0, block.length)
}

test('Huffman: the examples of RFC 7541 appendix C', () => {
  const cases: readonly [string, string][] = [
    ['f1e3c2e5f23a6ba0ab90f4ff', 'www.example.com'],
    ['a8eb10649cbf', 'no-cache'],
    ['25a849e95ba97d7f', 'custom-key'],
    ['d07abe941054d444a8200595040b8166e082a62d1bff', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    [
      '94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ],
  ]
  for (const [coded, want] of cases) {
    const out = Buffer.alloc(128)
    assert.equal(out.toString('latin1', 0, decodeHuffman(hex(coded), 0, hex(coded).length, out)), want)
  }
})

test('Huffman: the end mark, a wrong and a long padding are refused', () => {
  for (const coded of ['3fffffff', '1e', '1fff', 'fffffffc']) {
    assert.throws(() => decodeHuffman(hex(coded), 0, hex(coded).length, Buffer.alloc(64)), RangeError, coded)
  }
})

test('decoder: the requests of RFC 7541 appendix C.4, one table for all', () => {
  const decoder = new HpackDecoder(LIMITS)
  const blocks = [
    '828684418cf1e3c2e5f23a6ba0ab90f4ff',
    '828684be5886a8eb10649cbf',
    '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
  ].map((b) => decode(decoder, hex(b)))
  assert.deepEqual(blocks[0]!.pseudo, [
    ':method',
    'GET',
    ':scheme',
    'http',
    ':path',
    '/',
    ':authority',
    'www.example.com',
  ])
  assert.deepEqual(blocks[1]!.fields, ['cache-control', 'no-cache'])
  assert.deepEqual(blocks[2]!.fields, ['custom-key', 'custom-value'])
  assert.ok(blocks.every((b) => !b.malformed && !b.tooLarge))
})

const BROKEN: readonly { name: string; block: string }[] = [
  { name: 'index 0', block: '80' },
  { name: 'an index behind the table', block: 'be' },
  { name: 'an integer without an end', block: 'ffffffffffffffff' },
  { name: 'an integer cut short', block: 'ff80' },
  { name: 'a string longer than the block', block: '400161 05 6162' },
  { name: 'a table larger than allowed', block: '3fe21f' },
  { name: 'a table size behind a field', block: '8220' },
  { name: 'three table sizes', block: '20202082' },
  { name: 'a Huffman string with the end mark', block: '0001 61 84 ffffffff' },
]
for (const { name, block } of BROKEN) {
  test(`decoder: ${name} breaks the connection`, () => {
    assert.throws(() => decode(new HpackDecoder(LIMITS), hex(block)), Http2Error)
  })
}

const literal = (name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.from([0x40, name.length]),
    Buffer.from(name, 'latin1'),
    Buffer.from([value.length]),
    Buffer.from(value, 'latin1'),
  ])
const MALFORMED: readonly { name: string; field: [string, string] }[] = [
  { name: 'upper case', field: ['X-A', 'b'] },
  { name: 'an empty name', field: ['', 'b'] },
  { name: 'a blank in a name', field: ['a b', 'c'] },
  { name: 'LF in a value', field: ['a', 'b\nc'] },
  { name: 'NUL in a value', field: ['a', 'b\u0000c'] },
  { name: 'a blank in a pseudo-field', field: [':path', '/ \u0000'] },
  { name: 'connection', field: ['connection', 'close'] },
  { name: 'transfer-encoding', field: ['transfer-encoding', 'chunked'] },
  { name: 'te other than trailers', field: ['te', 'gzip'] },
]
for (const { name, field } of MALFORMED) {
  test(`decoder: ${name} is malformed, from the table too, and the table stays whole`, () => {
    const decoder = new HpackDecoder(LIMITS)
    assert.equal(decode(decoder, literal(...field)).malformed, true)
    assert.equal(decode(decoder, hex('be')).malformed, true)
    const good = decode(decoder, Buffer.concat([literal('x-good', 'value'), hex('be')]))
    assert.deepEqual([good.malformed, good.fields], [false, ['x-good', 'value', 'x-good', 'value']])
  })
}

test('decoder: blanks around a value are not part of it, and count in the table all the same', () => {
  const decoder = new HpackDecoder({ maxHeaderBytes: 8_192, maxHeaderCount: 10 })
  for (const [value, want] of [
    [' b', 'b'],
    ['b\t ', 'b'],
    ['  ', ''],
    ['b c', 'b c'],
  ] as const) {
    const given = decode(decoder, literal('a', value))
    assert.deepEqual([given.malformed, given.fields, given.bytes], [false, ['a', want], 1 + value.length])
    assert.deepEqual(decode(decoder, hex('be')).fields, ['a', want])
  }
  assert.deepEqual(decode(decoder, literal(':path', '/ ')).pseudo, [':path', '/ '])
  // 4,096 bytes hold exactly 32 such entries: the first is there still, the 33rd is not.
  for (let i = 0; i < 32; i++) decode(decoder, literal('n', ` ${'v'.repeat(93)} `))
  assert.equal(decode(decoder, Buffer.from([0x80 | (61 + 32)])).fields[0], 'n')
  assert.throws(() => decode(decoder, Buffer.from([0x80 | (61 + 33)])), { code: 9 })
})

test('decoder: a pseudo-field behind others is malformed', () => {
  assert.equal(decode(new HpackDecoder(LIMITS), Buffer.concat([literal('a', 'b'), hex('82')])).malformed, true)
})

test('decoder: what is too large is cut off, and the table stays whole', () => {
  const decoder = new HpackDecoder({ maxHeaderBytes: 100, maxHeaderCount: 3 })
  const many = decode(
    decoder,
    Buffer.concat([literal('a', '1'), literal('b', '2'), literal('c', '3'), literal('d', '4')]),
  )
  assert.deepEqual([many.tooLarge, many.fields.length], [true, 6])
  assert.equal(decode(decoder, literal('e', 'x'.repeat(100))).tooLarge, true)
  const after = decode(decoder, hex('bf'))
  assert.deepEqual([after.tooLarge, after.fields], [false, ['d', '4']])
})

test('encoder: what repeats is an index; what is secret never is, nor what is unique but for its name', () => {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder(LIMITS)
  const encode = (fields: string[]): Buffer => {
    const out = new ByteSink()
    encoder.start(out)
    encoder.fields(out, fields)
    return out.take()
  }
  const fields = ['user-agent', 'kubectl', 'x-remote-user', 'jane']
  assert.deepEqual(decode(decoder, encode(fields)).fields, fields)
  assert.equal(encode(fields).length, 2)
  const secret = ['authorization', 'Bearer secret']
  const first = encode(secret)
  assert.equal(first[0]! & 0xf0, 0x10, 'never indexed')
  assert.deepEqual(encode(secret), first)
  const unique = ['audit-id', 'a-b-c', 'etag', 'a-b-c']
  assert.deepEqual(decode(decoder, encode(unique)).fields, unique)
  // Index of the name, length and text of the value; without an entry in the table.
  const again = hex('0f2f 05612d622d63 0f13 05612d622d63'.replaceAll(' ', ''))
  for (const turn of ['second', 'third']) assert.deepEqual(encode(unique), again, turn)
  assert.deepEqual(decode(decoder, again).fields, unique)
})

function randomFields(next: (below: number) => number): string[] {
  const names = [
    'accept',
    'x-remote-user',
    'x-a',
    'etag',
    'audit-id',
    'authorization',
    'cookie',
    'server',
    'x-long',
    'content-type',
    'vary',
  ]
  const fields: string[] = []
  for (let i = next(12); i >= 0; i--) {
    const name = next(8) === 0 ? `x-${next(5_000)}` : names[next(names.length)]!
    const length = name === 'x-long' ? next(3_000) : next(40)
    const text = Array.from({ length }, () => String.fromCharCode(33 + next(222)))
      .join('')
      .replaceAll('\u007f', 'x')
    fields.push(name, next(3) === 0 ? 'same' : text.trim())
  }
  return fields
}

test('encoder and decoder agree on 3,000 random messages, with tables that change their size', () => {
  const next = random(7)
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder(LIMITS)
  for (let i = 0; i < 3_000; i++) {
    if (next(50) === 0) encoder.limitTable(next(5_000))
    if (next(100) === 0) encoder.limitTable(0)
    const fields = randomFields(next)
    const out = new ByteSink()
    encoder.start(out)
    encoder.fields(out, fields)
    const block = decode(decoder, out.take())
    assert.deepEqual([block.fields, block.malformed], [fields, false])
  }
})

/** Node refuses to send some names twice. */
function single(fields: string[]): string[] {
  const kept = new Map<string, string>()
  for (let i = 0; i < fields.length; i += 2) kept.set(fields[i]!, fields[i + 1]!)
  return [...kept].flat()
}
/** Answers each request with the fields it brought. */
function echo(socket: Socket): void {
  const owner: WireOwner = {
    headers: (stream, block) =>
      wire.sendHeaders(stream, [':status', block.malformed || block.tooLarge ? '500' : '200', ...block.fields], true),
    data() {},
    reset() {},
    goaway() {},
    settings() {},
    windowGrown() {},
    writable() {},
    isIdle: () => false,
    lastStream: 0,
    closed() {},
  }
  const wire = new Http2Wire(socket, owner, {
    side: 'server',
    settings: [],
    connectionWindowBytes: 100_000,
    ...LIMITS,
    now: () => 0,
  })
}

test('node:http2 and we read each other, whatever is coded, indexed and evicted', { timeout: 30_000 }, async () => {
  const next = random(11)
  const messages = Array.from({ length: 400 }, () => single(randomFields(next)))
  // Every byte a value may hold.
  messages.push([
    'x-all',
    Array.from({ length: 222 }, (_, i) => String.fromCharCode(33 + i))
      .join('')
      .replace('\u007f', ''),
  ])
  const server = createServer(echo).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  try {
    for (const fields of messages) {
      const head = [':method', 'GET', ':path', '/', ':scheme', 'http', ':authority', 'x', ...fields]
      const stream = client.request(head, { endStream: true })
      const [, , raw] = (await once(stream, 'response')) as [unknown, unknown, string[]]
      assert.deepEqual(raw, [':status', '200', ...fields])
      stream.resume()
    }
  } finally {
    client.destroy()
    server.close()
  }
})

test('decoder: strings outside the table come out as they went in, however often and however many', () => {
  const decoder = new HpackDecoder(LIMITS)
  const literal = (name: string, value: string): Buffer =>
    Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)])
  for (let round = 0; round < 3; round++)
    for (let i = 0; i < 500; i++) {
      // Of one length, so that they meet in the same places; every seventh cannot be sent.
      const value = `v${String(i).padStart(6, '0')}${i % 7 === 0 ? '\u0001' : 'x'}`
      const { fields, malformed } = decode(decoder, literal('name', value))
      assert.deepEqual(fields, ['name', value])
      assert.equal(malformed, i % 7 === 0)
    }
})
