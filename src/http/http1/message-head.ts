/**
 * Parses HTTP/1.1 message heads, strictly: what two parsers could read in two ways is refused.
 * Source: RFC 9112 sections 2 to 5; bare CR, bare LF, obs-fold and blanks before a colon are errors here.
 *
 * Callers:  http1/server-connection.ts for requests, proxy/http1-client.ts for responses.
 * Not here: how long the body is (body-framing.ts).
 */
import { isToken, withoutBlanks } from '../header-list.ts'
import { ProtocolError } from './protocol-error.ts'

export interface RequestHead {
  readonly method: string
  readonly target: string
  readonly minorVersion: 0 | 1
  readonly headers: readonly string[]
}
export interface ResponseHead {
  readonly status: number
  readonly minorVersion: 0 | 1
  readonly headers: readonly string[]
}

const HEAD_END = Buffer.from('\r\n\r\n')
const [CR, LF] = [13, 10]
/**
 * Searches from `from` on.
 * @returns the offset behind the empty line, or -1 where the head is not complete.
 * @throws ProtocolError where a line of what is there ends bare: its sender may wait for an answer already.
 */
export function endOfHead(bytes: Buffer, from: number): number {
  const at = bytes.indexOf(HEAD_END, from)
  if (at >= 0) return at + 4
  for (let lf = bytes.indexOf(LF, from); lf >= 0; lf = bytes.indexOf(LF, lf + 1))
    if (bytes[lf - 1] !== CR) throw new ProtocolError('line that ends with a bare LF')
  return -1
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL = /[^\t\r\n\u0020-\u007e\u0080-\u00ff]|\r(?!\n)|(?<!\r)\n/
/** @param head the bytes up to and with the empty line. */
function textOf(head: Buffer): string {
  return checked(head.toString('latin1', 0, head.length - 2))
}
function checked(text: string): string {
  if (CONTROL.test(text)) throw new ProtocolError('control character in the head')
  return text
}

const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\u0021-\u007e\u0080-\u00ff]+) HTTP\/(\d)\.(\d)$/
/** Characters that a connection keeps while it is idle. */
const MAX_REMEMBERED = 4_096
/** The heads of one connection: a client says the same of itself on each request, and need not be read again. */
export class RequestHeads {
  #fieldText = ''
  #fields: readonly string[] = []

  /** @throws ProtocolError */
  parse(head: Buffer, maxHeaderCount: number): RequestHead {
    const text = head.toString('latin1', 0, head.length - 2)
    const lineEnd = text.indexOf('\r\n')
    const m = REQUEST_LINE.exec(text.slice(0, lineEnd))
    if (!m) throw new ProtocolError('malformed request line')
    if (m[3] !== '1') throw new ProtocolError('unsupported protocol version', 505)
    const headers = this.#fieldsOf(text.slice(lineEnd + 2), maxHeaderCount)
    return { method: m[1]!, target: m[2]!, minorVersion: m[4] === '0' ? 0 : 1, headers }
  }
  #fieldsOf(text: string, maxHeaderCount: number): readonly string[] {
    if (text === this.#fieldText) return this.#fields
    const fields = parseFields(checked(text), 0, maxHeaderCount)
    if (text.length <= MAX_REMEMBERED) {
      this.#fieldText = text
      this.#fields = fields
    }
    return fields
  }
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\u0020-\u007e\u0080-\u00ff]*)?$/
/** @throws ProtocolError */
export function parseResponseHead(head: Buffer, maxHeaderCount: number): ResponseHead {
  const text = textOf(head)
  const lineEnd = text.indexOf('\r\n')
  const m = STATUS_LINE.exec(text.slice(0, lineEnd))
  if (!m) throw new ProtocolError('malformed status line')
  return {
    status: Number(m[2]),
    minorVersion: m[1] === '0' ? 0 : 1,
    headers: parseFields(text, lineEnd + 2, maxHeaderCount),
  }
}

/** @param bytes trailer fields up to and with the empty line. */
export function parseTrailers(bytes: Buffer, maxHeaderCount: number): readonly string[] {
  return parseFields(textOf(bytes), 0, maxHeaderCount)
}

/** @param text lines that each end with CR LF, from offset `at` on. */
function parseFields(text: string, at: number, maxHeaderCount: number): string[] {
  const fields: string[] = []
  while (at < text.length) {
    const lineEnd = text.indexOf('\r\n', at)
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon > lineEnd) throw new ProtocolError('header line without a colon')
    const name = text.slice(at, colon)
    if (!isToken(name)) throw new ProtocolError('malformed header name')
    fields.push(name, withoutBlanks(text, colon + 1, lineEnd))
    if (fields.length > 2 * maxHeaderCount) throw new ProtocolError('too many header fields', 431)
    at = lineEnd + 2
  }
  return fields
}
