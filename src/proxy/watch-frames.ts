/**
 * Finds the ends of events in the bytes of a watch, so that it can be ended between two of them.
 *
 * Callers: forward.ts, for the watches of an endpoint that goes.
 *
 * JSON events end in a newline. Protobuf frames have their length in front, four bytes, big-endian.
 */
export class WatchFrames {
  readonly #binary: boolean
  #left = 0
  #head: number[] = []
  #atEnd = true

  constructor(contentType: string) {
    this.#binary = contentType.includes('protobuf') || contentType.includes('cbor')
  }
  /** Whether the last byte seen was the last of an event. */
  get atEnd(): boolean {
    return this.#atEnd
  }
  seen(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (this.#binary) this.#seenFrames(chunk)
    else this.#atEnd = chunk[chunk.length - 1] === 0x0a
  }
  #seenFrames(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#left === 0) {
        this.#head.push(chunk[at++]!)
        if (this.#head.length < 4) continue
        const [a, b, c, d] = this.#head as [number, number, number, number]
        this.#left = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
        this.#head = []
      } else {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
      }
    }
    this.#atEnd = this.#left === 0 && this.#head.length === 0
  }
}
