/** Makes the aggregator's controllers; hooks.ts starts them. */
import { SYSTEM_MASTERS } from '../../access/groups.ts'
import { APISERVICES, type APIService } from '../../api/apiservice.ts'
import { encodeJson } from '../../api/codec/codec.ts'
import { BACKEND_POLICIES, type BackendPolicy } from '../../api/backend-policy.ts'
import type { UserInfo } from '../../api/meta.ts'
import type { Controller } from '../../client/controller-manager.ts'
import type { Transport } from '../../client/transport.ts'
import { onNewBackend } from './registrations/apiservice-table.ts'
import { AutoRegistration, type RegisteredServer } from './registrations/auto-registration.ts'
import { AvailabilityController } from './availability/availability-controller.ts'
import type { Backend } from './backends/backend.ts'
import type { BackendSurroundings } from './backends/backend-surroundings.ts'
import { ConditionWriter } from './registrations/condition-writer.ts'
import { DiscoveryCache } from './discovery/discovery-cache.ts'
import { DiscoveryManager } from './discovery/discovery-manager.ts'
import { IdentityController } from './diagnosis/identity-controller.ts'
import { OpenApiDownloads } from './openapi/openapi-downloads.ts'
import type { ProbeSettings } from './policy/effective-policy.ts'
import { PolicyStatusController } from './kinds/policy-status-controller.ts'
import type { ServedHere } from './registrations/served-here.ts'
import { RegistrationController } from './registrations/registration-controller.ts'
import { RoutedBackendController } from './availability/routed-backend-controller.ts'
import type { ServiceLookup } from '../../proxy/reach/service-resolver.ts'
import { delegateChain } from '../generic/delegate-chain.ts'
import { inProcessTransport } from '../generic/in-process-transport.ts'
import { type AggregatorControllers, CONDITIONS_LEASE } from './hooks.ts'
import type { AggregatorInformers, AggregatorInputs, AggregatorViews } from './inputs.ts'
import type { ServerContext } from '../generic/server-context.ts'
import { forgetGoneGroups } from './registrations/forget-groups.ts'
import { backendParts } from './backends/backend-parts.ts'
import { buildV3 } from '../../endpoints/openapi/build-documents.ts'
import { KUBERNETES_MINOR } from '../generic/version.ts'

export const OPENAPI_INFO = { title: 'Kubernetes', version: `v1.${KUBERNETES_MINOR}.0` }

/** The user as which backends are probed and their documents downloaded. */
const AGGREGATOR_USER: UserInfo = { name: 'system:kube-aggregator', groups: [SYSTEM_MASTERS] }
const AGGREGATOR_AGENT = 'portico/aggregator'
export const BY_SERVICE = 'service'
/** Enough that backends which never answer (5 s each) hold up no other. */
const PROBE_WORKERS = 64
const DISCOVERY_WORKERS = 64
const OPENAPI_WORKERS = 64
const CONDITION_WORKERS = 16
const AUTOREGISTER_WORKERS = 5
const IDENTITY_WORKERS = 8
const POLICY_WORKERS = 2

export function makeControllers(
  context: ServerContext,
  inputs: AggregatorInputs & { readonly server: RegisteredServer; readonly servedHere: ServedHere },
  views: AggregatorViews,
): AggregatorControllers {
  const { informers, view, policies } = views
  const { clock, log, controllers: manager } = context
  const { servedHere } = inputs
  const lookup = lookupIn(informers)
  const client = inputs.client.resource<APIService>(APISERVICES)
  const informer = informers.apiServices
  const observed: BackendSurroundings['observed'] = (...how) => availability.reconciler.observed(...how)
  const backends = backendParts(context, {
    ...inputs,
    services: lookup,
    local: delegateChain(inputs.others),
    verdicts: view,
    observed,
    routedFailed: (name) => routed.reconciler.failed(name),
    problemChanged: (name) => {
      availability.queue.add(name)
      routed.queue.add(name)
    },
  })
  // A backend that comes back may be of another version.
  view.subscribe((name) => backends.watchLists.forget(name))
  const registration = manager.add({
    name: 'APIServiceRegistrationController',
    workers: 1,
    needs: [informer, informers.policies],
    isEssential: true,
    make: (queue) => new RegistrationController({ informer, queue, policies, backends }),
  })
  context.life.defer(() => registration.reconciler.stop())
  forgetGoneGroups(context, registration.reconciler.table)
  const { promise: registered } = registration.reconciler.initiated
  const intervalMs = inputs.options.statusIntervalMs
  const conditions = manager.add({
    name: 'APIServiceConditionController',
    workers: CONDITION_WORKERS,
    needs: [informer],
    leader: CONDITIONS_LEASE,
    isEssential: true,
    make: (queue) => new ConditionWriter({ informer, client, queue, clock, log, intervalMs }),
  })
  const deps: ProbeDeps = {
    informer,
    view,
    table: registration.reconciler.table,
    conditions: conditions.reconciler,
    transportTo: transportTo(context),
    clock,
    log,
  }
  const { availability, routed } = makeProbes(context, { views, deps, lookup, registered, servedHere })
  const controllers = {
    registration,
    availability,
    routed,
    conditions,
    auto: manager.add({
      name: 'autoregister',
      workers: AUTOREGISTER_WORKERS,
      needs: [informer],
      isEssential: true,
      make: (queue) => new AutoRegistration({ informer, client, queue, sources: [inputs.server, ...inputs.others] }),
    }),
    ...makeReaders(context, { inputs, views, deps, registered }),
  }
  countEntries(context, {
    view,
    availability: availability.reconciler,
    routed: routed.reconciler,
    conditions: conditions.reconciler,
    discovery: controllers.discovery.reconciler,
    watchlists: backends.watchLists,
  })
  return controllers
}

function makeProbes(
  { metrics, controllers: manager }: ServerContext,
  o: {
    views: AggregatorViews
    deps: ProbeDeps
    lookup: ServiceLookup
    servedHere: ServedHere
    registered: Promise<void>
  },
): Pick<AggregatorControllers, 'availability' | 'routed'> {
  const { deps, lookup } = o
  const { informers, policies } = o.views
  const common = { workers: PROBE_WORKERS, needs: Object.values(informers), after: [o.registered], isEssential: true }
  const rulesOf = (apiService: APIService): ProbeSettings => policies.for(apiService).policy.probe
  const isTerminating = (namespace: string): boolean =>
    informers.namespaces.lister.get(namespace)?.metadata.deletionTimestamp !== undefined
  const availability = manager.add({
    ...common,
    name: 'RemoteAvailabilityController',
    make: (queue) =>
      new AvailabilityController({ ...deps, queue, lookup, servedHere: o.servedHere, isTerminating, metrics, rulesOf }),
  })
  const changed = (name: string): void => void availability.queue.add(name)
  const routed = manager.add({
    ...common,
    name: 'routed-backend-probe',
    make: (queue) => new RoutedBackendController({ ...deps, queue, rulesOf, changed, metrics }),
  })
  return { availability, routed }
}

/** Counts the entries that are kept per APIService, so that a leak shows. */
function countEntries({ metrics }: ServerContext, kept: Readonly<Record<string, { readonly size: number }>>): void {
  const gauge = metrics.gauge({
    name: 'portico_aggregator_kept_entries',
    help: 'Entries that are kept for APIServices, by part.',
    labels: ['part'],
  })
  metrics.onCollect(() => {
    for (const [part, { size }] of Object.entries(kept)) gauge.with(part).set(size)
  })
}

type ProbeDeps = Omit<ConstructorParameters<typeof DiscoveryManager>[0], 'queue' | 'cache' | 'onUnavailable'>

function makeReaders(
  { life, clock, log, controllers: manager }: ServerContext,
  o: { inputs: AggregatorInputs; views: AggregatorViews; deps: ProbeDeps; registered: Promise<void> },
): Pick<AggregatorControllers, 'discovery' | 'openApiV3' | 'openApiV2' | 'identity' | 'policyStatus'> {
  const { deps } = o
  const { informers, policies } = o.views
  const after = [o.registered]
  const cache = life.own(new DiscoveryCache({ path: o.inputs.options.discoveryCachePath, clock, log }))
  const discovery = manager.add({
    name: 'discovery-manager',
    workers: DISCOVERY_WORKERS,
    needs: [],
    isEssential: true,
    make: (queue) =>
      new DiscoveryManager({
        ...deps,
        queue,
        cache,
        onUnavailable: (apiService) => policies.for(apiService).policy.onUnavailable,
      }),
  })
  const local = (key: string): Uint8Array | undefined => {
    const described = o.inputs.others.map((d) => d.openapi?.described?.value.get(key)).find((gv) => gv !== undefined)
    return described && Buffer.from(encodeJson(buildV3(described, OPENAPI_INFO)))
  }
  const openApi = (version: 'v3' | 'v2', name: string): Controller<OpenApiDownloads> =>
    manager.add({
      name,
      workers: OPENAPI_WORKERS,
      needs: [],
      after,
      isEssential: true,
      make: (queue) =>
        new OpenApiDownloads({
          ...deps,
          version,
          queue,
          local,
          run: o.inputs.runOpenApi,
          backendOf: (group, v) => deps.table.value.get(group, v)?.backend,
          onNewBackend: (changed) => onNewBackend(deps.table, changed),
        }),
    })
  return {
    discovery,
    identity: manager.add({
      name: 'identity-probe',
      workers: IDENTITY_WORKERS,
      needs: [],
      after,
      leader: CONDITIONS_LEASE,
      make: (queue) =>
        new IdentityController({
          ...deps,
          queue,
          discovery: discovery.reconciler,
          intervalMs: o.inputs.options.identityProbeIntervalMs,
        }),
    }),
    openApiV3: openApi('v3', 'open_api_v3_aggregation_controller'),
    openApiV2: openApi('v2', 'open_api_aggregation_controller'),
    policyStatus: manager.add({
      name: 'backendpolicy-status',
      workers: POLICY_WORKERS,
      needs: Object.values(informers),
      make: (queue) =>
        new PolicyStatusController({
          informer: informers.policies,
          apiServices: informers.apiServices,
          policies,
          client: o.inputs.client.resource<BackendPolicy>(BACKEND_POLICIES),
          queue,
          clock,
        }),
    }),
  }
}

/** A transport as the aggregator's own user, whatever the availability. The backend's logs tell that Portico asked. */
export function transportTo({ clock, log }: ServerContext): (source: Pick<Backend, 'direct'>) => Transport {
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
