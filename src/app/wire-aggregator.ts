/** Puts the aggregator together: its API, its controllers, its delegate. */
import { APISERVICES, type APIService } from '../api/apiservice.ts'
import { BACKEND_POLICIES, type BackendPolicy } from '../api/backend-policy.ts'
import type { DescribedGroupVersion } from '../endpoints/openapi/described-api.ts'
import type { GroupDiscovery } from '../endpoints/discovery-types.ts'
import type { Clock } from '../lib/clock.ts'
import type { Published } from '../lib/published.ts'
import type { Client } from '../client/client.ts'
import { type AggregatorInformers, aggregatorHooks } from './aggregator-hooks.ts'
import type { TypeTable } from '../api/schema/type-table.ts'
import { Informer } from '../client/informer.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Transport } from '../client/transport.ts'
import type { APIServiceTable } from '../servers/aggregator/apiservice-table.ts'
import type { Backend } from '../servers/aggregator/backend.ts'
import {
  ambiguousNames,
  ambiguousPriorities,
  overlappingPolicies,
  type Registered,
} from '../servers/aggregator/ambiguity.ts'
import { AggregatorDelegate } from '../servers/aggregator/aggregator.ts'
import { apiServiceServer } from '../servers/aggregator/apiservice-server.ts'
import { AvailabilityView } from '../servers/aggregator/availability-view.ts'
import { type Impact, type ImpactFacts, type NamespaceStatus, impactOf } from '../servers/aggregator/impact.ts'
import type { ReadDocuments } from '../servers/aggregator/openapi/openapi-readers.ts'
import type { RunOpenApiWork } from '../servers/aggregator/openapi/openapi-work.ts'
import { OpenApiEndpoint, V3_PREFIX } from '../servers/aggregator/openapi/openapi-endpoint.ts'
import { policiesFor } from '../servers/aggregator/policy/effective-policy.ts'
import { Policies } from '../servers/aggregator/policy/policies.ts'
import { type EndpointSlice, type Service, sliceServiceName } from '../servers/aggregator/service-resolver.ts'
import type { CoreTables } from '../servers/core/tables.ts'
import type { Delegate } from '../servers/generic/delegate.ts'
import type { FixedPaths } from '../servers/generic/fixed-paths.ts'
import type { RulesOf } from '../servers/generic/filters/request-info.ts'
import type { ResourceServerOptions } from '../servers/generic/resource-server.ts'
import type { Credentials } from './credentials.ts'
import {
  type AggregatorFacts,
  BY_SERVICE,
  makeControllers,
  OPENAPI_INFO,
  transportTo,
} from './aggregator-controllers.ts'
import { addApiServiceReadiness, addReadinessChecks } from './apiservice-paths.ts'
import { leadershipHook } from './leadership.ts'
import { certificateMetrics } from './certificate-metrics.ts'
import { followBackendFiles } from './backend-files.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { Surroundings } from './wire.ts'

export interface Aggregator {
  /** In the order requests are offered to them. */
  readonly delegates: readonly Delegate[]
  /** Of everything served, backends included. */
  readonly discovery: Published<readonly GroupDiscovery[]>
  readonly table: Published<APIServiceTable>
  /** To a backend as the aggregator's own user, whatever its availability. */
  readonly transportTo: (backend: Pick<Backend, 'direct'>) => Transport
  /** What the policy of whoever serves it says of a request. */
  readonly rulesOf: RulesOf
  /** What may mean something else than who registered it thinks. */
  remarks(apiService: APIService): readonly string[]
  /** The BackendPolicy whose backends and routes are in force there. */
  routingPolicyOf(apiService: APIService): string | undefined
  /** Undefined where there is no such APIService. */
  impact(name: string): Impact | undefined
  addPaths(fixed: FixedPaths): void
}
export interface AggregatorParts extends Omit<ResourceServerOptions, 'name' | 'admission' | 'types'> {
  readonly storagePrefix: string
  readonly tables: CoreTables
  /** Behind the aggregator, in the order requests are offered to them. */
  readonly others: readonly Delegate[]
  /** What those of them describe that are in this process, and the documents of those that are not. */
  readonly described: () => readonly DescribedGroupVersion[]
  readonly documents: readonly { readonly v3: ReadDocuments; readonly v2: ReadDocuments }[]
  readonly runOpenApi: RunOpenApiWork
  /** Sees what clients see. */
  readonly client: Client
  /** Of what this process and its replicas keep for themselves. */
  readonly keeper: Client
  readonly credentials: Credentials
  readonly own: OwnAddresses
}

/** Who probes identities and writes conditions. */
const CONDITIONS_LEASE = 'portico-apiservice-conditions'
export function wireAggregator(around: Surroundings, parts: AggregatorParts): Aggregator {
  const { clock, metrics, life, config } = around
  const tables = {
    apiRegistration: parts.tables.group(APISERVICES.group)!,
    gateway: parts.tables.group(BACKEND_POLICIES.group)!,
  }
  const registered: Registered = {
    apiServices: () => informers.apiServices.lister.list(),
    policies: () => facts.policies.list.value,
  }
  const server = apiServiceServer({ ...parts, types: parts.tables, tables, registered })
  life.own(server)
  const informers = makeInformers(around, parts.client, parts.tables)
  const facts: AggregatorFacts = {
    informers,
    view: new AvailabilityView(),
    policies: new Policies(informers.policies),
  }
  const controllers = makeControllers(around, { ...parts, server }, facts)
  const { registration, availability, discovery, openApiV3, openApiV2, conditions, identity } = controllers
  wakeByServices(informers, (namespace, name) => {
    registration.reconciler.serviceChanged(namespace, name)
    availability.reconciler.serviceChanged(namespace, name)
  })
  certificateMetrics(around, { credentials: parts.credentials, table: registration.reconciler.table })
  const openapi = new OpenApiEndpoint({
    local: () => [...server.described(), ...parts.described()],
    v3: [openApiV3.reconciler, ...parts.documents.map((d) => d.v3)],
    v2: [openApiV2.reconciler, ...parts.documents.map((d) => d.v2)],
    run: parts.runOpenApi,
    info: OPENAPI_INFO,
    clock,
  })
  life.defer(() => openapi[Symbol.dispose]())
  const delegate = new AggregatorDelegate({
    table: registration.reconciler.table,
    remote: discovery.reconciler.groups,
    isOmitted: (group, version) => discovery.reconciler.isOmitted(group, version),
    own: server.discovery,
    local: parts.others.map((d) => d.discovery),
    serverAddress: () => `${config.advertiseAddress}:${parts.own.port}`,
    metrics,
  })
  const lead = async (signal: AbortSignal): Promise<void> => {
    await Promise.all([conditions.reconciler.lead(signal), identity.reconciler.lead(signal)])
  }
  delegate.postStartHooks.push(
    ...aggregatorHooks(around, { informers, controllers, delegate }),
    leadershipHook(around, { name: CONDITIONS_LEASE, lead }, parts.keeper),
  )
  delegate.healthChecks.push(
    { name: 'autoregister-completion', check: () => controllers.auto.reconciler.problem },
    { name: 'informer-sync', check: () => notSynced(Object.values(informers)) },
  )
  addReadinessChecks(around, facts)
  return {
    delegates: [server, delegate],
    discovery: delegate.discovery,
    table: registration.reconciler.table,
    transportTo: transportTo(around),
    rulesOf: (info) =>
      info.isResourceRequest
        ? registration.reconciler.table.value.get(info.apiGroup, info.apiVersion)?.backend?.rulesOf(info)
        : undefined,
    remarks: (apiService) => remarksOf(apiService, registered, delegate.discovery.value),
    routingPolicyOf: (apiService) =>
      [...facts.policies.for(apiService).sections].find(([, sections]) => sections.includes('backends'))?.[0],
    impact: (name) => impactOf(name, impactFacts(facts, discovery.reconciler, clock)),
    addPaths: (fixed) => {
      addOpenApi(fixed, openapi)
      addApiServiceReadiness(fixed, facts)
    },
  }
}

function impactFacts(
  { informers, view, policies }: AggregatorFacts,
  discovery: ImpactFacts['discovery'],
  clock: Clock,
): ImpactFacts {
  return {
    apiServices: informers.apiServices.lister,
    namespaces: informers.namespaces.lister,
    view,
    discovery,
    onUnavailable: (apiService) => policies.for(apiService).policy.onUnavailable,
    now: () => clock.now(),
  }
}

function remarksOf(apiService: APIService, registered: Registered, groups: readonly GroupDiscovery[]): string[] {
  const policies = policiesFor(apiService, registered.policies())
  return [
    ...ambiguousPriorities(apiService, registered.apiServices()),
    ...ambiguousNames(apiService.spec.group ?? '', groups),
    // Each pair once.
    ...policies.flatMap((policy, i) => overlappingPolicies(policy, policies.slice(i + 1), [apiService])),
  ]
}

function makeInformers(
  { life, clock, log, config }: Surroundings,
  client: Client,
  types: TypeTable,
): AggregatorInformers {
  const core = { group: '', version: 'v1' }
  const path = config.values['backends-config']
  const files = path === '' ? undefined : life.own(followBackendFiles(path, { types, clock, log }))
  const apiServices = life.own(
    new Informer<APIService>({
      source: client.resource<APIService>(APISERVICES),
      overlay: files?.apiServices,
      clock,
      log,
    }),
  )
  const services = life.own(
    new Informer<Service>({ source: client.resource<Service>({ ...core, resource: 'services' }), clock, log }),
  )
  const slices = life.own(
    new Informer<EndpointSlice>({
      source: client.resource<EndpointSlice>({ group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices' }),
      clock,
      log,
      indexers: { [BY_SERVICE]: (s) => [`${s.metadata.namespace}/${sliceServiceName(s)}`] },
    }),
  )
  const policies = life.own(
    new Informer<BackendPolicy>({
      source: client.resource<BackendPolicy>(BACKEND_POLICIES),
      overlay: files?.policies,
      clock,
      log,
    }),
  )
  const namespaces = life.own(
    new Informer<NamespaceStatus>({
      source: client.resource<NamespaceStatus>({ ...core, resource: 'namespaces' }),
      clock,
      log,
    }),
  )
  return { apiServices, services, slices, policies, namespaces }
}

function wakeByServices(
  { services, slices }: AggregatorInformers,
  changed: (namespace: string, name: string) => void,
): void {
  const service = (s: KubeObject): void => changed(s.metadata.namespace ?? '', s.metadata.name!)
  const slice = (s: EndpointSlice): void => changed(s.metadata.namespace ?? '', sliceServiceName(s))
  services.addHandler({ added: service, updated: (_b, s) => service(s), deleted: service })
  slices.addHandler({ added: slice, updated: (_b, s) => slice(s), deleted: slice })
}

function addOpenApi(fixed: FixedPaths, openapi: OpenApiEndpoint): void {
  fixed.exact('/openapi/v2', { handler: openapi.v2 })
  fixed.exact('/openapi/v3', { handler: openapi.index })
  fixed.exact('/openapi/v3/', { handler: openapi.index, listed: false })
  fixed.prefix(V3_PREFIX, openapi.v3)
}

function notSynced(informers: readonly { hasSynced: boolean }[]): string | undefined {
  const waiting = informers.filter((i) => !i.hasSynced).length
  return waiting === 0 ? undefined : `${waiting} informers not started yet`
}
