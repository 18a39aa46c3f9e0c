/** What the pseudo-fields of a request say. Source: RFC 9113 section 8.3, RFC 8441. */
import type { HeaderList } from '../exchange.ts'
import { expectationIsKnown } from '../expectation.ts'
import { headerValue, isToken } from '../header-list.ts'
import { isTunnelProtocol } from '../tunnel-protocol.ts'
import type { HeaderBlock } from './hpack-decoder.ts'

export interface Http2RequestHead {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly protocol: string | undefined
  readonly headers: HeaderList
  readonly hasBody: boolean
  /** NaN where the client names none. */
  readonly contentLength: number
}

const VISIBLE = /^[\u0021-\u007e\u0080-\u00ff]+$/
const LENGTH = /^\d{1,15}$/

/** @returns a status where the request is refused; undefined where it is none. */
export function requestHead(block: HeaderBlock, endStream: boolean): Http2RequestHead | number | undefined {
  const { pseudo, fields } = block
  let method: string | undefined
  let target: string | undefined
  let scheme: string | undefined
  let authority: string | undefined
  let protocol: string | undefined
  for (let i = 0; i < pseudo.length; i += 2) {
    const name = pseudo[i]!
    const value = pseudo[i + 1]!
    if (!VISIBLE.test(value)) return undefined
    if (name === ':method' && method === undefined) method = value
    else if (name === ':path' && target === undefined) target = value
    else if (name === ':scheme' && scheme === undefined) scheme = value
    else if (name === ':authority' && authority === undefined) authority = value
    else if (name === ':protocol' && protocol === undefined) protocol = value
    else return undefined
  }
  if (method === undefined || !isToken(method)) return undefined
  if (method === 'CONNECT' && protocol === undefined) return authority && !target && !scheme ? 405 : undefined
  if (target === undefined || scheme === undefined || (protocol !== undefined && method !== 'CONNECT')) return undefined
  // A CONNECT without its protocol is no plain request: RFC 8441 section 3 has nothing to fall back to.
  if (protocol !== undefined && !isTunnelProtocol(protocol)) return 501
  const contentLength = lengthOf(fields)
  if (contentLength === undefined || (endStream && contentLength > 0)) return undefined
  if (block.tooLarge) return 431
  if (!target.startsWith('/') && !(target === '*' && method === 'OPTIONS')) return 400
  if (!expectationIsKnown(fields)) return 417
  authority ??= headerValue(fields, 'host') ?? ''
  return { method, target, authority, protocol, headers: fields, hasBody: !endStream, contentLength }
}

/** @returns undefined where it is ambiguous. */
function lengthOf(fields: HeaderList): number | undefined {
  let length = Number.NaN
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'content-length') continue
    if (!Number.isNaN(length) || !LENGTH.test(fields[i + 1]!)) return undefined
    length = Number(fields[i + 1])
  }
  return length
}
