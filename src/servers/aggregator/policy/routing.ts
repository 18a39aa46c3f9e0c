/**
 * Which backend of a policy a request goes to: by resource, verb, user, header, and by weight.
 *
 * Weights divide clients, not requests: who listed from one backend must watch there too, since resourceVersions of one
 * mean nothing to the other. A client (its user and User-Agent) changes sides only when the weights do, and while its own
 * backend is down.
 */
import { DEFAULT_BACKEND, OWN_BACKEND, type BackendPolicySpec, type RouteMatch } from '../../../api/backend-policy.ts'
import type { RequestContext } from '../../../http/request-context.ts'

export interface Routing {
  /**
   * @param isUsable asked by name: where the backend that is the client's is not, another one of its route takes it.
   * @returns the name of a backend of the policy, or OWN_BACKEND.
   */
  pick(ctx: RequestContext, isUsable: (backend: string) => boolean): string
  /** All that requests may go to, the fallback among them. */
  readonly destinations: ReadonlySet<string>
  /** Where discovery, OpenAPI and probes go, which are of no resource. */
  readonly fallback: string
  /** Resource -> backend with most weight, for routes that match by resource alone: whose discovery counts. */
  readonly owners: ReadonlyMap<string, string>
}
interface Share {
  readonly backend: string
  readonly weight: number
}
interface CompiledRoute {
  readonly matches: (ctx: RequestContext) => boolean
  readonly to: readonly Share[]
}

export const NO_ROUTING: Routing = {
  pick: () => OWN_BACKEND,
  destinations: new Set([OWN_BACKEND]),
  fallback: OWN_BACKEND,
  owners: new Map(),
}

export function compileRoutes(spec: BackendPolicySpec): Routing {
  const fallback = (spec.backends ?? []).some((b) => b.name === DEFAULT_BACKEND) ? DEFAULT_BACKEND : OWN_BACKEND
  const routes: CompiledRoute[] = []
  const owners = new Map<string, string>()
  for (const { matches = [], to = [] } of spec.routes ?? []) {
    const shares = to.map((d) => ({ backend: d.backend, weight: d.weight ?? 1 })).filter((d) => d.weight > 0)
    if (shares.length === 0) continue
    const tests = matches.map(matcherOf)
    routes.push({ matches: (ctx) => tests.length === 0 || tests.some((t) => t(ctx)), to: shares })
    const heaviest = to.toSorted((a, b) => (b.weight ?? 1) - (a.weight ?? 1))[0]!.backend
    for (const m of matches) {
      if (m.users || m.groups || m.headers || m.verbs) continue
      for (const r of m.resources ?? []) if (!r.includes('/') && !owners.has(r)) owners.set(r, heaviest)
    }
  }
  return {
    fallback,
    owners,
    destinations: new Set([fallback, ...routes.flatMap((r) => r.to.map((d) => d.backend))]),
    pick: (ctx, isUsable) => {
      const route = ctx.info.isResourceRequest ? routes.find((r) => r.matches(ctx)) : undefined
      if (!route) return fallback
      if (route.to.length === 1) return route.to[0]!.backend
      const mine = chosen(route.to, shareOf(ctx))
      if (isUsable(mine)) return mine
      const others = route.to.filter((d) => isUsable(d.backend))
      return others.length === 0 ? mine : chosen(others, shareOf(ctx, mine))
    },
  }
}

function matcherOf(m: RouteMatch): (ctx: RequestContext) => boolean {
  const tests: ((ctx: RequestContext) => boolean)[] = []
  const has = (list: readonly string[] | undefined): list is readonly string[] => list !== undefined && list.length > 0
  if (has(m.resources)) {
    const set = new Set(m.resources)
    // A resource stands for its subresources too.
    tests.push(({ info }) => set.has(info.resource) || set.has(`${info.resource}/${info.subresource}`))
  }
  if (has(m.verbs)) {
    const set = new Set(m.verbs)
    tests.push(({ info }) => set.has(info.verb))
  }
  if (has(m.users)) {
    const set = new Set(m.users)
    tests.push(({ user }) => user !== undefined && set.has(user.name))
  }
  if (has(m.groups)) {
    const set = new Set(m.groups)
    tests.push(({ user }) => user?.groups.some((g) => set.has(g)) === true)
  }
  for (const { name, value } of m.headers ?? []) {
    tests.push(({ exchange }) => {
      const given = exchange.headers.get(name.toLowerCase())
      return given !== undefined && (value === undefined || value === '' || given === value)
    })
  }
  return (ctx) => tests.every((t) => t(ctx))
}

/** @param share from 0, below 1. */
function chosen(to: readonly Share[], share: number): string {
  let at = share * to.reduce((sum, d) => sum + d.weight, 0)
  return (to.find((d) => (at -= d.weight) < 0) ?? to.at(-1)!).backend
}

/** The same for one client always, evenly spread over clients; from 0, below 1; with another salt they are spread anew. FNV-1a. */
function shareOf({ user, exchange }: RequestContext, salt = ''): number {
  const client = `${user?.name ?? ''}\n${exchange.headers.get('user-agent') ?? ''}${salt}`
  let hash = 0x811c9dc5
  for (let i = 0; i < client.length; i++) hash = Math.imul(hash ^ client.charCodeAt(i), 0x01000193)
  // The lowest bits of FNV are the best mixed.
  return ((hash >>> 0) % 10_007) / 10_007
}
