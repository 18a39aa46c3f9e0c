/** Makes the aggregator's controllers; aggregator-hooks.ts starts them. */
import { join } from 'node:path'
import { SYSTEM_MASTERS } from '../access/groups.ts'
import { APISERVICES, type APIService } from '../api/apiservice.ts'
import { encodeJson } from '../api/codec/codec.ts'
import { BACKEND_POLICIES, type BackendPolicy } from '../api/backend-policy.ts'
import type { UserInfo } from '../api/meta.ts'
import type { Reconciler } from '../client/controller.ts'
import type { Transport } from '../client/transport.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { WorkQueueMetrics } from '../client/work-queue-metrics.ts'
import { onNewBackend } from '../servers/aggregator/apiservice-table.ts'
import { AutoRegistration, type RegisteredServer } from '../servers/aggregator/auto-registration.ts'
import { AvailabilityController } from '../servers/aggregator/availability-controller.ts'
import type { AvailabilityView } from '../servers/aggregator/availability-view.ts'
import type { Backend } from '../servers/aggregator/backend.ts'
import type { BackendSurroundings } from '../servers/aggregator/backend-surroundings.ts'
import { ConditionWriter } from '../servers/aggregator/condition-writer.ts'
import { DiscoveryCache } from '../servers/aggregator/discovery-cache.ts'
import { DiscoveryManager } from '../servers/aggregator/discovery-manager.ts'
import { IdentityController } from '../servers/aggregator/identity-controller.ts'
import { OpenApiDownloads } from '../servers/aggregator/openapi/openapi-downloads.ts'
import type { ProbeSettings } from '../servers/aggregator/policy/effective-policy.ts'
import type { Policies } from '../servers/aggregator/policy/policies.ts'
import { PolicyStatusController } from '../servers/aggregator/policy/policy-status-controller.ts'
import { RegistrationController } from '../servers/aggregator/registration-controller.ts'
import { RoutedBackendController } from '../servers/aggregator/routed-backend-controller.ts'
import type { ServiceLookup } from '../servers/aggregator/service-resolver.ts'
import { delegateChain } from '../servers/generic/delegate-chain.ts'
import { inProcessTransport } from '../servers/generic/in-process-transport.ts'
import type { AggregatorControllers, AggregatorInformers, RunnableController } from './aggregator-hooks.ts'
import { forgetGoneGroups } from './forget-groups.ts'
import type { AggregatorParts } from './wire-aggregator.ts'
import { wireBackends } from './wire-backends.ts'
import type { Surroundings } from './wire.ts'
import { buildV3 } from '../endpoints/openapi/build-documents.ts'
import { keyOf } from '../servers/aggregator/openapi/openapi-endpoint.ts'
import { KUBERNETES_MINOR } from '../servers/generic/version.ts'

export const OPENAPI_INFO = { title: 'Kubernetes', version: `v1.${KUBERNETES_MINOR}.0` }

/** What the parts of the aggregator look at. */
export interface AggregatorFacts {
  readonly informers: AggregatorInformers
  readonly view: AvailabilityView
  readonly policies: Policies
}

/** Who probes backends and downloads their documents. */
const AGGREGATOR_USER: UserInfo = { name: 'system:kube-aggregator', groups: [SYSTEM_MASTERS] }
const AGGREGATOR_AGENT = 'portico/aggregator'
export const BY_SERVICE = 'service'
const DISCOVERY_CACHE = 'discovery-cache.ndjson'
/** Enough that backends which never answer (5 s each) hold up no other. */
const PROBE_WORKERS = 64
const DISCOVERY_WORKERS = 64
const OPENAPI_WORKERS = 64
const CONDITION_WORKERS = 16
const AUTOREGISTER_WORKERS = 5
const IDENTITY_WORKERS = 8
const POLICY_WORKERS = 2

export function makeControllers(
  around: Surroundings,
  parts: AggregatorParts & { readonly server: RegisteredServer },
  facts: AggregatorFacts,
): AggregatorControllers {
  const { informers, view, policies } = facts
  const { clock, log } = around
  const lookup = lookupIn(informers)
  const controller = controllerFactory(around)
  const client = parts.client.resource<APIService>(APISERVICES)
  const informer = informers.apiServices
  const observed: BackendSurroundings['observed'] = (...how) => availability.reconciler.observed(...how)
  const backends = wireBackends(around, {
    ...parts,
    lookup,
    local: delegateChain(parts.others),
    observed,
    routedFailed: (name) => routed.reconciler.failed(name),
    problemChanged: (name) => {
      availability.queue.add(name)
      routed.queue.add(name)
    },
  })
  // One that comes back may be another version.
  view.subscribe((name) => backends.watchLists.forget(name))
  const registration = controller(
    'APIServiceRegistrationController',
    1,
    (queue) => new RegistrationController({ informer, queue, policies, backends, view }),
  )
  around.life.defer(() => registration.reconciler.stop())
  forgetGoneGroups(around, registration.reconciler.table)
  const intervalMs = around.config.values['apiservice-status-interval']
  const conditions = controller(
    'APIServiceConditionController',
    CONDITION_WORKERS,
    (queue) => new ConditionWriter({ informer, client, queue, clock, log, intervalMs }),
  )
  const asking: Asking = {
    informer,
    view,
    table: registration.reconciler.table,
    conditions: conditions.reconciler,
    transportTo: transportTo(around),
    clock,
    log,
  }
  const { availability, routed } = makeProbes(around, { controller, facts, asking, lookup })
  const made = {
    registration,
    availability,
    routed,
    conditions,
    auto: controller(
      'autoregister',
      AUTOREGISTER_WORKERS,
      (queue) => new AutoRegistration({ informer, client, queue, sources: [parts.server, ...parts.others] }),
    ),
    ...makeReaders(around, { controller, parts, facts, asking }),
  }
  countEntries(around, {
    view,
    availability: availability.reconciler,
    routed: routed.reconciler,
    conditions: conditions.reconciler,
    discovery: made.discovery.reconciler,
    watchlists: backends.watchLists,
  })
  return made
}

function makeProbes(
  { metrics }: Surroundings,
  o: { controller: ControllerFactory; facts: AggregatorFacts; asking: Asking; lookup: ServiceLookup },
): Pick<AggregatorControllers, 'availability' | 'routed'> {
  const { controller, asking, lookup } = o
  const { informers, policies } = o.facts
  const rulesOf = (apiService: APIService): ProbeSettings => policies.for(apiService).policy.probe
  const isTerminating = (namespace: string): boolean =>
    informers.namespaces.lister.get(namespace)?.metadata.deletionTimestamp !== undefined
  const availability = controller(
    'RemoteAvailabilityController',
    PROBE_WORKERS,
    (queue) => new AvailabilityController({ ...asking, queue, lookup, isTerminating, metrics, rulesOf }),
  )
  const changed = (name: string): void => void availability.queue.add(name)
  const routed = controller(
    'routed-backend-probe',
    PROBE_WORKERS,
    (queue) => new RoutedBackendController({ ...asking, queue, rulesOf, changed, metrics }),
  )
  return { availability, routed }
}

/** What is kept per APIService, so that a leak shows. */
function countEntries({ metrics }: Surroundings, kept: Readonly<Record<string, { readonly size: number }>>): void {
  const gauge = metrics.gauge({
    name: 'portico_aggregator_kept_entries',
    help: 'Entries that are kept for APIServices, by part.',
    labels: ['part'],
  })
  metrics.onCollect(() => {
    for (const [part, { size }] of Object.entries(kept)) gauge.with(part).set(size)
  })
}

type Asking = Omit<ConstructorParameters<typeof DiscoveryManager>[0], 'queue' | 'cache' | 'onUnavailable'>

function makeReaders(
  { life, config, clock, log }: Surroundings,
  o: { controller: ControllerFactory; parts: AggregatorParts; facts: AggregatorFacts; asking: Asking },
): Pick<AggregatorControllers, 'discovery' | 'openApiV3' | 'openApiV2' | 'identity' | 'policyStatus'> {
  const { controller, asking } = o
  const { informers, policies } = o.facts
  const cache = life.own(new DiscoveryCache({ path: join(config.values['data-dir'], DISCOVERY_CACHE), clock, log }))
  const discovery = controller(
    'discovery-manager',
    DISCOVERY_WORKERS,
    (queue) =>
      new DiscoveryManager({
        ...asking,
        queue,
        cache,
        onUnavailable: (apiService) => policies.for(apiService).policy.onUnavailable,
      }),
  )
  const local = (key: string): Uint8Array | undefined => {
    const described = o.parts.described().find((gv) => keyOf(gv) === key)
    return described && Buffer.from(encodeJson(buildV3(described, OPENAPI_INFO)))
  }
  const openApi = (version: 'v3' | 'v2', name: string): RunnableController<OpenApiDownloads> =>
    controller(
      name,
      OPENAPI_WORKERS,
      (queue) =>
        new OpenApiDownloads({
          ...asking,
          version,
          queue,
          local,
          run: o.parts.runOpenApi,
          backendOf: (group, v) => asking.table.value.get(group, v)?.backend,
          onNewBackend: (changed) => onNewBackend(asking.table, changed),
        }),
    )
  return {
    discovery,
    identity: controller(
      'identity-probe',
      IDENTITY_WORKERS,
      (queue) =>
        new IdentityController({
          ...asking,
          queue,
          discovery: discovery.reconciler,
          intervalMs: config.values['identity-probe-interval'],
        }),
    ),
    openApiV3: openApi('v3', 'open_api_v3_aggregation_controller'),
    openApiV2: openApi('v2', 'open_api_aggregation_controller'),
    policyStatus: controller(
      'backendpolicy-status',
      POLICY_WORKERS,
      (queue) =>
        new PolicyStatusController({
          informer: informers.policies,
          apiServices: informers.apiServices,
          policies,
          client: o.parts.client.resource<BackendPolicy>(BACKEND_POLICIES),
          queue,
          clock,
        }),
    ),
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
export function transportTo({ clock, log }: Surroundings): (source: Pick<Backend, 'direct'>) => Transport {
  return ({ direct }) => {
    const transport = inProcessTransport({ handler: direct, user: AGGREGATOR_USER, clock, log, rejectErrors: true })
    return (request) => transport({ ...request, headers: { 'user-agent': AGGREGATOR_AGENT, ...request.headers } })
  }
}

function lookupIn({ services, slices }: AggregatorInformers): ServiceLookup {
  return {
    service: (namespace, name) => services.lister.get(`${namespace}/${name}`),
    slices: (namespace, name) => slices.lister.byIndex(BY_SERVICE, `${namespace}/${name}`),
  }
}
