import type { RequestContext } from '../../http/request-context.ts'
import { type Authenticator, type AuthnResult, NO_OPINION, type TokenAuthenticator } from './authenticator.ts'
import { ANONYMOUS, SYSTEM_AUTHENTICATED, SYSTEM_UNAUTHENTICATED } from '../groups.ts'

type Rejected = Extract<AuthnResult, { kind: 'rejected' }>

/**
 * The first authenticator that knows the caller wins. A bad credential is remembered and ends in `rejected`,
 * never in anonymous.
 */
export function unionAuthenticator(all: readonly Authenticator[]): Authenticator {
  function from(
    ctx: RequestContext,
    start: number,
    rejections: readonly Rejected[],
  ): AuthnResult | Promise<AuthnResult> {
    let rejected = rejections
    for (let i = start; i < all.length; i++) {
      const result = all[i]!.authenticate(ctx)
      if (result instanceof Promise) {
        const soFar = rejected
        return result.then((r) =>
          r.kind === 'authenticated' ? r : from(ctx, i + 1, r.kind === 'rejected' ? [...soFar, r] : soFar),
        )
      }
      if (result.kind === 'authenticated') return result
      if (result.kind === 'rejected') rejected = [...rejected, result]
    }
    if (rejected.length === 0) return NO_OPINION
    const unanswered = rejected.some((r) => r.unanswered === true)
    return { kind: 'rejected', reason: rejected.map((r) => r.reason).join('; '), unanswered }
  }
  return { name: 'union', authenticate: (ctx) => from(ctx, 0, []) }
}

/** While it is not known whether a token is good, it is not bad either. */
function worse(soFar: AuthnResult | undefined, next: AuthnResult): AuthnResult | undefined {
  if (next.kind !== 'rejected') return soFar
  return soFar === undefined || next.unanswered === true ? next : soFar
}

/** The first that knows the token wins; else the first that calls it bad. */
export function unionTokens(all: readonly TokenAuthenticator[]): TokenAuthenticator {
  function from(token: string, start: number, bad: AuthnResult | undefined): AuthnResult | Promise<AuthnResult> {
    let rejected = bad
    for (let i = start; i < all.length; i++) {
      const result = all[i]!.authenticateToken(token)
      if (result instanceof Promise) {
        const soFar = rejected
        return result.then((r) => (r.kind === 'authenticated' ? r : from(token, i + 1, worse(soFar, r))))
      }
      if (result.kind === 'authenticated') return result
      rejected = worse(rejected, result)
    }
    return rejected ?? NO_OPINION
  }
  return { authenticateToken: (token) => from(token, 0, undefined) }
}

/** Adds system:authenticated to a user who was authenticated; the same answer for the same user object, made once. */
export function withAuthenticatedGroup(inner: Authenticator): Authenticator {
  const known = new WeakMap<AuthnResult, AuthnResult>()
  const add = (result: AuthnResult): AuthnResult => {
    if (result.kind !== 'authenticated') return result
    const { user } = result
    if (
      user.name === ANONYMOUS ||
      user.groups.includes(SYSTEM_AUTHENTICATED) ||
      user.groups.includes(SYSTEM_UNAUTHENTICATED)
    )
      return result
    let grouped = known.get(result)
    if (!grouped) {
      grouped = { ...result, user: { ...user, groups: [...user.groups, SYSTEM_AUTHENTICATED] } }
      known.set(result, grouped)
    }
    return grouped
  }
  return {
    name: inner.name,
    authenticate: (ctx) => {
      const result = inner.authenticate(ctx)
      return result instanceof Promise ? result.then(add) : add(result)
    },
  }
}

/** Who shows no credential at all. */
export function anonymousAuthenticator(): Authenticator {
  const result: AuthnResult = { kind: 'authenticated', user: { name: ANONYMOUS, groups: [SYSTEM_UNAUTHENTICATED] } }
  return { name: 'anonymous', authenticate: () => result }
}

/** Asks `inner`; only where it has no opinion, `fallback`. A rejected credential stays rejected. */
export function otherwise(inner: Authenticator, fallback: Authenticator): Authenticator {
  const decide = (ctx: RequestContext, r: AuthnResult): AuthnResult | Promise<AuthnResult> =>
    r.kind === 'no-opinion' ? fallback.authenticate(ctx) : r
  return {
    name: inner.name,
    authenticate: (ctx) => {
      const result = inner.authenticate(ctx)
      return result instanceof Promise ? result.then((r) => decide(ctx, r)) : decide(ctx, result)
    },
  }
}
