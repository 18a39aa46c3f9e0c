/** HTTP/2 frames made by hand, for peers that misbehave. */
import { Flag, FrameType } from '../../src/http/http2/frames.ts'

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}
export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i)
  return bytes
}
export function settings(...pairs: [number, number][]): Buffer {
  const payload = pairs.map(([id, value]) => Buffer.concat([Buffer.from([id >> 8, id]), uint32(value)]))
  return frame(FrameType.settings, 0, 0, Buffer.concat(payload))
}
/** Literals without index. */
export function block(...fields: string[]): Buffer {
  return Buffer.concat(
    fields.flatMap((text, i) => [Buffer.from([...(i % 2 === 0 ? [0] : []), ...lengthOf(text)]), Buffer.from(text)]),
  )
}
/** Source: RFC 7541 section 5.1, with a prefix of seven bits. */
function lengthOf({ length }: string): number[] {
  if (length < 127) return [length]
  const bytes = [127]
  let rest = length - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}
export const OK = block(':status', '200')
export const HEAD_FLAGS = Flag.endHeaders
export const LAST_FLAGS = Flag.endHeaders | Flag.endStream
export const headers = (stream: number, fields: Buffer, flags: number = HEAD_FLAGS): Buffer =>
  frame(FrameType.headers, flags, stream, fields)
export const data = (stream: number, text: string, flags = 0): Buffer =>
  frame(FrameType.data, flags, stream, Buffer.from(text))

/** Takes a byte stream apart. */
export class FrameReader {
  readonly frames: Frame[] = []
  #rest = Buffer.alloc(0)

  take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < end) return
      const [type, flags] = [this.#rest[3]!, this.#rest[4]!]
      this.frames.push({ type, flags, stream: this.#rest.readUInt32BE(5), payload: this.#rest.subarray(9, end) })
      this.#rest = this.#rest.subarray(end)
    }
  }
}
