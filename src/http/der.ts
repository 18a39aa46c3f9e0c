/** Just enough DER to write an X.509 certificate. Source: X.690. */

export function tlv(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body])
}
function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  const used = bytes.subarray(bytes.findIndex((b) => b !== 0))
  return Buffer.concat([Buffer.from([0x80 | used.length]), used])
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => tlv(0x30, ...parts)
export const set = (...parts: readonly Uint8Array[]): Buffer => tlv(0x31, ...parts)
export const octets = (bytes: Uint8Array): Buffer => tlv(0x04, bytes)
export const bits = (bytes: Uint8Array, unusedBits = 0): Buffer => tlv(0x03, Buffer.from([unusedBits]), bytes)
export const text = (value: string): Buffer => tlv(0x0c, Buffer.from(value, 'utf8'))
export const boolean = (value: boolean): Buffer => tlv(0x01, Buffer.from([value ? 0xff : 0]))
/** @param bytes big-endian, not negative. */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((b) => b !== 0)
  const used = first < 0 ? Buffer.from([0]) : bytes.subarray(first)
  return used[0]! >= 0x80 ? tlv(0x02, Buffer.from([0]), used) : tlv(0x02, used)
}
/** @param dotted such as `2.5.29.17`. */
export function oid(dotted: string): Buffer {
  const arcs = dotted.split('.').map(Number)
  const bytes = [arcs[0]! * 40 + arcs[1]!]
  for (const arc of arcs.slice(2)) {
    const septets = [arc & 0x7f]
    for (let rest = arc >>> 7; rest > 0; rest >>>= 7) septets.unshift((rest & 0x7f) | 0x80)
    bytes.push(...septets)
  }
  return tlv(0x06, Buffer.from(bytes))
}
/** UTCTime up to 2049, GeneralizedTime after. Source: RFC 5280 section 4.1.2.5. */
export function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')
  return digits < '2050' ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits))
}
