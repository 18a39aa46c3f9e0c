/**
 * Bytes that wait to be written, in slabs: many frames leave in one piece.
 *
 * Owns:     a slab; what was taken from it is never written again.
 * Callers:  http2/wire.ts and hpack-encoder.ts.
 */
import { FRAME_HEAD_BYTES } from './frames.ts'

const SLAB_BYTES = 16_384
/** Below this, a loop beats a call into the engine. */
const SHORT = 24

export class ByteSink {
  #slab = EMPTY
  #start = 0
  #at = 0

  /** Bytes since the last take(). */
  get length(): number {
    return this.#at - this.#start
  }
  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    if (this.#slab.length - this.#at >= bytes) return
    const kept = this.#at - this.#start
    // Twice as much where some is there: frame by frame, all of a turn would be copied for each of it.
    const slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, kept === 0 ? bytes : 2 * (kept + bytes)))
    this.#slab.copy(slab, 0, this.#start, this.#at)
    this.#slab = slab
    this.#start = 0
    this.#at = kept
  }
  byte(value: number): void {
    this.#slab[this.#at++] = value
  }
  uint32(value: number): void {
    this.#slab[this.#at++] = value >>> 24
    this.#slab[this.#at++] = value >>> 16
    this.#slab[this.#at++] = value >>> 8
    this.#slab[this.#at++] = value
  }
  bytes(bytes: Uint8Array): void {
    this.#slab.set(bytes, this.#at)
    this.#at += bytes.length
  }
  /** @param text characters up to U+00FF. */
  latin1(text: string): void {
    if (text.length > SHORT) this.#at += this.#slab.write(text, this.#at, 'latin1')
    else for (let i = 0; i < text.length; i++) this.#slab[this.#at++] = text.charCodeAt(i)
  }
  /** Writes a frame's head. @param room what is reserved behind it: less than its length where that goes another way. */
  frameHead(length: number, type: number, flags: number, stream: number, room = length): void {
    this.reserve(room + FRAME_HEAD_BYTES)
    this.byte(length >>> 16)
    this.byte(length >>> 8)
    this.byte(length)
    this.byte(type)
    this.byte(flags)
    this.uint32(stream)
  }
  /** Writes the length of a frame whose head stands at `from`, counted from the last take(). */
  patchLength(from: number, length: number): void {
    const at = this.#start + from
    this.#slab[at] = length >>> 16
    this.#slab[at + 1] = length >>> 8
    this.#slab[at + 2] = length
  }
  /** Takes the last bytes back. @returns a copy of them. */
  cut(from: number): Buffer {
    const bytes = Buffer.from(this.#slab.subarray(this.#start + from, this.#at))
    this.#at = this.#start + from
    return bytes
  }
  take(): Buffer {
    const taken = this.#slab.subarray(this.#start, this.#at)
    // What one turn needed is not kept for the next.
    if (this.#slab.length > SLAB_BYTES) {
      this.#slab = EMPTY
      this.#at = 0
    }
    this.#start = this.#at
    return taken
  }
}

const EMPTY: Buffer = Buffer.alloc(0)
