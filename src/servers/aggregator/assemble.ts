/** Puts the aggregator together: its API, its controllers, its delegate, its paths. */
import { APISERVICES, type APIService } from '../../api/apiservice.ts'
import { BACKEND_POLICIES, type BackendPolicy } from '../../api/backend-policy.ts'
import type { GroupDiscovery } from '../../endpoints/discovery-types.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Published } from '../../lib/published.ts'
import { aggregatorHooks } from './hooks.ts'
import type { AggregatorInformers, AggregatorInputs, AggregatorViews } from './inputs.ts'
import type { AssembledServer, ServerContext } from '../generic/server-context.ts'
import type { KubeObject } from '../../api/meta.ts'
import type { Transport } from '../../client/transport.ts'
import type { APIServiceTable } from './registrations/apiservice-table.ts'
import type { Backend } from './backends/backend.ts'
import { ambiguousNames, ambiguousPriorities, overlappingPolicies, type Registered } from './kinds/ambiguity.ts'
import { AggregatorDelegate } from './discovery/aggregator.ts'
import { apiServiceServer } from './kinds/apiservice-server.ts'
import { ServedHere } from './registrations/served-here.ts'
import { AvailabilityView } from './registrations/availability-view.ts'
import { type Impact, type ImpactFacts, type NamespaceStatus, impactOf } from './diagnosis/impact.ts'
import { OpenApiEndpoint, V3_PREFIX } from './openapi/openapi-endpoint.ts'
import { policiesFor } from './policy/effective-policy.ts'
import { Policies } from './policy/policies.ts'
import { type EndpointSlice, type Service, sliceServiceName } from '../../proxy/reach/service-resolver.ts'
import type { FixedPaths } from '../generic/fixed-paths.ts'
import type { RulesOf } from '../generic/filters/request-info.ts'
import { BY_SERVICE, makeControllers, OPENAPI_INFO, transportTo } from './controllers.ts'
import { addApiServiceReadiness, addReadinessChecks } from './readiness-paths.ts'

export interface Aggregator extends AssembledServer {
  /** The discovery of everything that is served, backends included. */
  readonly discovery: Published<readonly GroupDiscovery[]>
  readonly table: Published<APIServiceTable>
  /** A transport to a backend as the aggregator's own user, whatever its availability. */
  readonly transportTo: (backend: Pick<Backend, 'direct'>) => Transport
  /** The rules for a request, from the policy of the backend that serves it. */
  readonly rulesOf: RulesOf
  /** Warnings about an APIService that is valid but probably not meant so. */
  remarks(apiService: APIService): readonly string[]
  /** The BackendPolicy whose backends and routes are in force there. */
  routingPolicyOf(apiService: APIService): string | undefined
  /** Undefined where there is no such APIService. */
  impact(name: string): Impact | undefined
}
export function assembleAggregator(context: ServerContext, inputs: AggregatorInputs): Aggregator {
  const { clock, metrics, life } = context
  const { options } = inputs
  const registered: Registered = {
    apiServices: () => informers.apiServices.lister.list(),
    policies: () => views.policies.list.value,
    isMissing: (group, version) => servedHere.isMissing(group, version),
  }
  const server = apiServiceServer({ ...inputs, registered })
  life.own(server)
  const informers = informersOf(inputs)
  const views: AggregatorViews = {
    informers,
    view: new AvailabilityView((name) => informers.apiServices.lister.get(name)),
    policies: new Policies(informers.policies),
  }
  const servedHere = new ServedHere([server, ...inputs.others])
  const controllers = makeControllers(context, { ...inputs, server, servedHere }, views)
  const { registration, availability, discovery, openApiV3, openApiV2 } = controllers
  wakeByServices(informers, (namespace, name) => {
    registration.reconciler.serviceChanged(namespace, name)
    availability.reconciler.serviceChanged(namespace, name)
  })
  const delegate = new AggregatorDelegate({
    table: registration.reconciler.table,
    remote: discovery.reconciler.groups,
    isOmitted: (group, version) => discovery.reconciler.isOmitted(group, version),
    servedHere,
    own: server.discovery,
    local: inputs.others.map((d) => d.discovery),
    serverAddress: () => `${options.advertiseAddress}:${inputs.own.port}`,
    openapi: { remote: { v3: openApiV3.reconciler, v2: openApiV2.reconciler, isBase: false } },
    clock,
    metrics,
  })
  const openapi = new OpenApiEndpoint({
    delegates: [server, delegate, ...inputs.others],
    run: inputs.runOpenApi,
    info: OPENAPI_INFO,
    clock,
  })
  life.defer(() => openapi[Symbol.dispose]())
  delegate.postStartHooks.push(...aggregatorHooks(context, { informers, controllers, delegate, elect: inputs.elect }))
  delegate.healthChecks.push(
    { name: 'autoregister-completion', check: () => controllers.auto.reconciler.problem },
    { name: 'informer-sync', check: () => notSynced(Object.values(informers)) },
  )
  addReadinessChecks(context.health, options.readyzApiServices, views)
  return {
    delegates: [server, delegate],
    discovery: delegate.discovery,
    table: registration.reconciler.table,
    transportTo: transportTo(context),
    rulesOf: (info) =>
      info.isResourceRequest
        ? registration.reconciler.table.value.get(info.apiGroup, info.apiVersion)?.backend?.rulesOf(info)
        : undefined,
    remarks: (apiService) => remarksOf(apiService, registered, delegate.discovery.value),
    routingPolicyOf: (apiService) =>
      [...views.policies.for(apiService).sections].find(([, sections]) => sections.includes('backends'))?.[0],
    impact: (name) => impactOf(name, impactFacts(views, discovery.reconciler, clock)),
    addPaths: (fixed) => {
      addOpenApi(fixed, openapi)
      addApiServiceReadiness(fixed, views)
    },
  }
}

function impactFacts(
  { informers, view, policies }: AggregatorViews,
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

function informersOf({ informers, overlays }: AggregatorInputs): AggregatorInformers {
  const core = { group: '', version: 'v1' }
  const apiServices = informers.of<APIService>(APISERVICES)
  const policies = informers.of<BackendPolicy>(BACKEND_POLICIES)
  const slices = informers.of<EndpointSlice>({
    group: 'discovery.k8s.io',
    version: 'v1',
    resource: 'endpointslices',
  })
  slices.addIndexer(BY_SERVICE, (s) => [`${s.metadata.namespace}/${sliceServiceName(s)}`])
  if (overlays) {
    apiServices.overlay(overlays.apiServices)
    policies.overlay(overlays.policies)
  }
  return {
    apiServices,
    services: informers.of<Service>({ ...core, resource: 'services' }),
    slices,
    policies,
    namespaces: informers.of<NamespaceStatus>({ ...core, resource: 'namespaces' }),
  }
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
