/**
 * The envelope of Kubernetes' protobuf: four magic bytes and a runtime.Unknown that names the kind. Lists and
 * watch events are put together from items that are already encoded.
 *
 *   "k8s\0"  Unknown { 1: TypeMeta { 1: apiVersion, 2: kind }, 2: raw message, 3: contentEncoding, 4: contentType }
 */
import { ProtobufError, ProtobufReader, ProtobufWriter, WIRE } from './protobuf-wire.ts'

const MAGIC = Uint8Array.of(0x6b, 0x38, 0x73, 0)

export interface Envelope {
  readonly apiVersion: string
  readonly kind: string
  readonly raw: Uint8Array
}

export function wrapProtobuf({ apiVersion, kind, raw }: Envelope): Uint8Array {
  const w = new ProtobufWriter()
  writeText(w, 4, '')
  writeText(w, 3, '')
  writeBytes(w, 2, raw)
  writeTypeMeta(w, apiVersion, kind)
  return w.finish()
}

/** @throws ProtobufError where the magic is missing or the bytes are malformed. */
export function unwrapProtobuf(bytes: Uint8Array): Envelope {
  if (!MAGIC.every((byte, i) => bytes[i] === byte))
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  const reader = new ProtobufReader(bytes.subarray(MAGIC.length))
  let typeMeta = { apiVersion: '', kind: '' }
  let raw: Uint8Array = new Uint8Array(0)
  while (!reader.done) {
    const { number, wire } = reader.tag()
    if (number === 1 && wire === WIRE.bytes) typeMeta = readTypeMeta(reader.bytes())
    else if (number === 2 && wire === WIRE.bytes) raw = reader.bytes()
    else reader.skip(wire)
  }
  return { ...typeMeta, raw }
}

function readTypeMeta(bytes: Uint8Array): { apiVersion: string; kind: string } {
  const reader = new ProtobufReader(bytes)
  const meta = { apiVersion: '', kind: '' }
  while (!reader.done) {
    const { number, wire } = reader.tag()
    if (number === 1 && wire === WIRE.bytes) meta.apiVersion = reader.string()
    else if (number === 2 && wire === WIRE.bytes) meta.kind = reader.string()
    else reader.skip(wire)
  }
  return meta
}

/**
 * What stands around the items of a list, each behind its lead: field 1 of a list is its ListMeta, field 2 repeats the
 * items' messages (no envelopes).
 * @param length of all items with their leads, in bytes.
 */
export function listEnvelope(
  { apiVersion, kind, listMeta }: { apiVersion: string; kind: string; listMeta: Uint8Array },
  length: number,
): { head: Uint8Array; tail: Uint8Array } {
  const meta = new ProtobufWriter()
  writeBytes(meta, 1, listMeta)
  const head = new ProtobufWriter()
  const metaField = meta.finish()
  head.bytes(metaField)
  head.varint(metaField.length + length)
  head.tag(2, WIRE.bytes)
  writeTypeMeta(head, apiVersion, kind)
  const tail = new ProtobufWriter()
  writeText(tail, 4, '')
  writeText(tail, 3, '')
  return { head: head.finish(), tail: tail.finish() }
}

/** Tag and length of an item in a list, one character for each byte. */
export function listItemLead(length: number): string {
  let lead = String.fromCharCode((2 << 3) | WIRE.bytes)
  let rest = length
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) lead += String.fromCharCode((rest % 0x80) | 0x80)
  return lead + String.fromCharCode(rest)
}

/** A WatchEvent's message. @param object an encoded object with its envelope. */
export function watchEventMessage(type: string, object: Uint8Array): Uint8Array {
  const w = new ProtobufWriter()
  writeBytes(w, 1, object)
  w.lengthSince(0, 2)
  writeText(w, 1, type)
  return w.finish()
}

/** One frame of a protobuf stream: four bytes of length, big-endian, and the message. */
export function frameProtobuf(message: Uint8Array): Uint8Array {
  const frame = Buffer.allocUnsafe(message.length + 4)
  frame.writeUInt32BE(message.length)
  frame.set(message, 4)
  return frame
}

/** The magic, and the field behind it. */
function writeTypeMeta(w: ProtobufWriter, apiVersion: string, kind: string): void {
  const before = w.length
  writeText(w, 2, kind)
  writeText(w, 1, apiVersion)
  w.lengthSince(before, 1)
  w.bytes(MAGIC)
}
function writeText(w: ProtobufWriter, number: number, text: string): void {
  const before = w.length
  w.string(text)
  w.lengthSince(before, number)
}
function writeBytes(w: ProtobufWriter, number: number, bytes: Uint8Array): void {
  const before = w.length
  w.bytes(bytes)
  w.lengthSince(before, number)
}
