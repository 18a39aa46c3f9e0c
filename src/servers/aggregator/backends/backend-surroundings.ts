/** What all backends share. */
import type { APIService } from '../../../api/apiservice.ts'
import type { Handler } from '../../../http/filter.ts'
import type { KeyPair } from '../../../http/certificates.ts'
import type { RequestContext } from '../../../http/request-context.ts'
import type { Published } from '../../../lib/published.ts'
import type { Tracer } from '../../../observability/tracer.ts'
import type { BreakerState } from '../../../proxy/circuit-breaker.ts'
import type { IdentityNames } from '../../../proxy/identity-headers.ts'
import type { ProxyMetrics } from '../../../proxy/proxy-metrics.ts'
import type { CertificateMaterial } from './certificate-material.ts'
import type { DnsLookup } from '../../../proxy/reach/endpoint-source.ts'
import type { ForbiddenAddresses } from '../../../proxy/reach/forbidden-addresses.ts'
import type { ObservedPhase } from './passive-signals.ts'
import type { RefusalLane } from './refusal-lane.ts'
import type { ReachParts, Target } from '../../../proxy/reach/target.ts'
import type { ServiceResolver } from '../../../proxy/reach/service-resolver.ts'
import type { WatchListGuard } from './watch-list-guard.ts'

/** The verdicts of this process on the servers behind APIServices. Backends ask at each request; probers write. */
export interface Verdicts {
  /** Whether the server that no route leads to answers; undefined: not known yet. */
  isKnownAvailable(apiService: APIService): boolean | undefined
  /** Why a server that routes lead to cannot be used; undefined: nothing speaks against it. */
  problemOf(target: Target): string | undefined
}

export interface BackendSurroundings extends ReachParts {
  readonly verdicts: Verdicts
  readonly resolver: ServiceResolver
  readonly lookupDns: DnsLookup
  readonly metrics: ProxyMetrics
  readonly tracer: Tracer
  readonly rejectRedirects: boolean
  readonly identityNames: IdentityNames
  readonly onMissingSan: () => void
  readonly forbidden: ForbiddenAddresses
  /** What we show where a policy names nothing else: the front proxy's. */
  readonly clientCertificate: Published<KeyPair>
  readonly material: CertificateMaterial
  readonly trackWatch: (end: () => void) => () => void
  /** Over which the watches of an endpoint that goes are ended. */
  readonly drainMs: number
  /** For what a route leaves to this process. */
  readonly local: Handler
  readonly terminated: (ctx: RequestContext, code: string, component: string) => void
  /** undefined: there is none any more. */
  readonly breakerChanged: (apiService: string, backend: string, state: BreakerState | undefined) => void
  /** What stands in the way of reaching it is another thing than before, or nothing: it is worth another probe. */
  readonly problemChanged: (apiService: string) => void
  readonly watchLists: WatchListGuard
  readonly refusals: RefusalLane
  /** How a client's request to a backend went; not where it was given no chance. */
  readonly observed: (apiService: string, ok: boolean, phase: ObservedPhase) => void
  /** A request to a backend that a route chose could not be answered. */
  readonly routedFailed: (apiService: string) => void
}
