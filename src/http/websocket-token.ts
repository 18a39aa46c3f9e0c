/** Browsers cannot set headers on a WebSocket: their bearer token comes as a sub-protocol. Source: kube-apiserver. */
import type { HeaderList } from './exchange.ts'
import { isNamed } from './header-list.ts'

export const TOKEN_PROTOCOL_PREFIX = 'base64url.bearer.authorization.k8s.io.'
const HEADER = 'sec-websocket-protocol'

/** @returns the same list where there is no token in it. */
export function withoutTokenProtocols(headers: HeaderList): HeaderList {
  const kept: string[] = []
  let found = false
  for (let i = 0; i < headers.length; i += 2) {
    const [name, value] = [headers[i]!, headers[i + 1]!]
    if (!isNamed(name, HEADER) || !value.includes(TOKEN_PROTOCOL_PREFIX)) {
      kept.push(name, value)
      continue
    }
    found = true
    const others = value
      .split(',')
      .map((protocol) => protocol.trim())
      .filter((protocol) => !protocol.startsWith(TOKEN_PROTOCOL_PREFIX))
    if (others.length > 0) kept.push(name, others.join(', '))
  }
  return found ? kept : headers
}
