import type { HeaderView } from '../../http/exchange.ts'
import { TOKEN_PROTOCOL_PREFIX } from '../../http/websocket-token.ts'
import { type Authenticator, type AuthnResult, type TokenAuthenticator, NO_OPINION } from './authenticator.ts'

const INVALID: AuthnResult = { kind: 'rejected', reason: 'invalid bearer token' }

/** `Authorization: Bearer`, or for browsers the sub-protocol of a WebSocket request. A token nobody knows is a bad one. */
export function bearerTokenAuthenticator(tokens: TokenAuthenticator): Authenticator {
  const judged = (result: AuthnResult): AuthnResult => (result.kind === 'no-opinion' ? INVALID : result)
  return {
    name: 'bearer-token',
    authenticate: (ctx) => {
      const token =
        bearerToken(ctx.exchange.headers) ??
        (ctx.exchange.upgrade === undefined ? undefined : webSocketToken(ctx.exchange.headers))
      if (token === undefined) return NO_OPINION
      const result = tokens.authenticateToken(token)
      return result instanceof Promise ? result.then(judged) : judged(result)
    },
  }
}

/** @returns undefined without a bearer token; two spaces before it make it ignored, as upstream does. */
export function bearerToken(headers: HeaderView): string | undefined {
  const header = headers.get('authorization')
  if (header === undefined) return undefined
  const [scheme, token] = header.trim().split(' ', 3)
  return scheme?.toLowerCase() === 'bearer' && token ? token : undefined
}

function webSocketToken(headers: HeaderView): string | undefined {
  const protocols = headers.all('sec-websocket-protocol').flatMap((v) => v.split(',').map((p) => p.trim()))
  const tokens = protocols.filter((p) => p.startsWith(TOKEN_PROTOCOL_PREFIX))
  // A token alone is refused: the server has to choose another sub-protocol to answer with.
  if (tokens.length !== 1 || protocols.length < 2) return undefined
  return Buffer.from(tokens[0]!.slice(TOKEN_PROTOCOL_PREFIX.length), 'base64url').toString('utf8')
}
