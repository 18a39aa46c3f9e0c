import type { Handler } from '../../http/filter.ts'
import type { RequestInfo } from '../../http/request-info.ts'
import type { Published } from '../../lib/published.ts'
import type { GroupDiscovery } from '../../endpoints/discovery-types.ts'
import type { OpenApiSource } from '../../endpoints/openapi/openapi-source.ts'
import type { HealthCheck } from './health.ts'

/** Who serves a request, and why: what `portico routes` prints. */
export interface Route {
  readonly handler: Handler
  readonly owner: string
  readonly reason: string
  /** The handler answers every request with this error: 405 for a method that is not served there. */
  readonly refusedWith?: 405
}

/** Runs once after the listener is up; until it has resolved, its check `poststarthook/<name>` fails. */
export interface PostStartHook {
  readonly name: string
  run(signal: AbortSignal): Promise<void>
}

/**
 * A server that claims some requests, and brings what it serves to discovery, OpenAPI, health and the index.
 * The chain of delegates is an array: another server is another entry.
 */
export interface Delegate {
  readonly name: string
  /** Pure. Undefined: not mine, ask the next one. */
  route(info: RequestInfo, method: string): Route | undefined
  readonly discovery: Published<readonly GroupDiscovery[]>
  /** False until all its paths are known: a miss is then a 503, not a 404. */
  readonly installed: Published<boolean>
  readonly postStartHooks: readonly PostStartHook[]
  readonly healthChecks: readonly HealthCheck[]
  /** What it brings to /openapi/v2 and /openapi/v3. Absent: nothing. */
  readonly openapi?: OpenApiSource
  /**
   * Whether a path below this group that no delegate claims is answered with a Status, as kube-apiserver does for its
   * built-in groups. Absent: for no group.
   */
  hasGroup?(group: string): boolean
  /** For `/`. */
  listedPaths(): readonly string[]
}
