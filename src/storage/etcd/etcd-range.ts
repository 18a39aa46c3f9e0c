/** Ranges of keys as etcd wants them. */

/** The smallest key after all keys with the prefix. */
export function prefixEnd(prefix: string): Buffer {
  const bytes = Buffer.from(prefix)
  if (bytes.length === 0) return Buffer.from([0]) // etcd: every key
  bytes[bytes.length - 1]!++ // UTF-8 has no byte 0xff
  return bytes
}
export function prefixRange(prefix: string): { key: Buffer; range_end: Buffer } {
  return { key: prefix === '' ? Buffer.from([0]) : Buffer.from(prefix), range_end: prefixEnd(prefix) }
}
