/**
 * Looks in the bytes of a watch for the bookmark that ends the initial events. Nothing is decoded, kept or changed:
 * events are told apart (a line of JSON, or a protobuf message with its length before it), and each is searched.
 */
import type { Transform } from 'node:stream'
import { createBrotliDecompress, createUnzip, createZstdDecompress } from 'node:zlib'

/** Changes of what was listed before. Servers send few of them among the initial events, and none instead. */
const CHANGES = [Buffer.from('MODIFIED'), Buffer.from('DELETED')]
const BOOKMARK = Buffer.from('BOOKMARK')
const ANNOTATION = Buffer.from('k8s.io/initial-events-end')
const NEWLINE = 10
const LENGTH_BYTES = 4

export type WatchForm = 'json' | 'protobuf'

/** @returns undefined for a stream that cannot be looked into. */
export function watchFormOf(contentType: string): WatchForm | undefined {
  if (contentType.startsWith('application/json')) return 'json'
  return contentType.startsWith('application/vnd.kubernetes.protobuf') ? 'protobuf' : undefined
}

/** @returns undefined for an encoding that is not known here. */
export function inflaterOf(contentEncoding: string | undefined): Transform | 'plain' | undefined {
  switch (contentEncoding?.trim().toLowerCase()) {
    case undefined:
    case 'identity':
      return 'plain'
    case 'gzip':
    case 'x-gzip':
    case 'deflate':
      return createUnzip()
    case 'br':
      return createBrotliDecompress()
    case 'zstd':
      return createZstdDecompress()
    default:
      return undefined
  }
}

export class InitialEventsScanner {
  readonly form: WatchForm
  readonly #bookmark = new Needle(BOOKMARK)
  readonly #annotation = new Needle(ANNOTATION)
  readonly #changes = CHANGES.map((text) => new Needle(text))
  readonly #needles = [this.#bookmark, this.#annotation, ...this.#changes]
  #initialBytes = 0
  #eventBytes = 0
  /** Bytes left of the message under way. For JSON: whether a line is under way. */
  #left = 0
  /** The bytes so far of a length that came in pieces. */
  #length = 0
  #lengthBytes = 0

  constructor(form: WatchForm) {
    this.form = form
  }
  /** Whether all events that began are whole. */
  get atBoundary(): boolean {
    return this.#left === 0 && this.#lengthBytes === 0
  }
  /** The bytes of events so far that can belong to a first list: no changes and no ordinary bookmarks. */
  get initialBytes(): number {
    return this.#initialBytes + (this.#isInitial ? this.#eventBytes : 0)
  }
  /** @returns whether the initial events ended in it. O(n), no copies. */
  push(chunk: Buffer): boolean {
    return this.form === 'json' ? this.#pushLines(chunk) : this.#pushMessages(chunk)
  }

  #pushLines(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length; ) {
      const end = chunk.indexOf(NEWLINE, at)
      const stop = end < 0 ? chunk.length : end
      this.#search(chunk.subarray(at, stop))
      at = stop + 1
      this.#left = end < 0 ? 1 : 0
      if (end >= 0 && this.#endEvent()) return true
    }
    return false
  }

  #pushMessages(chunk: Buffer): boolean {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left === 0) {
        this.#length = this.#length * 256 + chunk[at++]!
        if (++this.#lengthBytes < LENGTH_BYTES) continue
        this.#left = this.#length
        this.#length = 0
        this.#lengthBytes = 0
        continue
      }
      const piece = chunk.subarray(at, at + this.#left)
      this.#search(piece)
      at += piece.length
      this.#left -= piece.length
      if (this.#left === 0 && this.#endEvent()) return true
    }
    return false
  }

  get #isInitial(): boolean {
    return !this.#bookmark.found && !this.#changes.some((c) => c.found)
  }
  #search(piece: Buffer): void {
    this.#eventBytes += piece.length
    for (const needle of this.#needles) needle.push(piece)
  }
  #endEvent(): boolean {
    const found = this.#bookmark.found && this.#annotation.found
    this.#initialBytes = this.initialBytes
    this.#eventBytes = 0
    for (const needle of this.#needles) needle.reset()
    return found
  }
}

/** Finds a text also where it lies across pieces. */
class Needle {
  readonly #text: Buffer
  #tail: Buffer = Buffer.alloc(0)
  found = false

  constructor(text: Buffer) {
    this.#text = text
  }
  reset(): void {
    this.found = false
    this.#tail = Buffer.alloc(0)
  }
  push(piece: Buffer): void {
    if (this.found || piece.length === 0) return
    const most = this.#text.length - 1
    this.found =
      piece.includes(this.#text) ||
      (this.#tail.length > 0 && Buffer.concat([this.#tail, piece.subarray(0, most)]).includes(this.#text))
    // A copy: the piece is of a chunk that is not ours.
    const rest = piece.length >= most ? piece.subarray(piece.length - most) : Buffer.concat([this.#tail, piece])
    this.#tail = Buffer.from(rest.subarray(Math.max(0, rest.length - most)))
  }
}
