/**
 * Which backend of a policy a request goes to: by resource, verb, user, header, and by weight.
 *
 * Weights divide clients, not requests: a client that listed from a backend must watch there too, since resourceVersions of one
 * mean nothing to the other. A client (its user and User-Agent) changes sides only when the weights do, and while its own
 * backend is down.
 */
import { DEFAULT_BACKEND, OWN_BACKEND, type BackendPolicySpec } from '../../../api/backend-policy.ts'
import { type CompiledMatch, compileMatch, type RoutedRequest } from './route-match.ts'

/** What pick() decides, and why. */
export interface RouteChoice {
  readonly backend: string
  /** The index of the route in spec.routes. undefined: no route takes the request. */
  readonly index: number | undefined
  readonly because: string
  /** The backend that weights give the client, where another backend takes it meanwhile. */
  readonly insteadOf: string | undefined
  /** All destinations of the route, where it has several. */
  readonly shares: readonly { readonly backend: string; readonly percent: number }[]
}
export interface Routing {
  /**
   * @param isUsable asked by name: where the backend that is the client's is not, another one of its route takes it.
   * @returns the name of a backend of the policy, or OWN_BACKEND.
   */
  pick(request: RoutedRequest, isUsable: (backend: string) => boolean): string
  /** The same, for people. */
  explain(request: RoutedRequest, isUsable: (backend: string) => boolean): RouteChoice
  /** All that requests may go to, the fallback among them. */
  readonly destinations: ReadonlySet<string>
  /** The backend for discovery, OpenAPI and probes, which are of no resource. */
  readonly fallback: string
  /** Resource -> backend with most weight, for routes that match by resource alone: whose discovery counts. */
  readonly owners: ReadonlyMap<string, string>
}
interface Share {
  readonly backend: string
  readonly weight: number
}
interface CompiledRoute {
  /** The index of the route in spec.routes. */
  readonly index: number
  readonly matches: (request: RoutedRequest) => boolean
  /** Any of them; none matches everything. */
  readonly of: readonly CompiledMatch[]
  /** Those with a weight. */
  readonly to: readonly Share[]
  readonly all: readonly Share[]
}

const NO_ROUTE = { index: undefined, insteadOf: undefined, shares: [] }
export const NO_ROUTING: Routing = {
  pick: () => OWN_BACKEND,
  explain: () => ({ ...NO_ROUTE, backend: OWN_BACKEND, because: 'no policy has routes' }),
  destinations: new Set([OWN_BACKEND]),
  fallback: OWN_BACKEND,
  owners: new Map(),
}

export function compileRoutes(spec: BackendPolicySpec): Routing {
  const fallback = (spec.backends ?? []).some((b) => b.name === DEFAULT_BACKEND) ? DEFAULT_BACKEND : OWN_BACKEND
  const routes: CompiledRoute[] = []
  const owners = new Map<string, string>()
  for (const [index, { matches = [], to = [] }] of (spec.routes ?? []).entries()) {
    const all = to.map((d) => ({ backend: d.backend, weight: d.weight ?? 1 }))
    const weighty = all.filter((d) => d.weight > 0)
    if (weighty.length === 0) continue
    const of = matches.map(compileMatch)
    const matchesAny = (request: RoutedRequest): boolean => of.length === 0 || of.some((m) => m.matches(request))
    routes.push({ index, matches: matchesAny, of, to: weighty, all })
    const heaviest = to.toSorted((a, b) => (b.weight ?? 1) - (a.weight ?? 1))[0]!.backend
    for (const m of matches) {
      if (m.users || m.groups || m.headers || m.verbs) continue
      for (const r of m.resources ?? []) if (!r.includes('/') && !owners.has(r)) owners.set(r, heaviest)
    }
  }
  const routeOf = (request: RoutedRequest): CompiledRoute | undefined =>
    request.info.isResourceRequest ? routes.find((r) => r.matches(request)) : undefined
  return {
    fallback,
    owners,
    destinations: new Set([fallback, ...routes.flatMap((r) => r.to.map((d) => d.backend))]),
    pick: (request, isUsable) => {
      const route = routeOf(request)
      return route ? destinationOf(route, request, isUsable) : fallback
    },
    explain: (request, isUsable) => {
      const route = routeOf(request)
      if (route) return choiceOf(route, request, isUsable)
      return { ...NO_ROUTE, backend: fallback, because: 'none matches' }
    },
  }
}

function destinationOf({ to }: CompiledRoute, request: RoutedRequest, isUsable: (backend: string) => boolean): string {
  if (to.length === 1) return to[0]!.backend
  const mine = chosen(to, shareOf(request))
  if (isUsable(mine)) return mine
  const others = to.filter((d) => isUsable(d.backend))
  return others.length === 0 ? mine : chosen(others, shareOf(request, mine))
}

function choiceOf(route: CompiledRoute, request: RoutedRequest, isUsable: (backend: string) => boolean): RouteChoice {
  const { index, of, all } = route
  const backend = destinationOf(route, request, isUsable)
  const mine = destinationOf(route, request, () => true)
  const match = of.findIndex((m) => m.matches(request))
  const sum = all.reduce((total, d) => total + d.weight, 0)
  return {
    backend,
    index,
    because: match < 0 ? 'matches every request' : `matches[${match}]: ${of[match]!.why(request)}`,
    insteadOf: mine === backend ? undefined : mine,
    shares: all.length === 1 ? [] : all.map((d) => ({ backend: d.backend, percent: percentOf(d.weight, sum) })),
  }
}

/** Exact enough for the smallest weight that a policy may have beside the greatest. */
const percentOf = (weight: number, sum: number): number => Number(((100 * weight) / sum).toFixed(4))

/** @param share from 0, below 1. */
function chosen(to: readonly Share[], share: number): string {
  let at = share * to.reduce((sum, d) => sum + d.weight, 0)
  return (to.find((d) => (at -= d.weight) < 0) ?? to.at(-1)!).backend
}

/** A number from 0 to below 1, always the same for a client and evenly spread over clients. Another salt spreads them anew. FNV-1a. */
function shareOf({ user, exchange }: RoutedRequest, salt = ''): number {
  const client = `${user?.name ?? ''}\n${exchange.headers.get('user-agent') ?? ''}${salt}`
  let hash = 0x811c9dc5
  for (let i = 0; i < client.length; i++) hash = Math.imul(hash ^ client.charCodeAt(i), 0x01000193)
  // The lowest bits of FNV are the best mixed.
  return ((hash >>> 0) % 10_007) / 10_007
}
