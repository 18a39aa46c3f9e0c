/** Puts the aggregator together: its API, its controllers, its delegate. */
import { APISERVICES, type APIService } from '../api/apiservice.ts'
import { BACKEND_POLICIES, type BackendPolicy } from '../api/backend-policy.ts'
import { writeText } from '../http/write-status.ts'
import type { UserInfo } from '../api/meta.ts'
import { SYSTEM_MASTERS } from '../access/groups.ts'
import type { DescribedGroupVersion } from '../endpoints/openapi/described-api.ts'
import type { GroupDiscovery } from '../endpoints/discovery-types.ts'
import { type Published, unitedMaps } from '../lib/published.ts'
import type { Client } from '../client/client.ts'
import type { Reconciler } from '../client/controller.ts'
import {
  type AggregatorControllers,
  type AggregatorInformers,
  type RunnableController,
  aggregatorHooks,
} from './aggregator-hooks.ts'
import type { TypeTable } from '../api/schema/type-table.ts'
import { Informer } from '../client/informer.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Transport } from '../client/transport.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { WorkQueueMetrics } from '../client/work-queue-metrics.ts'
import type { APIServiceTable } from '../servers/aggregator/apiservice-table.ts'
import { AggregatorDelegate } from '../servers/aggregator/aggregator.ts'
import { apiServiceServer } from '../servers/aggregator/apiservice-server.ts'
import { AutoRegistration } from '../servers/aggregator/auto-registration.ts'
import { AvailabilityController } from '../servers/aggregator/availability-controller.ts'
import { AvailabilityView } from '../servers/aggregator/availability-view.ts'
import type { Backend } from '../servers/aggregator/backend.ts'
import type { BackendSurroundings } from '../servers/aggregator/backend-surroundings.ts'
import { ConditionWriter } from '../servers/aggregator/condition-writer.ts'
import { DiscoveryManager } from '../servers/aggregator/discovery-manager.ts'
import { OpenApiDownloads, type RemoteOpenApi } from '../servers/aggregator/openapi-downloads.ts'
import { OpenApiEndpoint, V3_PREFIX } from '../servers/aggregator/openapi-endpoint.ts'
import { KUBERNETES_MINOR } from '../servers/generic/version.ts'
import { Policies } from '../servers/aggregator/policy/policies.ts'
import { PolicyStatusController } from '../servers/aggregator/policy/policy-status-controller.ts'
import { RegistrationController } from '../servers/aggregator/registration-controller.ts'
import {
  type EndpointSlice,
  type Service,
  type ServiceLookup,
  sliceServiceName,
} from '../servers/aggregator/service-resolver.ts'
import type { CoreTables } from '../servers/core/tables.ts'
import { delegateChain } from '../servers/generic/delegate-chain.ts'
import type { Delegate } from '../servers/generic/delegate.ts'
import type { FixedPaths } from '../servers/generic/fixed-paths.ts'
import { inProcessTransport } from '../servers/generic/in-process-transport.ts'
import type { RulesOf } from '../servers/generic/filters/request-info.ts'
import type { ResourceServerOptions } from '../servers/generic/resource-server.ts'
import type { Credentials } from './credentials.ts'
import { leadershipHook } from './leadership.ts'
import { followBackendFiles } from './backend-files.ts'
import { wireBackends } from './wire-backends.ts'
import type { Surroundings } from './wire.ts'

export interface Aggregator {
  /** In the order requests are offered to them. */
  readonly delegates: readonly Delegate[]
  /** Of everything served, backends included. */
  readonly discovery: Published<readonly GroupDiscovery[]>
  readonly table: Published<APIServiceTable>
  /** To a backend as the aggregator's own user, whatever its availability. */
  readonly transportTo: (backend: Backend) => Transport
  /** What the policy of whoever serves it says of a request. */
  readonly rulesOf: RulesOf
  addPaths(fixed: FixedPaths): void
}
export interface AggregatorParts extends Omit<ResourceServerOptions, 'name' | 'admission' | 'types'> {
  readonly storagePrefix: string
  readonly tables: CoreTables
  /** Behind the aggregator, in the order requests are offered to them. */
  readonly others: readonly Delegate[]
  /** What those of them describe that are in this process, and the documents of those that are not. */
  readonly described: () => readonly DescribedGroupVersion[]
  readonly documents: readonly Published<ReadonlyMap<string, RemoteOpenApi>>[]
  /** Sees what clients see. */
  readonly client: Client
  /** Of what this process and its replicas keep for themselves. */
  readonly keeper: Client
  readonly credentials: Credentials
  /** Of our own listener, once it is up. */
  readonly ownPort: () => number
}

/** What the parts of the aggregator look at. */
interface AggregatorFacts {
  readonly informers: AggregatorInformers
  readonly view: AvailabilityView
}

const READINESS_PREFIX = '/readyz/apiservices/'
const CONDITIONS_LEASE = 'portico-apiservice-conditions'
const OK = Buffer.from('ok')
const OK_HEADERS = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(OK.byteLength)]

/** Who probes backends and downloads their documents. */
const AGGREGATOR_USER: UserInfo = { name: 'system:kube-aggregator', groups: [SYSTEM_MASTERS] }
const AGGREGATOR_AGENT = 'portico/aggregator'
const BY_SERVICE = 'service'
/** Enough that backends which never answer (5 s each) hold up no other. */
const PROBE_WORKERS = 64
const DISCOVERY_WORKERS = 64
const OPENAPI_WORKERS = 8
const CONDITION_WORKERS = 16
const AUTOREGISTER_WORKERS = 5

export function wireAggregator(around: Surroundings, parts: AggregatorParts): Aggregator {
  const { clock, metrics, life, config } = around
  const tables = {
    apiRegistration: parts.tables.group(APISERVICES.group)!,
    gateway: parts.tables.group(BACKEND_POLICIES.group)!,
  }
  const server = apiServiceServer({ ...parts, types: parts.tables, tables })
  life.own(server)
  const informers = makeInformers(around, parts.client, parts.tables)
  const view = new AvailabilityView()
  const controllers = makeControllers(around, parts, { informers, view })
  const { registration, availability, discovery, downloads } = controllers
  wakeByServices(informers, (namespace, name) => {
    registration.reconciler.serviceChanged(namespace, name)
    availability.reconciler.serviceChanged(namespace, name)
  })
  const openapi = new OpenApiEndpoint({
    local: () => [...server.described(), ...parts.described()],
    remote: unitedMaps([downloads.reconciler.documents, ...parts.documents]),
    info: { title: 'Kubernetes', version: `v1.${KUBERNETES_MINOR}.0` },
    clock,
  })
  const delegate = new AggregatorDelegate({
    table: registration.reconciler.table,
    remote: discovery.reconciler.groups,
    own: server.discovery,
    local: parts.others.map((d) => d.discovery),
    serverAddress: () => `${config.advertiseAddress}:${parts.ownPort()}`,
    metrics,
  })
  const { reconciler: conditions } = controllers.conditions
  delegate.postStartHooks.push(
    ...aggregatorHooks(around, { informers, controllers, delegate }),
    leadershipHook(around, { name: CONDITIONS_LEASE, lead: (signal) => conditions.lead(signal) }, parts.keeper),
  )
  delegate.healthChecks.push(
    { name: 'autoregister-completion', check: () => controllers.auto.reconciler.problem },
    { name: 'informer-sync', check: () => notSynced(Object.values(informers)) },
  )
  for (const name of config.values['readyz-apiservices']) {
    const check = (): string | undefined => readiness(name, { informers, view })?.text
    around.health.add({ name: `apiservices/${name}`, check }, ['readyz'])
  }
  return {
    delegates: [server, delegate],
    discovery: delegate.discovery,
    table: registration.reconciler.table,
    transportTo: transportTo(around),
    rulesOf: (info) =>
      info.isResourceRequest
        ? registration.reconciler.table.value.get(info.apiGroup, info.apiVersion)?.backend?.rulesOf(info)
        : undefined,
    addPaths: (fixed) => {
      addOpenApi(fixed, openapi)
      fixed.prefix(READINESS_PREFIX, (ctx) => {
        const wrong = readiness(ctx.path.slice(READINESS_PREFIX.length), { informers, view })
        if (wrong === undefined) return ctx.answer(200, OK_HEADERS, OK)
        writeText(ctx, wrong.status, wrong.text)
      })
    },
  }
}

type ControllerFactory = <R extends Reconciler>(
  name: string,
  workers: number,
  make: (queue: WorkQueue) => R,
) => RunnableController<R>

function controllerFactory({ clock, metrics }: Surroundings): ControllerFactory {
  const queues = new WorkQueueMetrics(metrics)
  return (name, workers, make) => {
    const queue = new WorkQueue({ clock, metrics: queues.bind(name) })
    return { name, workers, queue, reconciler: make(queue) }
  }
}

/** As the aggregator's own user, whatever the availability; the backend's logs tell who asked. */
function transportTo({ clock, log }: Surroundings): (backend: Backend) => Transport {
  return ({ direct }) => {
    const transport = inProcessTransport({ handler: direct, user: AGGREGATOR_USER, clock, log, rejectErrors: true })
    return (request) => transport({ ...request, headers: { 'user-agent': AGGREGATOR_AGENT, ...request.headers } })
  }
}

function makeControllers(
  around: Surroundings,
  parts: AggregatorParts,
  { informers, view }: AggregatorFacts,
): AggregatorControllers {
  const { clock, log, metrics } = around
  const lookup = lookupIn(informers)
  const controller = controllerFactory(around)
  const client = parts.client.resource<APIService>(APISERVICES)
  const informer = informers.apiServices
  const policies = new Policies(informers.policies)
  const observed: BackendSurroundings['observed'] = (...how) => availability.reconciler.observed(...how)
  const registration = controller(
    'APIServiceRegistrationController',
    1,
    (queue) =>
      new RegistrationController({
        informer,
        queue,
        policies,
        backends: wireBackends(around, {
          ...parts,
          lookup,
          local: delegateChain(parts.others),
          observed,
          problemChanged: (name) => void availability.queue.add(name),
        }),
        view,
      }),
  )
  const { table } = registration.reconciler
  around.life.defer(() => registration.reconciler.stop())
  const asking = { informer, view, table, transportTo: transportTo(around), clock, log }
  const intervalMs = around.config.values['apiservice-status-interval']
  const conditions = controller(
    'APIServiceConditionController',
    CONDITION_WORKERS,
    (queue) => new ConditionWriter({ informer, client, queue, clock, log, intervalMs }),
  )
  const availability = controller(
    'RemoteAvailabilityController',
    PROBE_WORKERS,
    (queue) =>
      new AvailabilityController({
        ...asking,
        queue,
        lookup,
        metrics,
        conditions: conditions.reconciler,
        rulesOf: (apiService) => policies.for(apiService).policy.probe,
      }),
  )
  return {
    registration,
    availability,
    conditions,
    discovery: controller(
      'discovery-manager',
      DISCOVERY_WORKERS,
      (queue) => new DiscoveryManager({ ...asking, queue }),
    ),
    downloads: controller(
      'open_api_v3_aggregation_controller',
      OPENAPI_WORKERS,
      (queue) => new OpenApiDownloads({ ...asking, queue }),
    ),
    auto: controller(
      'autoregister',
      AUTOREGISTER_WORKERS,
      (queue) => new AutoRegistration({ informer, client, queue, sources: parts.others }),
    ),
    policyStatus: policyStatusController(around, parts, informers, policies),
  }
}

function policyStatusController(
  around: Surroundings,
  { client }: AggregatorParts,
  { policies: informer, apiServices }: AggregatorInformers,
  policies: Policies,
): RunnableController<PolicyStatusController> {
  const resource = client.resource<BackendPolicy>(BACKEND_POLICIES)
  const { clock } = around
  return controllerFactory(around)(
    'backendpolicy-status',
    2,
    (queue) => new PolicyStatusController({ informer, apiServices, policies, client: resource, queue, clock }),
  )
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
  return { apiServices, services, slices, policies }
}

function lookupIn({ services, slices }: AggregatorInformers): ServiceLookup {
  return {
    service: (namespace, name) => services.lister.get(`${namespace}/${name}`),
    slices: (namespace, name) => slices.lister.byIndex(BY_SERVICE, `${namespace}/${name}`),
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

/** Whether this replica can reach the backend of one APIService. @returns undefined when it can. */
function readiness(
  name: string,
  { informers, view }: AggregatorFacts,
): { readonly status: number; readonly text: string } | undefined {
  const apiService = informers.apiServices.lister.get(name)
  if (!apiService) return { status: 404, text: '404 page not found' }
  const { status, reason = 'Unknown', message = 'not probed yet' } = view.current(apiService) ?? {}
  if (status === 'True') return undefined
  return { status: 500, text: `internal server error: ${reason}: ${message}` }
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
