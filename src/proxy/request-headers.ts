/** The headers a request carries to a backend: the client's, without what it may not say, and ours. */
import type { UserInfo } from '../api/meta.ts'
import type { Exchange, HeaderList } from '../http/exchange.ts'
import { withoutTokenProtocols } from '../http/websocket-token.ts'
import { formatTraceparent, type SpanContext } from '../observability/tracer.ts'
import { endToEndHeaders, endToEndTrailers } from './end-to-end-headers.ts'
import {
  addIdentity,
  claimsIdentity,
  type IdentityMode,
  type IdentityNames,
  noIdentityNames,
} from './identity-headers.ts'

export interface RequestHeadersOptions {
  readonly exchange: Exchange
  readonly identity: IdentityMode
  /** Names of ours beside the fixed ones that a client may not send. */
  readonly identityNames?: IdentityNames | undefined
  /** Needed for every mode but passthrough. */
  readonly user: UserInfo | undefined
  /** `Bearer ...`: our own credentials, for impersonate and own. */
  readonly authorization?: string | undefined
  readonly auditId: string
  /** Somebody looks into the answer: it must not be compressed. */
  readonly plainAnswer: boolean
  /** Goes on as traceparent; absent: the client's own does. */
  readonly trace: SpanContext | undefined
}

/** The pool frames the message; the exchange answers Expect itself; the rest is set anew below. */
const SET_HERE = new Set([
  'host',
  'content-length',
  'expect',
  'http2-settings',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-uri',
])

/** @throws StatusError 400 where the user's name does not fit into a header. */
export function requestHeaders(options: RequestHeadersOptions): string[] {
  const { exchange, identity, identityNames = noIdentityNames, user, auditId, plainAnswer, trace } = options
  const goesOn = identity === 'passthrough' || !exchange.headers.has('sec-websocket-protocol')
  // A bearer token is for who authenticates the caller, not for the backend.
  const raw = goesOn ? exchange.headers.raw : withoutTokenProtocols(exchange.headers.raw)
  let cookies = 0
  const headers = endToEndHeaders(raw, (name) => {
    if (name === 'cookie') cookies++
    return (
      SET_HERE.has(name) ||
      (name === 'audit-id' && auditId !== '') ||
      (plainAnswer && name === 'accept-encoding') ||
      (trace !== undefined && (name === 'traceparent' || name === 'tracestate')) ||
      claimsIdentity(name, identity, identityNames)
    )
  })
  if (cookies > 1) joinCookies(headers)
  if (user) addIdentity(headers, user, identity)
  if ((identity === 'impersonate' || identity === 'own') && options.authorization)
    headers.push('Authorization', options.authorization)
  addForwarded(headers, exchange)
  if (auditId !== '') headers.push('Audit-ID', auditId)
  if (plainAnswer) headers.push('Accept-Encoding', 'identity')
  if (trace) {
    headers.push('Traceparent', formatTraceparent(trace))
    if (trace.traceState) headers.push('Tracestate', trace.traceState)
  }
  return headers
}

/** The trailers that a request carries to a backend. */
export function requestTrailers(exchange: Exchange, identityNames: IdentityNames = noIdentityNames): HeaderList {
  return endToEndTrailers(
    exchange.trailers(),
    exchange.headers.raw,
    // Trailers come behind the decision on who is calling: not even the client's own credentials go on in them.
    (name) => SET_HERE.has(name) || name === 'audit-id' || claimsIdentity(name, 'own', identityNames),
  )
}

function addForwarded(headers: string[], exchange: Exchange): void {
  const { connection, target } = exchange
  const before = exchange.headers.all('x-forwarded-for')
  const address = plainAddress(connection.remoteAddress)
  headers.push('X-Forwarded-For', before.length === 0 ? address : `${before.join(', ')}, ${address}`)
  if (exchange.authority !== '') headers.push('X-Forwarded-Host', exchange.authority)
  headers.push('X-Forwarded-Proto', connection.secure ? 'https' : 'http')
  const mark = target.indexOf('?')
  headers.push('X-Forwarded-Uri', mark < 0 ? target : target.slice(0, mark))
}

const MAPPED = '::ffff:'
const plainAddress = (address: string): string => (address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address)

/** HTTP/2 clients may send a cookie in pieces; HTTP/1.1 knows one header of it. Source: RFC 9113 section 8.2.3. */
function joinCookies(headers: string[]): void {
  const values: string[] = []
  for (let i = 0; i < headers.length; ) {
    if (headers[i]!.toLowerCase() === 'cookie') values.push(headers.splice(i, 2)[1]!)
    else i += 2
  }
  headers.push('Cookie', values.join('; '))
}
