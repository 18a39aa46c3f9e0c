/**
 * Takes body bytes off a connection, for each framing, strictly. The bytes behind the body are left alone.
 *
 * Callers: http1/server-connection.ts and proxy/http1-client.ts, one decoder per message.
 */
import type { BodyFraming } from './body-framing.ts'
import { endOfHead, parseTrailers } from './message-head.ts'
import { ProtocolError } from './protocol-error.ts'

export interface BodyDecoder {
  readonly done: boolean
  /** Empty until done, and where there were none. */
  readonly trailers: readonly string[]
  /**
   * Hands body bytes to onData and
   * @returns the offset behind what it took; less than bytes.length only once done.
   * @throws ProtocolError on bytes that are no body.
   */
  decode(bytes: Buffer, from: number, onData: (data: Buffer) => void): number
}

export function bodyDecoder(framing: BodyFraming): BodyDecoder {
  if (framing.kind === 'chunked') return new ChunkedDecoder()
  return new CountingDecoder(
    framing.kind === 'length' ? framing.length : framing.kind === 'none' ? 0 : Number.POSITIVE_INFINITY,
  )
}

const NO_TRAILERS: readonly string[] = []

class CountingDecoder implements BodyDecoder {
  readonly trailers = NO_TRAILERS
  #left: number
  constructor(length: number) {
    this.#left = length
  }
  get done(): boolean {
    return this.#left === 0
  }
  decode(bytes: Buffer, from: number, onData: (data: Buffer) => void): number {
    const take = Math.min(this.#left, bytes.length - from)
    if (take > 0) {
      this.#left -= take
      onData(from === 0 && take === bytes.length ? bytes : bytes.subarray(from, from + take))
    }
    return from + take
  }
}

const CR = 13
const LF = 10
const SEMICOLON = 59
const MAX_SIZE_DIGITS = 12
const MAX_EXTENSION_BYTES = 1_024
const MAX_TRAILER_BYTES = 65_536
const MAX_TRAILER_COUNT = 256

/**
 *   size --digits--> size --';'--> extension --CR--> size-lf --LF--> data --all--> data-cr -> data-lf -> size
 *                                                        `--size 0--> trailers --empty line--> done
 */
class ChunkedDecoder implements BodyDecoder {
  trailers: readonly string[] = NO_TRAILERS
  #state: 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailers' | 'done' = 'size'
  #size = 0
  #digits = 0
  #extensionBytes = 0
  #trailerBytes: Buffer = Buffer.alloc(0)

  get done(): boolean {
    return this.#state === 'done'
  }
  decode(bytes: Buffer, from: number, onData: (data: Buffer) => void): number {
    let at = from
    while (at < bytes.length) {
      if (this.#state === 'done') return at
      if (this.#state === 'data') {
        const take = Math.min(this.#size, bytes.length - at)
        this.#size -= take
        if (this.#size === 0) this.#state = 'data-cr'
        onData(bytes.subarray(at, at + take))
        at += take
      } else if (this.#state === 'trailers') at = this.#takeTrailers(bytes, at)
      else this.#takeByte(bytes[at++]!)
    }
    return at
  }
  #takeByte(byte: number): void {
    if (this.#state === 'size') this.#takeSizeByte(byte)
    else if (this.#state === 'extension') this.#takeExtensionByte(byte)
    else if (this.#state === 'size-lf') {
      if (byte !== LF) throw new ProtocolError('malformed chunk size')
      this.#digits = 0
      this.#extensionBytes = 0
      this.#state = this.#size === 0 ? 'trailers' : 'data'
    } else if (this.#state === 'data-cr') {
      if (byte !== CR) throw new ProtocolError('chunk longer than its size')
      this.#state = 'data-lf'
    } else {
      if (byte !== LF) throw new ProtocolError('chunk longer than its size')
      this.#state = 'size'
    }
  }
  #takeSizeByte(byte: number): void {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      if (++this.#digits > MAX_SIZE_DIGITS) throw new ProtocolError('chunk size too large')
      this.#size = this.#size * 16 + digit
    } else if (this.#digits === 0) throw new ProtocolError('malformed chunk size')
    else if (byte === CR) this.#state = 'size-lf'
    else if (byte === SEMICOLON) this.#state = 'extension'
    else throw new ProtocolError('malformed chunk size')
  }
  #takeExtensionByte(byte: number): void {
    if (byte === CR) this.#state = 'size-lf'
    else if ((byte < 32 && byte !== 9) || byte === 127) throw new ProtocolError('malformed chunk extension')
    else if (++this.#extensionBytes > MAX_EXTENSION_BYTES) throw new ProtocolError('chunk extension too long')
  }
  /** Trailers are rare and small: they are gathered until their empty line is there. */
  #takeTrailers(bytes: Buffer, at: number): number {
    const before = this.#trailerBytes.length
    // A last chunk without trailers ends with CR LF: the CR LF of the size line stands in front of it here.
    const all = Buffer.concat([before === 0 ? CRLF : this.#trailerBytes, bytes.subarray(at)])
    const end = endOfHead(all, 0)
    if (end < 0) {
      if (all.length > MAX_TRAILER_BYTES) throw new ProtocolError('trailers too large', 431)
      this.#trailerBytes = all
      return bytes.length
    }
    if (end > MAX_TRAILER_BYTES) throw new ProtocolError('trailers too large', 431)
    this.#state = 'done'
    if (end > 4) this.trailers = parseTrailers(all.subarray(2, end), MAX_TRAILER_COUNT)
    return bytes.length - (all.length - end)
  }
}
const CRLF = Buffer.from('\r\n')

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  if (byte >= 97 && byte <= 102) return byte - 87
  if (byte >= 65 && byte <= 70) return byte - 55
  return -1
}
