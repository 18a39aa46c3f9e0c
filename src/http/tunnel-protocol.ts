/**
 * The protocols that a connection may be switched to. Whatever else an Upgrade header names, h2c or TLS, would open a way
 * past authentication: such a request is served without it.
 */
const PROTOCOLS = new Set(['websocket', 'spdy/3.1'])

/** @param token of an Upgrade header or a `:protocol`, in any letter case; a list of them is none. */
export function isTunnelProtocol(token: string): boolean {
  return PROTOCOLS.has(token.toLowerCase())
}
