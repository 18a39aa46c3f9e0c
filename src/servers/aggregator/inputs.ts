/** The inputs of the aggregator from the process, and the state that its parts share. */
import type { APIService } from '../../api/apiservice.ts'
import type { BackendPolicy } from '../../api/backend-policy.ts'
import type { TypeTable } from '../../api/schema/type-table.ts'
import type { Client } from '../../client/client.ts'
import type { Elect } from '../../client/controller-manager.ts'
import type { Informer } from '../../client/informer.ts'
import type { Informers } from '../../client/informers.ts'
import type { KeyPair } from '../../http/certificates.ts'
import type { Published } from '../../lib/published.ts'
import type { IdentityNames } from '../../proxy/identity-headers.ts'
import type { Delegate } from '../generic/delegate.ts'
import type { ResourceServerOptions } from '../generic/resource-server.ts'
import type { NamespaceStatus } from './diagnosis/impact.ts'
import type { AggregatorTables } from './kinds/apiservice-server.ts'
import type { RunOpenApiWork } from './openapi/openapi-work.ts'
import type { Policies } from './policy/policies.ts'
import type { SystemLookup } from '../../proxy/reach/endpoint-source.ts'
import type { EndpointSlice, Service } from '../../proxy/reach/service-resolver.ts'
import type { AvailabilityView } from './registrations/availability-view.ts'

/** Settings, each from one flag. Durations in ms. */
export interface AggregatorOptions {
  /** Where clients reach this server: `host`, without a port. */
  readonly advertiseAddress: string
  readonly statusIntervalMs: number
  readonly identityProbeIntervalMs: number
  readonly backendDrainMs: number
  readonly watchListBookmarkTimeoutMs: number
  /** Requests go to endpoints, not to cluster IPs. */
  readonly routesToEndpoints: boolean
  readonly rejectsRedirects: boolean
  readonly allowsLinkLocalBackends: boolean
  /** APIServices that count for readiness. */
  readonly readyzApiServices: readonly string[]
  /** Headers beside the fixed ones that claim an identity. */
  readonly identityNames: IdentityNames
  readonly discoveryCachePath: string
}
/** Where this server itself listens: backends may not lead there. */
export interface OwnListeners {
  readonly port: number
  /** `host:port` to dial, for the APIService of this server itself. */
  readonly dialled: { readonly host: string; readonly port: number } | undefined
  has(host: string, port: number): boolean
}
export interface AggregatorInputs extends Omit<ResourceServerOptions, 'name' | 'admission' | 'types'> {
  readonly options: AggregatorOptions
  readonly storagePrefix: string
  readonly types: TypeTable
  readonly tables: AggregatorTables
  /** Behind the aggregator, in the order requests are offered to them. */
  readonly others: readonly Delegate[]
  readonly runOpenApi: RunOpenApiWork
  /** Sees what clients see. */
  readonly client: Client
  readonly informers: Informers
  readonly frontProxyClient: Published<KeyPair>
  readonly own: OwnListeners
  readonly lookup: SystemLookup
  /** Objects from files, which stand in front of stored ones of the same name. */
  readonly overlays:
    | { readonly apiServices: Published<readonly APIService[]>; readonly policies: Published<readonly BackendPolicy[]> }
    | undefined
  readonly elect: Elect
}

export interface AggregatorInformers {
  readonly apiServices: Informer<APIService>
  readonly services: Informer<Service>
  readonly slices: Informer<EndpointSlice>
  readonly policies: Informer<BackendPolicy>
  readonly namespaces: Informer<NamespaceStatus>
}
/** The state that the parts of the aggregator read. */
export interface AggregatorViews {
  readonly informers: AggregatorInformers
  readonly view: AvailabilityView
  readonly policies: Policies
}
