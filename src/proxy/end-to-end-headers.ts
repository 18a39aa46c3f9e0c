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
export function answerHeaders(raw: HeaderList): string[] {
  return endToEndHeaders(raw, (name) => NOT_FROM_BACKENDS.has(name))
}
