/**
 * The body of a list of cached items: a head, each item's bytes behind what leads to it, and a tail. It is made and sent in
 * pieces, with a turn of the event loop between them, so that the longest list holds up no other request.
 *
 * Callers: list.ts, for compact JSON and protobuf.
 */
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { encodeMessage } from '../api/codec/protobuf-encode.ts'
import { listEnvelope, listItemLead } from '../api/codec/protobuf-envelope.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { ListMeta } from '../api/meta.ts'
import { metaType } from '../api/schema/meta-types.ts'
import type { Exchange } from '../http/exchange.ts'
import type { RequestContext } from '../http/request-context.ts'
import { untilRoom } from '../http/until-room.ts'
import type { ByteText } from '../lib/byte-text.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { acceptsGzip, GZIP_FROM_BYTES } from './write-object.ts'

export interface ListBody {
  readonly head: Uint8Array
  readonly items: readonly ByteText[]
  /** What stands before an item, one character for each byte. */
  readonly lead: (item: ByteText, index: number) => string
  readonly tail: Uint8Array
}

const gzipAsync = promisify(gzip)
/** A piece is copied, framed and encrypted in one turn: about a millisecond. */
const PIECE_BYTES = 256 * 1024
const JSON_TAIL = Buffer.from(']}\n')

export function jsonListBody(version: KindVersion, metadata: ListMeta, items: readonly ByteText[]): ListBody {
  const { listKind, apiVersion } = version
  const head = `${JSON.stringify({ kind: listKind, apiVersion, metadata }).slice(0, -1)},"items":[`
  return { head: Buffer.from(head), items, lead: (_, index) => (index === 0 ? '' : ','), tail: JSON_TAIL }
}

/** @param items their messages without envelopes. */
export function protobufListBody(version: KindVersion, metadata: ListMeta, items: readonly ByteText[]): ListBody {
  const lead = (item: ByteText): string => listItemLead(item.length)
  let length = 0
  for (const item of items) length += lead(item).length + item.length
  const { listKind: kind, apiVersion } = version
  const listMeta = encodeMessage(metaType('ListMeta'), metadata)
  return { ...listEnvelope({ apiVersion, kind, listMeta }, length), items, lead }
}

export async function writeListBody(ctx: RequestContext, body: ListBody, contentType: string): Promise<void> {
  const length = lengthOf(body)
  const headers = ['Content-Type', contentType]
  if (length <= GZIP_FROM_BYTES || !acceptsGzip(ctx)) return send(ctx, headers, length, pieces(body))
  const whole = Buffer.allocUnsafe(length)
  let at = 0
  for (const piece of pieces(body)) {
    whole.set(piece, at)
    at += piece.length
    await nextTurn()
  }
  const zipped = await gzipAsync(whole, { level: constants.Z_BEST_SPEED })
  return send(ctx, [...headers, 'Content-Encoding', 'gzip', 'Vary', 'Accept-Encoding'], zipped.length, cut(zipped))
}

/** What fits into one piece goes out at once, with its head. */
async function send(
  ctx: RequestContext,
  headers: readonly string[],
  length: number,
  parts: Iterable<Uint8Array>,
): Promise<void> {
  const { exchange } = ctx
  if (exchange.phase !== 'waiting') return
  ctx.respond(200, [...headers, 'Content-Length', String(length)])
  if (exchange.method === 'HEAD') return exchange.end()
  let left = length
  for (const part of parts) {
    left -= part.length
    if (left === 0) return exchange.end(part)
    if (exchange.write(part)) await nextTurn()
    else await untilRoom(exchange)
    if (isOver(exchange)) return
  }
}

/** The client has gone, or something has ended the exchange. */
const isOver = (exchange: Exchange): boolean => exchange.phase === 'finished'

function lengthOf({ head, items, lead, tail }: ListBody): number {
  let length = head.length + tail.length
  for (const [i, item] of items.entries()) length += lead(item, i).length + item.length
  return length
}

/** The body in order. An item is never cut: a piece may be larger by one. */
function* pieces(body: ListBody): Generator<Uint8Array> {
  const { head, items, lead, tail } = body
  let start = 0
  let size = head.length
  for (const [i, item] of items.entries()) {
    size += lead(item, i).length + item.length
    if (size < PIECE_BYTES || i === items.length - 1) continue
    yield joined(body, start, i + 1, size)
    start = i + 1
    size = 0
  }
  yield joined(body, start, items.length, size + tail.length)
}

/** Items from start up to, not including, end; with the head before the first and the tail behind the last. */
function joined({ head, items, lead, tail }: ListBody, start: number, end: number, size: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(size)
  let at = 0
  if (start === 0) {
    bytes.set(head)
    at = head.length
  }
  for (let i = start; i < end; i++) {
    const item = items[i]!
    at += bytes.write(lead(item, i), at, 'latin1')
    at += bytes.write(item, at, 'latin1')
  }
  if (end === items.length) bytes.set(tail, at)
  return bytes
}

function* cut(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES)
}
