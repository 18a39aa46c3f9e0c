import type { RequestContext } from '../../http/request-context.ts'
import { TOKEN_PROTOCOL_PREFIX } from '../../http/websocket-token.ts'
import { type Authenticator, type AuthnResult, type TokenAuthenticator, NO_OPINION } from './authenticator.ts'

const rejected = (reason: string): AuthnResult => ({ kind: 'rejected', reason })
const INVALID = rejected('invalid bearer token')
const EXTRA_SPACE = 'the provided Authorization header contains extra space before the bearer token, and is ignored'
/** As Go's base64.RawURLEncoding reads it: no padding. */
const UNPADDED = /^[A-Za-z0-9_-]*$/
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** `Authorization: Bearer`. A token that no authenticator knows is a bad one. */
export function bearerTokenAuthenticator(tokens: TokenAuthenticator): Authenticator {
  return {
    name: 'bearer-token',
    authenticate: (ctx) => {
      const token = bearerToken(ctx)
      return token === undefined ? NO_OPINION : judge(tokens, token)
    },
  }
}

/**
 * Browsers cannot set headers of a WebSocket: they send the token as a sub-protocol beside the one that they speak. A
 * token in a form that is wrong is a bad one too. Source: kube-apiserver's websocket authenticator.
 */
export function webSocketTokenAuthenticator(tokens: TokenAuthenticator): Authenticator {
  return {
    name: 'websocket-token',
    authenticate: (ctx) => {
      const { upgrade, headers } = ctx.exchange
      if (upgrade?.toLowerCase() !== 'websocket') return NO_OPINION
      const protocols = headers.all('sec-websocket-protocol').flatMap((v) => v.split(',').map((p) => p.trim()))
      const shown = protocols.filter((p) => p.startsWith(TOKEN_PROTOCOL_PREFIX))
      if (shown.length === 0) return NO_OPINION
      if (shown.length > 1) return rejected('several tokens as sub-protocols')
      const token = decodeToken(shown[0]!.slice(TOKEN_PROTOCOL_PREFIX.length))
      if (token === '') return NO_OPINION
      if (token === undefined) return rejected('the token in a sub-protocol is not encoded as it should be')
      // The server has to choose another one to answer with.
      if (protocols.length === 1) return rejected('missing additional subprotocol')
      return judge(tokens, token)
    },
  }
}

function judge(tokens: TokenAuthenticator, token: string): AuthnResult | Promise<AuthnResult> {
  const judged = (result: AuthnResult): AuthnResult => (result.kind === 'no-opinion' ? INVALID : result)
  const result = tokens.authenticateToken(token)
  return result instanceof Promise ? result.then(judged) : judged(result)
}

/** @returns undefined without a bearer token; two spaces before it make it ignored, with a warning. */
function bearerToken(ctx: RequestContext): string | undefined {
  const header = ctx.exchange.headers.get('authorization')
  if (header === undefined) return undefined
  const [scheme, token, rest] = header.trim().split(' ', 3)
  if (scheme?.toLowerCase() !== 'bearer') return undefined
  if (token === '' && rest !== undefined) ctx.warn(EXTRA_SPACE)
  return token === '' ? undefined : token
}

function decodeToken(text: string): string | undefined {
  if (!UNPADDED.test(text) || text.length % 4 === 1) return undefined
  try {
    return UTF8.decode(Buffer.from(text, 'base64url'))
  } catch {
    return undefined
  }
}
