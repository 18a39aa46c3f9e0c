/** Which of the servers behind an APIService a request would get, and why. Nothing is sent. */
import { endpointId } from '../../../proxy/endpoint-set.ts'
import type { TableEntry } from '../registrations/apiservice-table.ts'
import type { Backend } from '../backends/backend.ts'
import type { RoutedRequest } from '../policy/route-match.ts'
import { NO_ROUTING, type RouteChoice } from '../policy/routing.ts'

/** A backend that a request may get. */
export interface ExplainedServer {
  /** Where it is, in words. `local`: this process. */
  readonly target: string
  /** Absent for this process. */
  readonly available?: boolean
  /** Why it is not available. */
  readonly obstacle?: string
  readonly endpoints?: readonly string[]
  /** Why endpoints that its source has are not used. */
  readonly refused?: readonly string[]
  /** Why there are no endpoints. */
  readonly problem?: string
}
/** The verdict of a policy's routes on a request. */
export interface ExplainedRoute {
  /** The BackendPolicy whose routes are in force. */
  readonly policy?: string
  /** The index of the route in spec.routes. Absent: none matches. */
  readonly index?: number
  readonly because: string
  /** The backend that is the client's by weight and not available. */
  readonly insteadOf?: string
  /** The client for which weights choose. Absent where they have no choice. */
  readonly client?: string
  /** All destinations of the route, where it has several. */
  readonly shares?: readonly (ExplainedServer & { readonly backend: string; readonly percent: number })[]
}
/** The server that this request would get; `portico routes` reads it as JSON. */
export interface ExplainedBackend extends ExplainedServer {
  /** The name of the APIService. */
  readonly name: string
  /** Its name in the policy; absent where no policy has a say. */
  readonly backend?: string
  readonly route?: ExplainedRoute
}

/** @param policy the name of the policy whose routes are in force. */
export function explainBackend(
  { apiService, backend }: TableEntry,
  request: RoutedRequest,
  policy: string | undefined,
): ExplainedBackend {
  const name = apiService.metadata.name!
  if (!backend) return { name, target: 'local' }
  const choice = backend.explain(request)
  const server = explainServer(backend, choice.backend)
  if (backend.policy.routing === NO_ROUTING) return { name, ...server }
  const route = { ...(policy === undefined ? {} : { policy }), ...explainChoice(backend, request, choice) }
  return { name, backend: choice.backend, ...server, route }
}

function explainChoice(backend: Backend, request: RoutedRequest, choice: RouteChoice): ExplainedRoute {
  const { index, because, insteadOf, shares } = choice
  return {
    ...(index === undefined ? {} : { index }),
    because,
    ...(insteadOf === undefined ? {} : { insteadOf }),
    ...(shares.filter((s) => s.percent > 0).length > 1 ? { client: clientOf(request) } : {}),
    ...(shares.length === 0 ? {} : { shares: shares.map((s) => ({ ...s, ...explainServer(backend, s.backend) })) }),
  }
}

function explainServer(backend: Backend, name: string): ExplainedServer {
  const target = backend.targets.get(name)
  if (!target) return { target: 'local' }
  const obstacle = backend.obstacle(name)
  const state = {
    target: target.text,
    available: obstacle === undefined,
    ...(obstacle === undefined ? {} : { obstacle }),
    ...(target.refused.length === 0 ? {} : { refused: target.refused }),
  }
  try {
    return { ...state, endpoints: target.addresses().map(endpointId) }
  } catch (e) {
    return { ...state, problem: (e as Error).message }
  }
}

function clientOf({ user, exchange }: RoutedRequest): string {
  const agent = exchange.headers.get('user-agent')
  return `${user?.name ?? 'nobody'} ${agent === undefined ? 'without a User-Agent' : `with User-Agent ${agent}`}`
}
