/** Which path and authority a request line and Host header name. Source: RFC 9112 section 3.2. */
import { headerValues } from '../header-list.ts'
import type { RequestHead } from './message-head.ts'
import { ProtocolError } from './protocol-error.ts'

const ABSOLUTE = /^https?:\/\/([^/?#]+)([^#]*)$/i
const AUTHORITY = /^[0-9A-Za-z\-._~%!$&'()*+,;=:[\]]*$/

/** @throws ProtocolError: 400, or 405 for CONNECT. */
export function requestTarget(head: RequestHead): { target: string; authority: string } {
  const hosts = headerValues(head.headers, 'host')
  if (hosts.length > 1 || (hosts.length === 0 && head.minorVersion === 1))
    throw new ProtocolError('a request needs one Host header')
  const host = hosts[0] ?? ''
  if (!AUTHORITY.test(host)) throw new ProtocolError('malformed Host header')
  if (head.method === 'CONNECT') throw new ProtocolError('CONNECT is not supported', 405)
  if (head.target.startsWith('/')) return { target: head.target, authority: host }
  if (head.target === '*' && head.method === 'OPTIONS') return { target: '*', authority: host }
  const m = ABSOLUTE.exec(head.target)
  if (!m || !AUTHORITY.test(m[1]!)) throw new ProtocolError('malformed request target')
  return { target: m[2]!.startsWith('/') ? m[2]! : `/${m[2]!}`, authority: m[1]! }
}
