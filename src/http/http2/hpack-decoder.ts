/**
 * Reads header blocks of one connection, one after the other. Source: RFC 7541.
 *
 * A field whose text no message may carry is remembered with its table entry: the state of the compression stays whole
 * while the message is refused.
 *
 * Callers: http2/wire.ts.
 */
import { withoutBlanks } from '../header-list.ts'
import { H2Code, Http2Error } from './errors.ts'
import { DEFAULT_TABLE_BYTES, FIELD_OVERHEAD_BYTES, STATIC_COUNT, STATIC_FIELDS } from './hpack-table.ts'
import { decodeHuffman } from './huffman.ts'

export interface HeaderLimits {
  /** Names and values of one message. */
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
}
/** name, value, name, value ... */
export interface HeaderBlock {
  /** Those whose names start with a colon. */
  readonly pseudo: string[]
  /** As far as the limits allow. */
  readonly fields: string[]
  /** The length of all names and values. */
  readonly bytes: number
  readonly tooLarge: boolean
  /** A name or a value that no message may carry, or a pseudo-field behind others. */
  readonly malformed: boolean
}
interface Entry {
  readonly name: string
  /** Without blanks at its ends, as a field of HTTP/1.1 has none. */
  readonly value: string
  /** The length of name and value as they came: what the table counts. */
  readonly bytes: number
  readonly badName: boolean
  readonly bad: boolean
}
interface Text {
  readonly text: string
  /** Without blanks at its ends. */
  readonly value: string
  readonly badValue: boolean
}

const compression = (why: string): Http2Error => new Http2Error(H2Code.compression, why)
/** The largest integer that is read: more than any header block is long. */
const MAX_INTEGER = 2 ** 28
const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const BAD_VALUE = /[\u0000-\u0008\u000a-\u001f\u007f]/
const COLON = 58
/** Moving the table down costs more than letting it go. */
const MAX_EVICTED = 32
const MAX_PSEUDO = 2 * 16
/** A power of two. */
const RECENT = 64
const MAX_RECENT_BYTES = 128
/** Names that HTTP/2 forbids: they speak of one connection. Source: RFC 9113 section 8.2.2. */
const PER_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])
const STATIC_ENTRIES: readonly Entry[] = STATIC_FIELDS.map(({ name, value }) => {
  const badName = PER_CONNECTION.has(name)
  return { name, value, bytes: name.length + value.length, badName, bad: badName }
})

export class HpackDecoder {
  readonly #limits: HeaderLimits
  /** Oldest first, from #first on; what was evicted stands in front of it for a while. */
  #table: Entry[] = []
  #first = 0
  #tableBytes = 0
  #maxTableBytes = DEFAULT_TABLE_BYTES
  #block: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0
  #scratch = Buffer.allocUnsafe(256)
  /** By a hash of their bytes; a newer one takes the place of an older one. */
  readonly #recent: (Text | undefined)[] = []

  constructor(limits: HeaderLimits) {
    this.#limits = limits
  }

  /** @throws Http2Error on what is no header block: the connection cannot go on. */
  decode(block: Buffer, from: number, to: number): HeaderBlock {
    this.#block = block
    this.#at = from
    this.#end = to
    const { maxHeaderBytes, maxHeaderCount } = this.#limits
    const pseudo: string[] = []
    const fields: string[] = []
    let bytes = 0
    let malformed = false
    this.#takeSizeUpdates()
    while (this.#at < this.#end) {
      const entry = this.#field()
      bytes += entry.bytes
      malformed ||= entry.bad
      if (bytes > maxHeaderBytes || fields.length === 2 * maxHeaderCount) bytes = Number.POSITIVE_INFINITY
      else if (entry.name.charCodeAt(0) !== COLON) fields.push(entry.name, entry.value)
      else if (fields.length > 0 || pseudo.length === MAX_PSEUDO) malformed = true
      else pseudo.push(entry.name, entry.value)
    }
    this.#block = EMPTY
    return { pseudo, fields, bytes, tooLarge: bytes > maxHeaderBytes, malformed }
  }

  /** Only in front of the first field. */
  #takeSizeUpdates(): void {
    for (let i = 0; this.#at < this.#end && (this.#block[this.#at]! & 0xe0) === 0x20; i++) {
      const size = this.#integer(0x1f)
      if (size > DEFAULT_TABLE_BYTES || i === 2) throw compression('table size update beyond the limit')
      this.#maxTableBytes = size
      this.#evict()
    }
  }
  #field(): Entry {
    const first = this.#block[this.#at]!
    if ((first & 0x80) !== 0) return this.#entry(this.#integer(0x7f))
    if ((first & 0xc0) === 0x40) {
      const entry = this.#literal(0x3f)
      this.#table.push(entry)
      this.#tableBytes += sizeOf(entry)
      this.#evict()
      return entry
    }
    if ((first & 0x20) !== 0) throw compression('table size update behind a field')
    return this.#literal(0x0f)
  }
  #literal(prefixMask: number): Entry {
    const index = this.#integer(prefixMask)
    const known = index === 0 ? undefined : this.#entry(index)
    const name = known ? known.name : this.#string().text
    const { text, value, badValue } = this.#string()
    const badName = known?.badName ?? (!NAME.test(name) || PER_CONNECTION.has(name))
    const bad = badName || badValue || (name === 'te' && value !== 'trailers')
    const bytes = name.length + text.length
    // Pseudo-fields keep their blanks, and are refused for them: a path with one is no path.
    return { name, value: name.charCodeAt(0) === COLON ? text : value, bytes, badName, bad }
  }
  #entry(index: number): Entry {
    if (index === 0) throw compression('index of no field')
    if (index <= STATIC_COUNT) return STATIC_ENTRIES[index - 1]!
    const at = this.#table.length - (index - STATIC_COUNT)
    if (at < this.#first) throw compression('index of no field')
    return this.#table[at]!
  }
  #evict(): void {
    while (this.#tableBytes > this.#maxTableBytes) this.#tableBytes -= sizeOf(this.#table[this.#first++]!)
    if (this.#first < MAX_EVICTED) return
    this.#table.splice(0, this.#first)
    this.#first = 0
  }
  #integer(prefixMask: number): number {
    let value = this.#byte() & prefixMask
    if (value < prefixMask) return value
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (value > MAX_INTEGER || factor > MAX_INTEGER) throw compression('integer too large')
      if (byte < 0x80) return value
    }
  }
  #byte(): number {
    if (this.#at >= this.#end) throw compression('header block cut short')
    return this.#block[this.#at++]!
  }
  #string(): Text {
    const huffman = this.#at < this.#end && (this.#block[this.#at]! & 0x80) !== 0
    const length = this.#integer(0x7f)
    const from = this.#at
    if (length > this.#end - from) throw compression('string longer than its header block')
    this.#at = from + length
    if (!huffman) return this.#text(this.#block, from, from + length)
    const needed = Math.ceil((length * 8) / 5)
    const scratch = needed <= this.#scratch.length ? this.#scratch : Buffer.allocUnsafe(needed)
    if (needed <= MAX_SCRATCH_BYTES) this.#scratch = scratch
    try {
      return this.#text(scratch, 0, decodeHuffman(this.#block, from, from + length, scratch))
    } catch (e) {
      throw compression((e as Error).message)
    }
  }
  /** What a peer says outside the table it often says again: dates, tokens, paths. */
  #text(bytes: Buffer, from: number, to: number): Text {
    if (to - from > MAX_RECENT_BYTES) return made(bytes, from, to)
    let hash = to - from
    for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0
    const slot = (hash ^ (hash >>> 16)) & (RECENT - 1)
    const recent = this.#recent[slot]
    if (recent !== undefined && holds(bytes, from, to, recent.text)) return recent
    while (this.#recent.length < RECENT) this.#recent.push(undefined)
    const text = made(bytes, from, to)
    this.#recent[slot] = text
    return text
  }
}

function made(bytes: Buffer, from: number, to: number): Text {
  const text = bytes.toString('latin1', from, to)
  return { text, value: withoutBlanks(text), badValue: BAD_VALUE.test(text) }
}
function holds(bytes: Buffer, from: number, to: number, text: string): boolean {
  if (text.length !== to - from) return false
  for (let i = from; i < to; i++) if (bytes[i] !== text.charCodeAt(i - from)) return false
  return true
}

const EMPTY = Buffer.alloc(0)
const MAX_SCRATCH_BYTES = 4_096
const sizeOf = (entry: Entry): number => entry.bytes + FIELD_OVERHEAD_BYTES
