import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { encodeProtobuf } from '../../../api/codec/codec.ts'
import { frameProtobuf, watchEventMessage } from '../../../api/codec/protobuf-envelope.ts'
import { metaTypes } from '../../../api/schema/meta-types.ts'
import { type WatchForm, inflaterOf, InitialEventsScanner, watchFormOf } from './initial-events-scanner.ts'

const END = { 'k8s.io/initial-events-end': 'true' }
const PARTIAL = 'io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata'

function event(form: WatchForm, type: string, annotations?: object): Buffer {
  const metadata = { name: 'a', resourceVersion: '5', ...(annotations ? { annotations } : {}) }
  const object = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }
  if (form === 'json') return Buffer.from(`${JSON.stringify({ type, object })}\n`)
  return Buffer.from(frameProtobuf(watchEventMessage(type, encodeProtobuf(metaTypes(), PARTIAL, object))))
}

/** The chunk in which the end was found; -1: in none. */
function find(form: WatchForm, chunks: readonly Buffer[]): number {
  const frames = new InitialEventsScanner(form)
  return chunks.findIndex((chunk) => frames.push(chunk))
}

for (const form of ['json', 'protobuf'] as const) {
  const added = event(form, 'ADDED')
  const end = event(form, 'BOOKMARK', END)

  test(`initial events: ${form}: the bookmark is found however the bytes are cut`, () => {
    const stream = Buffer.concat([added, event(form, 'BOOKMARK'), added, end])
    for (let size = 1; size <= stream.length; size++) {
      const chunks: Buffer[] = []
      for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size))
      const frames = new InitialEventsScanner(form)
      const found = chunks.map((chunk) => frames.push(chunk))
      assert.equal(found.indexOf(true), chunks.length - 1, `pieces of ${size}`)
      assert.ok(frames.atBoundary)
    }
  })

  const others: readonly { name: string; events: Buffer[] }[] = [
    { name: 'objects and other bookmarks', events: [added, event(form, 'BOOKMARK'), event(form, 'MODIFIED')] },
    { name: 'an object with the annotation', events: [event(form, 'ADDED', END)] },
    {
      name: 'an object with the annotation, then a bookmark',
      events: [event(form, 'ADDED', END), event(form, 'BOOKMARK')],
    },
  ]
  for (const { name, events } of others) {
    test(`initial events: ${form}: ${name} are not the end`, () => assert.equal(find(form, events), -1))
  }

  test(`initial events: ${form}: within an event is no boundary`, () => {
    for (let cut = 1; cut < added.length; cut++) {
      const frames = new InitialEventsScanner(form)
      frames.push(added.subarray(0, cut))
      assert.equal(frames.atBoundary, false, `cut at ${cut}`)
    }
  })

  test(`initial events: ${form}: a chunk that is changed later does no harm`, () => {
    const frames = new InitialEventsScanner(form)
    const cut = end.indexOf('initial-events') + 3
    const first = Buffer.from(end.subarray(0, cut))
    frames.push(first)
    first.fill(0)
    assert.ok(frames.push(end.subarray(cut)))
  })
}

test('initial events: changes and ordinary bookmarks are none', () => {
  for (const form of ['json', 'protobuf'] as const) {
    const scanner = new InitialEventsScanner(form)
    for (const type of ['MODIFIED', 'DELETED', 'BOOKMARK']) scanner.push(event(form, type))
    assert.equal(scanner.initialBytes, 0)
    const added = event(form, 'ADDED')
    scanner.push(added)
    const whole = scanner.initialBytes
    assert.ok(whole > added.length / 2 && whole <= added.length)
    scanner.push(added.subarray(0, 10))
    assert.ok(scanner.initialBytes > whole, 'also what is under way counts')
  }
})

const types: readonly [type: string, want: WatchForm | undefined][] = [
  ['application/json', 'json'],
  ['application/json;stream=watch', 'json'],
  ['application/vnd.kubernetes.protobuf;stream=watch', 'protobuf'],
  ['application/cbor-seq', undefined],
  ['', undefined],
]
for (const [type, want] of types) {
  test(`initial events: ${type} is looked at as ${want}`, () => assert.equal(watchFormOf(type), want))
}

test('initial events: what is compressed against the request is inflated, in each encoding that Node knows', async () => {
  const encoders = {
    gzip: gzipSync,
    'x-gzip': gzipSync,
    deflate: deflateSync,
    br: brotliCompressSync,
    zstd: zstdCompressSync,
  }
  for (const [encoding, compress] of Object.entries(encoders)) {
    const inflater = inflaterOf(encoding)
    assert.ok(inflater !== undefined && inflater !== 'plain')
    inflater.end(compress('abc'))
    assert.equal(await text(inflater), 'abc')
  }
  assert.equal(inflaterOf(undefined), 'plain')
  assert.equal(inflaterOf('identity'), 'plain')
  assert.equal(inflaterOf('compress'), undefined)
})
