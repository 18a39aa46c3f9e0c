import assert from 'node:assert/strict'
import { test } from 'node:test'
import { THING_FORM, THING_TYPES, type Thing } from '../../test/harness/things.ts'
import { decodeProtobuf } from '../api/codec/codec.ts'
import { ProtobufReader } from '../api/codec/protobuf-wire.ts'
import type { KubeObject } from '../api/meta.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import type { Item } from '../registry/list-reader.ts'
import { CacheItem } from '../registry/watch-cache/cache-item.ts'
import { LatestFrames } from './latest-frames.ts'
import { ObjectForms } from './object-forms.ts'
import { watchEncoder } from './watch-encoder.ts'

const scope = {
  forms: new ObjectForms(THING_FORM, undefined),
  frames: new LatestFrames(),
  columns: [],
  clock: new FakeClock(),
}
const encoder = (encoding: 'json' | 'protobuf'): ReturnType<typeof watchEncoder> =>
  watchEncoder(scope, { encoding, pretty: false, as: undefined, stream: true }, 'Metadata')
const item = (name: string, value: string): Item => {
  const object: Thing = { metadata: { name }, data: { value } }
  return new CacheItem(`/registry/things/${name}`, 7, { object, labels: {}, fields: {} })
}
const json = (bytes: Uint8Array): unknown => {
  assert.equal(bytes.at(-1), 0x0a)
  return JSON.parse(Buffer.from(bytes).toString())
}
/** The object in a frame of protobuf: its length, then an event of type and object. */
function object(frame: Uint8Array): KubeObject | undefined {
  assert.equal(Buffer.from(frame).readUInt32BE(), frame.length - 4)
  const event = new ProtobufReader(frame.subarray(4))
  assert.equal(event.tag().number, 1)
  event.bytes()
  assert.equal(event.tag().number, 2)
  const extension = new ProtobufReader(event.bytes())
  assert.equal(extension.tag().number, 1)
  return decodeProtobuf(THING_TYPES, extension.bytes())
}

for (const value of ['plain', 'zoë', '木 😀', '<&>', 'x'.repeat(100_000)])
  test(`an object with ${JSON.stringify(value.slice(0, 10))} arrives whole in both forms`, () => {
    const one = item('a', value)
    const want = { kind: 'Thing', apiVersion: 'test/v1', metadata: { name: 'a' }, data: { value } }
    assert.deepEqual(json(encoder('json').event('MODIFIED', one)), { type: 'MODIFIED', object: want })
    assert.deepEqual(object(encoder('protobuf').event('MODIFIED', one)), want)
  })

test('an event is encoded once for all its watches, whatever form the one before asked for', () => {
  const [first, second] = [item('a', 'x'), item('b', 'y')]
  const watches = [encoder('json'), encoder('protobuf'), encoder('json'), encoder('protobuf')]
  const [json1, proto1, json2, proto2] = watches.map((w) => w.event('ADDED', first))
  assert.equal(json1, json2)
  assert.equal(proto1, proto2)
  const gone = watches.map((w) => w.event('DELETED', first))
  assert.deepEqual((json(gone[0]!) as { type: string }).type, 'DELETED')
  const [other] = watches.map((w) => w.event('ADDED', second))
  assert.deepEqual((json(other!) as { object: KubeObject }).object.metadata.name, 'b')
})
