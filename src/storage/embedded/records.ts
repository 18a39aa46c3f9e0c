/**
 * The bytes of the embedded engine's databases. Numbers are big-endian, so byte order is their order.
 *
 *   log     revision                -> flags, previous revision, key length, key, value
 *   index   key                     -> revision of its last entry, deleted
 *   ttl     due time, revision      -> key
 *   meta    name                    -> decimal text
 */
import type { Revision } from '../storage.ts'

/** One write. A deletion is an entry without a value; previous links to the entry before it of the same key, or 0. */
export interface LogEntry {
  readonly key: string
  readonly revision: Revision
  readonly previous: Revision
  readonly created: boolean
  readonly value: Uint8Array | undefined
}
export interface IndexEntry {
  readonly revision: Revision
  readonly deleted: boolean
}

/** Revisions and times in ms fit into 48 bits. */
const NUMBER_BYTES = 6
const HEADER_BYTES = 1 + NUMBER_BYTES + 2
const DELETED = 1
const CREATED = 2

export function revisionKey(revision: Revision): Buffer {
  const bytes = Buffer.allocUnsafe(NUMBER_BYTES)
  bytes.writeUIntBE(revision, 0, NUMBER_BYTES)
  return bytes
}
export const revisionOf = (bytes: Uint8Array): Revision => Buffer.from(bytes).readUIntBE(0, NUMBER_BYTES)

export function encodeLogEntry(entry: LogEntry): Buffer {
  const key = Buffer.from(entry.key)
  const head = Buffer.allocUnsafe(HEADER_BYTES)
  head.writeUInt8((entry.value ? 0 : DELETED) | (entry.created ? CREATED : 0), 0)
  head.writeUIntBE(entry.previous, 1, NUMBER_BYTES)
  head.writeUInt16BE(key.length, 1 + NUMBER_BYTES)
  return Buffer.concat(entry.value ? [head, key, entry.value] : [head, key])
}
export function decodeLogEntry(revision: Revision, bytes: Buffer): LogEntry {
  const flags = bytes.readUInt8(0)
  const end = HEADER_BYTES + bytes.readUInt16BE(1 + NUMBER_BYTES)
  return {
    key: bytes.toString('utf8', HEADER_BYTES, end),
    revision,
    previous: bytes.readUIntBE(1, NUMBER_BYTES),
    created: (flags & CREATED) !== 0,
    value: flags & DELETED ? undefined : bytes.subarray(end),
  }
}

export function encodeIndexEntry(entry: IndexEntry): Buffer {
  const bytes = Buffer.allocUnsafe(NUMBER_BYTES + 1)
  bytes.writeUIntBE(entry.revision, 0, NUMBER_BYTES)
  bytes.writeUInt8(entry.deleted ? 1 : 0, NUMBER_BYTES)
  return bytes
}
export function decodeIndexEntry(bytes: Buffer): IndexEntry {
  return { revision: bytes.readUIntBE(0, NUMBER_BYTES), deleted: bytes.readUInt8(NUMBER_BYTES) === 1 }
}

export function ttlKey(dueMs: number, revision: Revision): Buffer {
  return Buffer.concat([revisionKey(dueMs), revisionKey(revision)])
}
export function decodeTtlKey(bytes: Uint8Array): { dueMs: number; revision: Revision } {
  return { dueMs: revisionOf(bytes), revision: revisionOf(bytes.subarray(NUMBER_BYTES)) }
}
