/** Who callers are and what they may do, from the configuration. */
import type { Authenticator, TokenAuthenticator } from '../../access/authentication/authenticator.ts'
import { bearerTokenAuthenticator, webSocketTokenAuthenticator } from '../../access/authentication/bearer-token.ts'
import { requestHeaderAuthenticator } from '../../access/authentication/request-header.ts'
import { tokenFileAuthenticator } from '../../access/authentication/token-file.ts'
import {
  anonymousAuthenticator,
  otherwise,
  unionAuthenticator,
  unionTokens,
  withAuthenticatedGroup,
} from '../../access/authentication/union.ts'
import { x509Authenticator } from '../../access/authentication/x509.ts'
import { alwaysAllow, alwaysDeny, privilegedGroup } from '../../access/authorization/always.ts'
import type { Authorizer } from '../../access/authorization/authorizer.ts'
import { fixedRules } from '../../access/authorization/fixed-rules.ts'
import { unionAuthorizer } from '../../access/authorization/union.ts'
import { SYSTEM_AUTHENTICATED, SYSTEM_MASTERS } from '../../access/groups.ts'
import { delegatedAuthorizer, delegatedTokens } from './delegated-access.ts'
import type { AppContext } from './app-context.ts'

export interface Access {
  readonly authenticator: Authenticator
  readonly tokens: TokenAuthenticator
  readonly authorizer: Authorizer
}

/**
 * kube-apiserver's order: request header, certificate, token; then anonymous, where that is on.
 * @throws ConfigurationError for a kubeconfig that cannot be used.
 */
export function wireAccess(around: AppContext): Access {
  const { config } = around
  const modes = config.values['authorization-mode']
  const review = delegatedTokens(around)
  const tokens = unionTokens([tokenFileAuthenticator(config.tokens), ...(review ? [review] : [])])
  const known = withAuthenticatedGroup(
    unionAuthenticator([
      requestHeaderAuthenticator(config.requestHeader),
      x509Authenticator(),
      bearerTokenAuthenticator(tokens),
      webSocketTokenAuthenticator(tokens),
    ]),
  )
  const webhook = delegatedAuthorizer(around)
  const askWebhook = webhook ? [webhook] : []
  return {
    authenticator: config.values['anonymous-auth'] ? otherwise(known, anonymousAuthenticator()) : known,
    tokens,
    authorizer: unionAuthorizer([
      privilegedGroup(),
      ...(modes.length === 0
        ? [fixedRules(), ...askWebhook]
        : modes.flatMap((mode) => (mode === 'Webhook' ? askWebhook : authorizersOf(mode)))),
    ]),
  }
}

/** There are no roles and no nodes yet: the fixed rules are what every server permits. */
function authorizersOf(mode: string): Authorizer[] {
  if (mode === 'RBAC') return [fixedRules()]
  if (mode === 'Node') return []
  return [mode === 'AlwaysAllow' ? alwaysAllow() : alwaysDeny()]
}

/** The user of every request on the insecure listener. */
export function insecureAccess(access: Access): Access {
  const user = { name: 'system:unsecured', groups: [SYSTEM_MASTERS, SYSTEM_AUTHENTICATED] }
  return {
    ...access,
    authenticator: { name: 'insecure', authenticate: () => ({ kind: 'authenticated', user }) },
    authorizer: alwaysAllow(),
  }
}
