import type { UserInfo } from '../../api/meta.ts'
import type { RequestContext } from '../../http/request-context.ts'

export type AuthnResult =
  | { readonly kind: 'authenticated'; readonly user: UserInfo; readonly audiences?: readonly string[] }
  /** The request carries nothing for this authenticator: ask the next one. */
  | { readonly kind: 'no-opinion' }
  /** It carries a credential, and it is bad. The reason goes to the log, never to the client. */
  | {
      readonly kind: 'rejected'
      readonly reason: string
      /** The credential was not judged: the server that judges it did not answer, and may soon. */
      readonly unanswered?: boolean
    }

/** Knows callers by something of their request. Answers at once when it can. */
export interface Authenticator {
  readonly name: string
  authenticate(ctx: RequestContext): AuthnResult | Promise<AuthnResult>
}
/** Knows callers by a bearer token: also what a TokenReview asks. */
export interface TokenAuthenticator {
  authenticateToken(token: string): AuthnResult | Promise<AuthnResult>
}

export const NO_OPINION: AuthnResult = { kind: 'no-opinion' }
