/**
 * Writes header blocks of one connection, one after the other. Source: RFC 7541. Strings are not Huffman-coded: what
 * repeats is an index after its first time, and the rest is cheaper to send than to code.
 *
 * Callers: http2/wire.ts.
 */
import type { HeaderList } from '../exchange.ts'
import type { ByteSink } from './byte-sink.ts'
import { DEFAULT_TABLE_BYTES, FIELD_OVERHEAD_BYTES, STATIC_COUNT, STATIC_FIELDS } from './hpack-table.ts'

/** Secrets: no table of ours or of those behind us keeps them. */
const SECRET = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie'])
/** Different on almost every message: they would only push out what repeats. One of each name goes in, for the name. */
const UNIQUE = new Set(
  (
    ':path age audit-id content-length content-range etag if-match if-modified-since if-none-match last-modified ' +
    'location traceparent tracestate x-forwarded-uri'
  ).split(' '),
)
const MAX_INDEXED_BYTES = 512
const MAX_INTEGER_BYTES = 5

interface Name {
  /** In the static table; 0: not there. */
  readonly staticIndex: number
  readonly staticValues: Map<string, number> | undefined
  readonly secret: boolean
  readonly unique: boolean
  /** Number of the newest entry of this name in the dynamic table. */
  newest: number
  readonly values: Map<string, number>
}
interface Entry {
  readonly name: string
  readonly value: string
}

const STATIC_NAMES: ReadonlyMap<string, { index: number; values: Map<string, number> }> = staticNames()
/** The most encoded names that are remembered and in no table: beyond it all are forgotten at once. */
const MAX_NAMES = 1_024

export class HpackEncoder {
  #names = new Map<string, Name>()
  /** Oldest first; the number of the first one is #dropped. */
  readonly #table: Entry[] = []
  #dropped = 0
  #tableBytes = 0
  #maxTableBytes = DEFAULT_TABLE_BYTES
  #smallestUpdate: number | undefined

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; more than the default is not used. */
  limitTable(bytes: number): void {
    const size = Math.min(bytes, DEFAULT_TABLE_BYTES)
    if (size === this.#maxTableBytes) return
    this.#smallestUpdate = Math.min(this.#smallestUpdate ?? size, size)
    this.#maxTableBytes = size
    this.#evict(0)
  }
  /** In front of each block. */
  start(out: ByteSink): void {
    if (this.#smallestUpdate === undefined) return
    out.reserve(2 * MAX_INTEGER_BYTES)
    if (this.#smallestUpdate < this.#maxTableBytes) integer(out, 0x20, 0x1f, this.#smallestUpdate)
    integer(out, 0x20, 0x1f, this.#maxTableBytes)
    this.#smallestUpdate = undefined
  }
  /** @param fields sendable, names in lower case. */
  fields(out: ByteSink, fields: HeaderList): void {
    for (let i = 0; i < fields.length; i += 2) this.field(out, fields[i]!, fields[i + 1]!)
  }
  field(out: ByteSink, name: string, value: string): void {
    out.reserve(name.length + value.length + 3 * MAX_INTEGER_BYTES)
    const known = this.#name(name)
    const number = known.unique ? undefined : known.values.get(value)
    if (number !== undefined) return integer(out, 0x80, 0x7f, this.#indexOf(number))
    const fixed = known.staticValues?.get(value)
    if (fixed !== undefined) return integer(out, 0x80, 0x7f, fixed)
    const nameIndex =
      known.staticIndex > 0 ? known.staticIndex : known.newest >= this.#dropped ? this.#indexOf(known.newest) : 0
    const bytes = name.length + value.length + FIELD_OVERHEAD_BYTES
    const index =
      !known.secret && !(known.unique && nameIndex > 0) && bytes <= Math.min(MAX_INDEXED_BYTES, this.#maxTableBytes)
    if (index) integer(out, 0x40, 0x3f, nameIndex)
    else integer(out, known.secret ? 0x10 : 0, 0x0f, nameIndex)
    if (nameIndex === 0) string(out, name)
    string(out, value)
    if (index) this.#add(known, { name, value }, bytes)
  }

  #name(name: string): Name {
    const found = this.#names.get(name)
    if (found) return found
    if (this.#names.size >= MAX_NAMES) this.#forgetNames()
    const fixed = STATIC_NAMES.get(name)
    const made: Name = {
      staticIndex: fixed?.index ?? 0,
      staticValues: fixed?.values,
      secret: SECRET.has(name),
      unique: UNIQUE.has(name),
      newest: -1,
      values: new Map(),
    }
    this.#names.set(name, made)
    return made
  }
  #forgetNames(): void {
    for (const [name, { values }] of this.#names) if (values.size === 0) this.#names.delete(name)
  }
  #indexOf(number: number): number {
    return STATIC_COUNT + this.#dropped + this.#table.length - number
  }
  #add(known: Name, entry: Entry, bytes: number): void {
    this.#evict(bytes)
    known.newest = this.#dropped + this.#table.length
    known.values.set(entry.value, known.newest)
    this.#table.push(entry)
    this.#tableBytes += bytes
  }
  #evict(room: number): void {
    let evicted = 0
    while (this.#tableBytes + room > this.#maxTableBytes && evicted < this.#table.length) {
      const { name, value } = this.#table[evicted]!
      this.#tableBytes -= name.length + value.length + FIELD_OVERHEAD_BYTES
      const known = this.#names.get(name)
      if (known?.values.get(value) === this.#dropped + evicted) known.values.delete(value)
      evicted++
    }
    if (evicted === 0) return
    this.#table.splice(0, evicted)
    this.#dropped += evicted
  }
}

function integer(out: ByteSink, pattern: number, prefixMask: number, value: number): void {
  if (value < prefixMask) return out.byte(pattern | value)
  out.byte(pattern | prefixMask)
  let rest = value - prefixMask
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.byte((rest & 0x7f) | 0x80)
  out.byte(rest)
}
function string(out: ByteSink, text: string): void {
  integer(out, 0, 0x7f, text.length)
  out.latin1(text)
}
function staticNames(): Map<string, { index: number; values: Map<string, number> }> {
  const names = new Map<string, { index: number; values: Map<string, number> }>()
  for (const [i, { name, value }] of STATIC_FIELDS.entries()) {
    const known = names.get(name) ?? { index: i + 1, values: new Map<string, number>() }
    if (value !== '') known.values.set(value, i + 1)
    names.set(name, known)
  }
  return names
}
