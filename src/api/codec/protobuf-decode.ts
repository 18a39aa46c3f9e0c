/** Protobuf messages to objects in their JSON form, driven by the tables. Unknown fields are skipped. */
import type { Field, FieldType, ObjectType } from '../schema/type-table.ts'
import { QuantityError, canonicalQuantity } from '../quantity.ts'
import { emitFields, sortedMap } from './emit-fields.ts'
import { formatMicroTime, formatTime, type Instant } from './go-time.ts'
import { parseJson } from './json-reader.ts'
import { scanJson } from './json-scan.ts'
import { type FieldBudget, ProtobufError, ProtobufReader, WIRE } from './protobuf-wire.ts'
import { zeroOf } from './zero-values.ts'

/**
 * @param into receives the fields; kind and apiVersion may already stand in it.
 * @param budget absent: as many fields as there are. @throws ProtobufError
 */
export function decodeMessage(
  type: ObjectType,
  bytes: Uint8Array,
  into: Record<string, unknown> = {},
  budget?: FieldBudget,
): Record<string, unknown> {
  return readMessage(new ProtobufReader(bytes, budget), type, into)
}

function readMessage(
  reader: ProtobufReader,
  type: ObjectType,
  into: Record<string, unknown> = {},
): Record<string, unknown> {
  const decoded = new Map<Field, unknown>()
  readFields(reader, type, decoded)
  for (const [field, value] of decoded)
    if (field.type.kind === 'map') decoded.set(field, sortedMap(value as [string, unknown][]))
  return emitFields(type, decoded, into)
}

function readFields(reader: ProtobufReader, type: ObjectType, decoded: Map<Field, unknown>): void {
  while (!reader.done) {
    const { number, wire } = reader.tag()
    const field = type.byNumber.get(number)
    if (!field) reader.skip(wire)
    else readField(reader, field, wire, decoded)
  }
}

function readField(r: ProtobufReader, field: Field, wire: number, decoded: Map<Field, unknown>): void {
  const t = field.type
  if (wire !== wireOf(t)) throw new ProtobufError(`proto: wrong wireType = ${wire} for field ${upperFirst(field.name)}`)
  if (field.inline && t.kind === 'object') readFields(r.nested(), t.type, decoded)
  else if (t.kind === 'list' && !t.wrapped) append(decoded, field, readValue(r, t.item))
  else if (t.kind === 'map') append(decoded, field, readEntry(r.nested(), t.value))
  else {
    const value = readValue(r, t)
    if (value !== undefined) decoded.set(field, value)
  }
}

function append(decoded: Map<Field, unknown>, field: Field, value: unknown): void {
  const list = decoded.get(field)
  if (Array.isArray(list)) list.push(value)
  else decoded.set(field, [value])
}

/** Go builds a map: of equal keys the last wins, which Object.entries order and setOwn give too. */
function readEntry(reader: ProtobufReader, type: FieldType): [string, unknown] {
  let key = ''
  let value: unknown
  while (!reader.done) {
    const { number, wire } = reader.tag()
    if (number === 1 && wire === WIRE.bytes) key = reader.string()
    else if (number === 2 && wire === wireOf(type)) value = readValue(reader, type)
    else reader.skip(wire)
  }
  return [key, value ?? zeroOf(type)]
}

function wireOf(type: FieldType): number {
  if (type.kind === 'list' && !type.wrapped) return wireOf(type.item)
  if (type.kind === 'bool' || type.kind === 'int32' || type.kind === 'int64') return WIRE.varint
  return type.kind === 'double' ? WIRE.fixed64 : WIRE.bytes
}

/** @returns undefined for a time that is not set and raw bytes that are empty. */
function readValue(r: ProtobufReader, type: FieldType): unknown {
  switch (type.kind) {
    case 'string':
      return r.string()
    case 'bool':
      return r.bool()
    case 'int32':
      return r.int32()
    case 'int64':
      return r.int64()
    case 'double':
      return r.double()
    case 'bytes':
      return Buffer.from(r.bytes()).toString('base64')
    case 'object':
      return readMessage(r.nested(), type.type)
    case 'list':
      return readWrapped(r.nested(), type.item)
    case 'map':
      throw new ProtobufError('a map cannot stand in a list')
    case 'time':
      return mapInstant(r.nested(), formatTime)
    case 'microtime':
      return mapInstant(r.nested(), formatMicroTime)
    case 'quantity':
      return readQuantity(r.nested())
    case 'intOrString':
      return readIntOrString(r.nested())
    case 'raw':
      return readRaw(r.nested())
    case 'union':
      return readUnion(r.nested(), type)
  }
}

function readUnion(reader: ProtobufReader, type: FieldType & { kind: 'union' }): unknown {
  const schemaNumber = type.or === 'Bool' ? 2 : 1
  let schema: unknown
  let allows = false
  const items: unknown[] = []
  while (!reader.done) {
    const { number, wire } = reader.tag()
    if (number === schemaNumber && wire === WIRE.bytes) schema = readMessage(reader.nested(), type.type)
    else if (number === 1 && wire === WIRE.varint) allows = reader.bool()
    else if (number === 2 && wire === WIRE.bytes)
      items.push(type.or === 'Array' ? readMessage(reader.nested(), type.type) : reader.string())
    else reader.skip(wire)
  }
  return schema ?? (type.or === 'Bool' ? allows : items)
}

function readWrapped(reader: ProtobufReader, item: FieldType): unknown[] {
  const items: unknown[] = []
  while (!reader.done) {
    const { number, wire } = reader.tag()
    if (number === 1 && wire === wireOf(item)) items.push(readValue(reader, item))
    else reader.skip(wire)
  }
  return items
}

/** No bytes at all are Go's zero time. */
function mapInstant(reader: ProtobufReader, format: (t: Instant) => string): string | undefined {
  if (reader.done) return undefined
  const { numbers } = scalars(reader)
  const seconds = Number(numbers.get(1) ?? 0)
  if (Math.abs(seconds) > 8.64e12) throw new ProtobufError(`proto: time ${seconds} is out of range`)
  return format({ seconds, nanos: Number(numbers.get(2) ?? 0) })
}

function readIntOrString(reader: ProtobufReader): string | number {
  const { numbers, texts } = scalars(reader)
  return Number(numbers.get(1) ?? 0) === 0 ? Number(numbers.get(2) ?? 0) : (texts.get(3) ?? '')
}

function firstField(reader: ProtobufReader): string {
  return scalars(reader).texts.get(1) ?? ''
}

function readQuantity(reader: ProtobufReader): string {
  try {
    return canonicalQuantity(firstField(reader) || '0')
  } catch (error) {
    throw error instanceof QuantityError ? new ProtobufError(error.message) : error
  }
}

function readRaw(reader: ProtobufReader): unknown {
  const text = firstField(reader)
  if (text === '') return undefined
  reader.budget?.spend(scanJson(text).values)
  return parseJson(text).value
}

/** The fields of a small message, by number. */
function scalars(reader: ProtobufReader): { numbers: Map<number, number | bigint>; texts: Map<number, string> } {
  const numbers = new Map<number, number | bigint>()
  const texts = new Map<number, string>()
  while (!reader.done) {
    const { number, wire } = reader.tag()
    if (wire === WIRE.varint) numbers.set(number, reader.int64())
    else if (wire === WIRE.bytes) texts.set(number, reader.string())
    else reader.skip(wire)
  }
  return { numbers, texts }
}

function upperFirst(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1)
}
