import type { UserInfo } from '../../api/meta.ts'
import type { VerifiedCertificate } from '../../http/exchange.ts'
import { type Authenticator, type AuthnResult, NO_OPINION } from './authenticator.ts'

const UNVERIFIED: AuthnResult = { kind: 'rejected', reason: 'x509: the certificate cannot be verified for clients' }

/**
 * Callers with a client certificate of the client CA: name is the common name, groups are the organizations.
 * The listener verified the chain, once per connection. A certificate that cannot be verified is a bad credential; so is
 * that of a front proxy which names no user.
 */
export function x509Authenticator(): Authenticator {
  const known = new WeakMap<VerifiedCertificate, AuthnResult>()
  return {
    name: 'x509',
    authenticate: (ctx) => {
      const { clientCertificate: certificate, hasBadCertificate } = ctx.exchange.connection
      if (hasBadCertificate) return UNVERIFIED
      if (!certificate) return NO_OPINION
      if (!certificate.chainsTo.clientCA) return UNVERIFIED
      if (certificate.commonName === '') return NO_OPINION
      let result = known.get(certificate)
      if (!result) {
        result = { kind: 'authenticated', user: userOf(certificate) }
        known.set(certificate, result)
      }
      return result
    },
  }
}

function userOf(certificate: VerifiedCertificate): UserInfo {
  return {
    name: certificate.commonName,
    groups: certificate.organizations,
    extra: new Map([['authentication.kubernetes.io/credential-id', [`X509SHA256=${certificate.sha256}`]]]),
  }
}
