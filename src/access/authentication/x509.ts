import type { UserInfo } from '../../api/meta.ts'
import type { VerifiedCertificate } from '../../http/exchange.ts'
import { type Authenticator, type AuthnResult, NO_OPINION } from './authenticator.ts'

/**
 * Callers with a client certificate of the client CA: name is the common name, groups are the organizations.
 * The listener verified the chain, once per connection; a certificate that chains only to the front-proxy CA says nothing here.
 */
export function x509Authenticator(): Authenticator {
  const known = new WeakMap<VerifiedCertificate, AuthnResult>()
  return {
    name: 'x509',
    authenticate: (ctx) => {
      const certificate = ctx.exchange.connection.clientCertificate
      if (!certificate?.chainsTo.clientCA || certificate.commonName === '') return NO_OPINION
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
