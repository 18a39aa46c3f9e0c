/** The bytes of an HTTP/1.1 answer: head, framing, trailers. Framing belongs to the listener, not to handlers. */
import { STATUS_CODES } from 'node:http'
import type { HeaderList } from '../exchange.ts'
import { isToken, lowerName, sendableValue } from '../header-list.ts'

/** Names that speak of one connection: whatever a handler says there, the listener says its own. */
const OWNED = new Set(['connection', 'keep-alive', 'transfer-encoding', 'proxy-connection'])
const SHORTEST_OWNED = 10
const LONGEST_OWNED = 17

export interface PreparedHead {
  /** Status line and fields, without the empty line. */
  readonly text: string
  /** undefined: the handler named none. */
  readonly contentLength: number | undefined
  readonly hasDate: boolean
  /** The handler asked for the connection to be closed. */
  readonly close: boolean
}

/** @throws TypeError on a name or value that cannot be sent. */
export function prepareHead(status: number, headers: HeaderList): PreparedHead {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`
  let contentLength: number | undefined
  let hasDate = false
  let close = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    const value = headers[i + 1]!
    const lower = lowerName(name)
    if (lower.length >= SHORTEST_OWNED && lower.length <= LONGEST_OWNED && OWNED.has(lower)) {
      if (lower === 'connection' && value.toLowerCase() === 'close') close = true
      continue
    }
    if (lower === 'content-length') contentLength = Number(value)
    else if (lower === 'date') hasDate = true
    if (!isToken(name)) throw new TypeError(`header name ${JSON.stringify(name)} cannot be sent`)
    text += `${name}: ${sendableValue(name, value)}\r\n`
  }
  return { text, contentLength, hasDate, close }
}

/** Fields as they stand, each with its CR LF: for 1xx, 101 and trailers. @throws TypeError as prepareHead does. */
export function fieldLines(headers: HeaderList): string {
  let text = ''
  for (let i = 0; i < headers.length; i += 2) {
    if (!isToken(headers[i]!)) throw new TypeError(`header name ${JSON.stringify(headers[i])} cannot be sent`)
    text += `${headers[i]}: ${sendableValue(headers[i]!, headers[i + 1]!)}\r\n`
  }
  return text
}

/** One buffer of text before, bytes, text after: one write instead of three where the bytes are few. */
export function joined(before: string, bytes: Uint8Array, after: string): Buffer {
  const all = Buffer.allocUnsafe(before.length + bytes.length + after.length)
  all.write(before, 0, 'latin1')
  all.set(bytes, before.length)
  if (after !== '') all.write(after, before.length + bytes.length, 'latin1')
  return all
}
