/** What a route of a policy matches, and the condition that a request met in words. */
import type { RouteMatch } from '../../../api/backend-policy.ts'
import type { UserInfo } from '../../../api/meta.ts'
import type { HeaderView } from '../../../http/exchange.ts'
import { textOfValue } from '../../../http/header-list.ts'
import type { RequestInfo } from '../../../http/request-info.ts'

/** What routes look at: a RequestContext, or a request that is only asked about. */
export interface RoutedRequest {
  readonly info: RequestInfo
  readonly user: UserInfo | undefined
  readonly exchange: { readonly headers: Pick<HeaderView, 'get'> }
}
export interface CompiledMatch {
  readonly matches: (request: RoutedRequest) => boolean
  /** The condition that a matching request met, in words. Header values appear only where the policy itself names them. */
  readonly why: (request: RoutedRequest) => string
}

export function compileMatch(m: RouteMatch): CompiledMatch {
  const conditions = [...listConditions(m), ...(m.headers ?? []).map(headerCondition)]
  const tests = conditions.map((c) => c.matches)
  return {
    matches: (request) => tests.every((t) => t(request)),
    why: (request) => conditions.map((c) => c.why(request)).join(' and '),
  }
}

/** The tests of a match: one for each list that names something. */
function listConditions({ resources = [], verbs = [], users = [], groups = [] }: RouteMatch): CompiledMatch[] {
  const found: CompiledMatch[] = []
  if (resources.length > 0) {
    const set = new Set(resources)
    found.push({
      // A resource stands for its subresources too.
      matches: ({ info }) => set.has(info.resource) || set.has(`${info.resource}/${info.subresource}`),
      why: ({ info }) => `resource ${set.has(info.resource) ? info.resource : `${info.resource}/${info.subresource}`}`,
    })
  }
  if (verbs.length > 0) {
    const set = new Set(verbs)
    found.push({ matches: ({ info }) => set.has(info.verb), why: ({ info }) => `verb ${info.verb}` })
  }
  if (users.length > 0) {
    const set = new Set(users)
    found.push({
      matches: ({ user }) => user !== undefined && set.has(user.name),
      why: ({ user }) => `user ${user?.name}`,
    })
  }
  if (groups.length > 0) {
    const set = new Set(groups)
    found.push({
      matches: ({ user }) => user?.groups.some((g) => set.has(g)) === true,
      why: ({ user }) => `group ${user?.groups.find((g) => set.has(g))}`,
    })
  }
  return found
}

function headerCondition({ name, value }: { name: string; value?: string }): CompiledMatch {
  const lower = name.toLowerCase()
  const any = value === undefined || value === ''
  return {
    matches: ({ exchange }) => {
      const given = exchange.headers.get(lower)
      return given !== undefined && (any || textOfValue(given) === value)
    },
    why: () => (any ? `header ${name}` : `header ${name}: ${value}`),
  }
}
