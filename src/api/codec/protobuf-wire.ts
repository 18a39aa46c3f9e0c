/** The protobuf wire format: a reader over bytes, and a writer that works from the end to the front. */

/** Malformed bytes. The message is that of gogo protobuf. */
export class ProtobufError extends Error {
  override readonly name = 'ProtobufError'
}

export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** Fields that may still be read, of a message and of all messages in it. */
export class FieldBudget {
  readonly #max: number
  #left: number

  constructor(max: number) {
    this.#max = max
    this.#left = max
  }
  /** @throws ProtobufError */
  spend(count: number): void {
    this.#left -= count
    if (this.#left < 0) throw new ProtobufError(`proto: exceeded max number of fields of ${this.#max}`)
  }
}

export class ProtobufReader {
  readonly #bytes: Buffer
  readonly budget: FieldBudget | undefined
  readonly #end: number
  #at: number

  /** @param start, end of the message in the bytes: a view of them costs more than most messages. */
  constructor(bytes: Uint8Array, budget?: FieldBudget, start = 0, end = bytes.length) {
    this.#bytes = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.budget = budget
    this.#at = start
    this.#end = end
  }

  get done(): boolean {
    return this.#at >= this.#end
  }

  tag(): { readonly number: number; readonly wire: number } {
    this.budget?.spend(1)
    const { low, high } = this.#varint()
    const number = (low >>> 3) + high * 2 ** 29
    const wire = low & 7
    if (wire === 4) throw new ProtobufError('proto: wiretype end group for non-group')
    if (number <= 0 || number > 2 ** 29) throw new ProtobufError(`proto: illegal tag ${number} (wire type ${wire})`)
    return { number, wire }
  }

  /** A signed integer; bigint beyond 2^53. */
  int64(): number | bigint {
    const { low, high } = this.#varint()
    const value = (high | 0) * 2 ** 32 + low
    return Number.isSafeInteger(value) ? value : (BigInt(high | 0) << 32n) | BigInt(low)
  }
  int32(): number {
    return this.#varint().low | 0
  }
  bool(): boolean {
    const { low, high } = this.#varint()
    return low !== 0 || high !== 0
  }
  double(): number {
    const at = this.#take(8)
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, 8).getFloat64(0, true)
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const at = this.#takeField()
    return this.#bytes.subarray(at, this.#at)
  }
  /** A reader of the message that stands here, on the same budget. */
  nested(): ProtobufReader {
    const at = this.#takeField()
    return new ProtobufReader(this.#bytes, this.budget, at, this.#at)
  }
  /** Invalid UTF-8 becomes U+FFFD, a byte order mark is kept. */
  string(): string {
    const at = this.#takeField()
    return this.#bytes.toString(undefined, at, this.#at)
  }

  skip(wire: number): void {
    if (wire === WIRE.varint) this.#varint()
    else if (wire === WIRE.fixed64) this.#take(8)
    else if (wire === WIRE.bytes) this.bytes()
    else if (wire === WIRE.fixed32) this.#take(4)
    else throw new ProtobufError(`proto: illegal wireType ${wire}`)
  }

  /** @returns where the content of a length-delimited field begins; it ends at #at. */
  #takeField(): number {
    const { low, high } = this.#varint()
    if (high !== 0) throw unexpectedEnd()
    return this.#take(low)
  }
  #take(length: number): number {
    const at = this.#at
    if (at + length > this.#end) throw unexpectedEnd()
    this.#at = at + length
    return at
  }

  /** Two halves of 32 bits, both unsigned. */
  #varint(): { low: number; high: number } {
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= this.#end) throw unexpectedEnd()
      const byte = this.#bytes[this.#at++]!
      const bits = byte & 0x7f
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high |= bits >>> 4
      } else if (shift < 64) high |= bits << (shift - 32)
      if (byte < 0x80) return { low: low >>> 0, high: high >>> 0 }
    }
    throw new ProtobufError('proto: integer overflow')
  }
}

function unexpectedEnd(): ProtobufError {
  return new ProtobufError('unexpected EOF')
}

/** Writes from the end, so that a message's length is known when its tag is written. Call in reverse order. */
export class ProtobufWriter {
  #buffer = Buffer.allocUnsafe(1024)
  #start = this.#buffer.length

  /** Bytes written so far. */
  get length(): number {
    return this.#buffer.length - this.#start
  }

  /** Of its own: the writer may not be used afterwards. */
  finish(): Uint8Array {
    return this.#buffer.subarray(this.#start)
  }

  tag(number: number, wire: number): void {
    this.varint(number * 8 + wire)
  }

  /** A message or a length-delimited field whose content is what was written since `before`. */
  lengthSince(before: number, number: number): void {
    this.varint(this.length - before)
    this.tag(number, WIRE.bytes)
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length)
    this.#buffer.set(value, this.#start)
  }
  string(value: string): void {
    const size = Buffer.byteLength(value)
    this.#reserve(size)
    this.#buffer.write(value, this.#start, size, 'utf8')
  }
  double(value: number): void {
    this.#reserve(8)
    this.#buffer.writeDoubleLE(value, this.#start)
  }

  /** Negative integers take ten bytes, as in protobuf's int32 and int64. */
  varint(value: number | bigint): void {
    if (typeof value === 'bigint' || value < 0 || value > Number.MAX_SAFE_INTEGER) {
      this.#bigVarint(BigInt.asUintN(64, BigInt(value)))
      return
    }
    let size = 1
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
    this.#reserve(size)
    let at = this.#start
    let rest = value
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#buffer[at++] = (rest % 0x80) | 0x80
    this.#buffer[at] = rest
  }

  #bigVarint(value: bigint): void {
    const septets: number[] = []
    let rest = value
    for (; rest >= 0x80n; rest >>= 7n) septets.push(Number(rest & 0x7fn) | 0x80)
    septets.push(Number(rest))
    this.bytes(Uint8Array.from(septets))
  }

  #reserve(size: number): void {
    if (this.#start < size) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.length + size))
      grown.set(this.finish(), grown.length - this.length)
      this.#start = grown.length - this.length
      this.#buffer = grown
    }
    this.#start -= size
  }
}
