/** Which headers of a message travel on. Source: RFC 9110 section 7.6.1; the filters by name are spec'd with the aggregator. */
import type { HeaderList } from '../http/exchange.ts'
import { isNamed, lowerName, tokensOf } from '../http/header-list.ts'

/** keep-alive and proxy-connection are older than the RFC. */
const PER_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const NONE: ReadonlySet<string> = new Set()

/**
 * Drops the headers that belong to one connection and not to the message. `TE: trailers` alone goes on.
 *
 * @param raw left untouched.
 * @param drop asked for each other name, in lower case.
 * @returns a new flat list; order and letter case are kept. O(n).
 */
export function endToEndHeaders(raw: HeaderList, drop: (lowerCaseName: string) => boolean = keepAll): string[] {
  const listed = namesListedInConnection(raw)
  const kept: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = lowerName(raw[i]!)
    if (PER_CONNECTION.has(name)) {
      if (name === 'te' && raw[i + 1]!.trim().toLowerCase() === 'trailers') kept.push(raw[i]!, 'trailers')
    } else if (!listed.has(name) && !drop(name)) kept.push(raw[i]!, raw[i + 1]!)
  }
  return kept
}
const keepAll = (): boolean => false

function namesListedInConnection(raw: HeaderList): ReadonlySet<string> {
  for (let i = 0; i < raw.length; i += 2)
    if (isNamed(raw[i]!, 'connection')) return new Set(tokensOf(raw, 'connection'))
  return NONE
}

/**
 * Fields that no trailer may bring, whoever sends it: they frame or route the message, say who is calling, steer the
 * request, or are judged before the body is read. Source: RFC 9110 section 6.5.1.
 */
const NOT_IN_TRAILERS = new Set([
  'accept',
  'accept-encoding',
  'authentication-info',
  'authorization',
  'cache-control',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expect',
  'forwarded',
  'host',
  'http2-settings',
  'location',
  'max-forwards',
  'origin',
  'pragma',
  'proxy-authentication-info',
  'range',
  'retry-after',
  'set-cookie',
  'strict-transport-security',
  'traceparent',
  'tracestate',
  'vary',
  'warning',
  'www-authenticate',
])
const NOT_IN_TRAILERS_PREFIXES = ['impersonate-', 'x-remote-', 'x-forwarded-', 'if-', 'sec-']

/**
 * The trailers of a message that travel on. What a field of the head may say is not enough for a trailer: who reads the
 * two as one would believe it.
 *
 * @param head of the same message: fields that its Connection header lists end here, too.
 * @param drop as for endToEndHeaders.
 */
export function endToEndTrailers(
  trailers: HeaderList,
  head: HeaderList,
  drop: (lowerCaseName: string) => boolean,
): HeaderList {
  if (trailers.length === 0) return trailers
  const listed = [namesListedInConnection(head), namesListedInConnection(trailers)]
  const kept: string[] = []
  for (let i = 0; i < trailers.length; i += 2) {
    const name = lowerName(trailers[i]!)
    const plain = name.replaceAll('_', '-')
    const dropped =
      PER_CONNECTION.has(plain) ||
      NOT_IN_TRAILERS.has(plain) ||
      NOT_IN_TRAILERS_PREFIXES.some((prefix) => plain.startsWith(prefix)) ||
      listed.some((names) => names.has(name)) ||
      drop(name)
    if (!dropped) kept.push(trailers[i]!, trailers[i + 1]!)
  }
  return kept
}

/** A backend does not decide which web pages may read our answers, nor what our own filters say. */
const NOT_FROM_BACKENDS = new Set([
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'audit-id',
  'x-kubernetes-pf-flowschema-uid',
  'x-kubernetes-pf-prioritylevel-uid',
])
const isOurs = (name: string): boolean => NOT_FROM_BACKENDS.has(name)
export function answerHeaders(raw: HeaderList): string[] {
  return endToEndHeaders(raw, isOurs)
}
/** @param head of the same answer. */
export function answerTrailers(trailers: HeaderList, head: HeaderList): HeaderList {
  return endToEndTrailers(trailers, head, isOurs)
}
