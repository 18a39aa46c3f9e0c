/**
 * Objects to protobuf messages, driven by the tables. As gogo protobuf writes the Go structs: values that are
 * no pointers are written even when empty, fields by number, maps by key.
 */
import type { Field, FieldType, ObjectType } from '../schema/type-table.ts'
import { parseMicroTime, parseTime, type Instant } from './go-time.ts'
import { encodeJson } from './json-writer.ts'
import { ProtobufWriter, WIRE } from './protobuf-wire.ts'

/** The message alone, without the envelope. @throws Error for values that do not fit the type. */
export function encodeMessage(type: ObjectType, object: object): Uint8Array {
  const writer = new ProtobufWriter()
  writeMessage(writer, type, object)
  return writer.finish()
}

function writeMessage(w: ProtobufWriter, type: ObjectType, object: object): void {
  const values = object as Readonly<Record<string, unknown>>
  for (const field of type.descending) {
    const value = field.inline ? object : Object.hasOwn(values, field.name) ? values[field.name] : undefined
    if (value !== undefined && value !== null) writeField(w, field.type, field.number, value)
    else if (!field.pointer) writeZero(w, field)
  }
}

/** What Go writes for a field that holds nothing and is no pointer. */
function writeZero(w: ProtobufWriter, field: Field): void {
  const { type, number } = field
  switch (type.kind) {
    case 'list':
    case 'map':
    case 'bytes':
    case 'union':
      return
    case 'object':
      return writeField(w, type, number, {})
    case 'time':
    case 'microtime':
    case 'raw':
      return w.lengthSince(w.length, number)
    case 'string':
    case 'quantity':
      return writeField(w, type, number, '')
    default:
      return writeField(w, type, number, 0)
  }
}

function writeField(w: ProtobufWriter, type: FieldType, number: number, value: unknown): void {
  if (type.kind === 'list' && !type.wrapped) {
    for (const item of (value as readonly unknown[]).toReversed()) writeField(w, type.item, number, item)
    return
  }
  if (type.kind === 'map') return writeMap(w, type.value, number, value as Record<string, unknown>)
  if (type.kind === 'bool' || type.kind === 'int32' || type.kind === 'int64') {
    w.varint(type.kind === 'bool' ? Number(value) : (value as number | bigint))
    return w.tag(number, WIRE.varint)
  }
  if (type.kind === 'double') {
    w.double(value as number)
    return w.tag(number, WIRE.fixed64)
  }
  const before = w.length
  writeContent(w, type, value)
  w.lengthSince(before, number)
}

/** What stands between the length and the end of a length-delimited field. */
function writeContent(w: ProtobufWriter, type: FieldType, value: unknown): void {
  switch (type.kind) {
    case 'string':
      return w.string(value as string)
    case 'bytes':
      return w.bytes(Buffer.from(value as string, 'base64'))
    case 'object':
      return writeMessage(w, type.type, value as object)
    case 'list':
      return writeField(w, { ...type, wrapped: false }, 1, value)
    case 'time':
      return writeInstant(w, parseTime(value as string))
    case 'microtime':
      return writeInstant(w, parseMicroTime(value as string))
    case 'quantity':
      return writeField(w, STRING, 1, String(value))
    case 'intOrString':
      return writeIntOrString(w, value as string | number)
    case 'raw':
      return writeField(w, STRING, 1, encodeJson(value))
    case 'union':
      return writeUnion(w, type, value)
    default:
      throw new Error(`${type.kind} is not length-delimited`)
  }
}

const STRING: FieldType = { kind: 'string' }
const INT64: FieldType = { kind: 'int64' }

function writeInstant(w: ProtobufWriter, t: Instant): void {
  writeField(w, INT64, 2, t.nanos)
  writeField(w, INT64, 1, t.seconds)
}

/** Source: intstr.IntOrString: type 0 is the integer, 1 the text. */
function writeIntOrString(w: ProtobufWriter, value: string | number): void {
  const text = typeof value === 'string'
  writeField(w, STRING, 3, text ? value : '')
  writeField(w, INT64, 2, text ? 0 : value)
  writeField(w, INT64, 1, text ? 1 : 0)
}

/** `allows` comes first in JSONSchemaPropsOrBool, the schema in the others. */
function writeUnion(w: ProtobufWriter, type: FieldType & { kind: 'union' }, value: unknown): void {
  const schema: FieldType = { kind: 'object', type: type.type }
  if (type.or === 'Bool') {
    if (typeof value !== 'boolean') writeField(w, schema, 2, value)
    return writeField(w, { kind: 'bool' }, 1, value !== false)
  }
  if (!Array.isArray(value)) return writeField(w, schema, 1, value)
  const item = type.or === 'Array' ? schema : STRING
  return writeField(w, { kind: 'list', item, wrapped: false }, 2, value)
}

function writeMap(w: ProtobufWriter, type: FieldType, number: number, map: Readonly<Record<string, unknown>>): void {
  const keys = Object.keys(map).sort((a, b) => (a < b ? -1 : 1))
  for (const key of keys.toReversed()) {
    const before = w.length
    const value = map[key]
    if (value !== undefined && value !== null) writeField(w, type, 2, value)
    writeField(w, STRING, 1, key)
    w.lengthSince(before, number)
  }
}
