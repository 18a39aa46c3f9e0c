import type { IdentityNames } from '../../proxy/identity-headers.ts'
import type { Config } from '../config/config.ts'

/** The headers by which front proxies tell us who calls: none of them goes on to a backend as a client sent it. */
export function identityNamesOf(o: Config['requestHeader']): IdentityNames {
  return {
    names: new Set([...o.usernameHeaders, ...o.uidHeaders, ...o.groupHeaders]),
    prefixes: o.extraHeaderPrefixes,
  }
}
