/** How long the body of an HTTP/1.1 message is. Source: RFC 9112 section 6.3, without its lenient cases. */
import { headerValues, tokensOf } from '../header-list.ts'
import type { RequestHead, ResponseHead } from './message-head.ts'
import { ProtocolError } from './protocol-error.ts'

export type BodyFraming =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly length: number }
  | { readonly kind: 'chunked' }
  /** Responses only: up to the end of the connection. */
  | { readonly kind: 'until-close' }

const NONE: BodyFraming = { kind: 'none' }
const CHUNKED: BodyFraming = { kind: 'chunked' }
const UNTIL_CLOSE: BodyFraming = { kind: 'until-close' }

/** @throws ProtocolError on both lengths, two lengths, or a coding other than chunked. */
export function requestFraming(head: RequestHead): BodyFraming {
  const declared = declaredFraming(head)
  if (declared.kind === 'chunked' && head.minorVersion === 0) throw new ProtocolError('chunked request in HTTP/1.0')
  return declared.kind === 'until-close' || (declared.kind === 'length' && declared.length === 0) ? NONE : declared
}

/** @param method of the request that is answered. @throws ProtocolError as requestFraming does. */
export function responseFraming(head: ResponseHead, method: string): BodyFraming {
  const declared = declaredFraming(head)
  if (head.status < 200 || head.status === 204) {
    if (declared.kind === 'chunked') throw new ProtocolError(`transfer-encoding in a ${head.status}`)
    if (declared.kind === 'length' && declared.length > 0) throw new ProtocolError(`content-length in a ${head.status}`)
    return NONE
  }
  if (method === 'HEAD' || head.status === 304) return NONE
  if (declared.kind === 'chunked' && head.minorVersion === 0) throw new ProtocolError('chunked response in HTTP/1.0')
  return declared.kind === 'length' && declared.length === 0 ? NONE : declared
}

function declaredFraming(head: { readonly headers: readonly string[] }): BodyFraming {
  const lengths = headerValues(head.headers, 'content-length')
  const encodings = headerValues(head.headers, 'transfer-encoding')
  if (encodings.length > 0) {
    if (lengths.length > 0) throw new ProtocolError('both content-length and transfer-encoding')
    const codings = tokensOf(head.headers, 'transfer-encoding')
    if (codings.length !== 1 || codings[0] !== 'chunked' || encodings.length !== 1)
      throw new ProtocolError('transfer-encoding other than chunked', 501)
    return CHUNKED
  }
  if (lengths.length === 0) return UNTIL_CLOSE
  if (lengths.length > 1) throw new ProtocolError('more than one content-length')
  if (!/^\d{1,15}$/.test(lengths[0]!)) throw new ProtocolError('malformed content-length')
  return { kind: 'length', length: Number(lengths[0]) }
}
