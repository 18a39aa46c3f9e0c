import { StatusError } from '../../api/status-error.ts'
import type { HeaderView } from '../../http/exchange.ts'
import type { Filter } from '../../http/filter.ts'

const PREFIX = 'impersonate-'

/**
 * Serving them as the caller would do something else than was asked, with the caller's rights: the one answer that is
 * safe without impersonation is no.
 */
export function impersonationFilter(): Filter {
  return {
    name: 'impersonation',
    about: 'Refuses requests that want to act as somebody else.',
    wrap: (next) => (ctx) => {
      if (asksForAnotherIdentity(ctx.exchange.headers)) {
        throw new StatusError(
          403,
          'Forbidden',
          'forbidden: this server does not impersonate users: send the request without Impersonate-* headers',
          { details: {} },
        )
      }
      return next(ctx)
    },
  }
}

function asksForAnotherIdentity(headers: HeaderView): boolean {
  const { raw } = headers
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!
    if (name.length > PREFIX.length && name.slice(0, PREFIX.length).toLowerCase() === PREFIX) return true
  }
  return false
}
