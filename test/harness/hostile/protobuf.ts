/** Protobuf messages of many small fields. */
import { ProtobufWriter } from '../../../src/api/codec/protobuf-wire.ts'
import { wrapProtobuf } from '../../../src/api/codec/protobuf-envelope.ts'
import { type Body, BODY_BYTES, filled } from './texts.ts'

export const PROTOBUF: readonly Body[] = [
  {
    name: 'keys',
    body: () => protobufOf(() => field(2, Buffer.concat([field(1, Buffer.from('a')), field(2, Buffer.from('b'))]))),
  },
  {
    name: 'different keys',
    body: () =>
      protobufOf((i) => field(2, Buffer.concat([field(1, Buffer.from(`k${i}`)), field(2, Buffer.from('b'))]))),
  },
  { name: 'owners', body: () => protobufOf(() => field(13, Buffer.alloc(0)), 1) },
  { name: 'finalizers', body: () => protobufOf(() => field(14, Buffer.alloc(0)), 1) },
  { name: 'managed fields', body: () => protobufOf(() => field(17, Buffer.alloc(0)), 1) },
  { name: 'fields nobody knows', body: () => protobufOf(() => field(15, Buffer.alloc(0))) },
  { name: 'metadata again and again', body: () => protobufOf(() => field(1, Buffer.alloc(0))) },
  {
    name: 'managed fields of deep JSON',
    body: () =>
      wrapProtobuf({
        kind: 'ConfigMap',
        apiVersion: 'v1',
        raw: field(1, field(17, field(7, field(1, Buffer.from(filled('[')))))),
      }),
  },
]
function field(number: number, content: Uint8Array): Uint8Array {
  const w = new ProtobufWriter()
  w.bytes(content)
  w.lengthSince(0, number)
  return w.finish()
}
/** A ConfigMap filled with one field, repeated. @param inside of this field; 0: of the ConfigMap. */
function protobufOf(part: (i: number) => Uint8Array, inside = 0): Uint8Array {
  const parts: Uint8Array[] = []
  for (let i = 0, size = 0; size < BODY_BYTES; i++) {
    const one = part(i)
    size += one.length
    if (size < BODY_BYTES) parts.push(one)
  }
  const all = Buffer.concat(parts)
  return wrapProtobuf({ kind: 'ConfigMap', apiVersion: 'v1', raw: inside === 0 ? all : field(inside, all) })
}
