/** Puts the aggregator together: its API, its controllers, its delegate. */
import { APISERVICES, type APIService } from '../api/apiservice.ts'
import type { UserInfo } from '../api/meta.ts'
import { SYSTEM_MASTERS } from '../access/groups.ts'
import type { GroupDiscovery } from '../endpoints/discovery-types.ts'
import type { Published } from '../lib/published.ts'
import type { Client } from '../client/client.ts'
import { type Reconciler, runController } from '../client/controller.ts'
import { Informer } from '../client/informer.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Transport } from '../client/transport.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { WorkQueueMetrics } from '../client/work-queue-metrics.ts'
import { ProxyMetrics } from '../proxy/proxy-metrics.ts'
import { TlsContexts } from '../proxy/upstream-tls.ts'
import { Upstreams } from '../proxy/upstreams.ts'
import { AggregatorDelegate } from '../servers/aggregator/aggregator.ts'
import { type ApiRegistrationTable, apiServiceServer } from '../servers/aggregator/apiservice-server.ts'
import { AutoRegistration } from '../servers/aggregator/auto-registration.ts'
import { AvailabilityController } from '../servers/aggregator/availability-controller.ts'
import type { Backend, BackendSurroundings } from '../servers/aggregator/backend.ts'
import { DiscoveryManager } from '../servers/aggregator/discovery-manager.ts'
import { OpenApiDownloads } from '../servers/aggregator/openapi-downloads.ts'
import { OpenApiEndpoint, V3_PREFIX } from '../servers/aggregator/openapi-endpoint.ts'
import { KUBERNETES_MINOR } from '../servers/generic/version.ts'
import { RegistrationController } from '../servers/aggregator/registration-controller.ts'
import {
  type EndpointSlice,
  type Service,
  type ServiceLookup,
  clusterIPResolver,
  endpointResolver,
  loopbackResolver,
  sliceServiceName,
} from '../servers/aggregator/service-resolver.ts'
import type { CoreTables } from '../servers/core/tables.ts'
import type { Delegate } from '../servers/generic/delegate.ts'
import type { FixedPaths } from '../servers/generic/fixed-paths.ts'
import { inProcessTransport } from '../servers/generic/in-process-transport.ts'
import { terminationCounter } from '../servers/generic/request-metrics.ts'
import type { ResourceServer, ResourceServerOptions } from '../servers/generic/resource-server.ts'
import type { Credentials } from './credentials.ts'
import type { Surroundings } from './wire.ts'

export interface Aggregator {
  /** In the order requests are offered to them. */
  readonly delegates: readonly Delegate[]
  /** Of everything served, backends included. */
  readonly discovery: Published<readonly GroupDiscovery[]>
  addPaths(fixed: FixedPaths): void
}
export interface AggregatorParts extends Omit<ResourceServerOptions, 'name' | 'admission' | 'types'> {
  readonly storagePrefix: string
  readonly tables: CoreTables
  readonly core: ResourceServer
  readonly client: Client
  readonly credentials: Credentials
  /** Of our own listener, once it is up. */
  readonly ownPort: () => number
}

/** Who probes backends and downloads their documents. */
const AGGREGATOR_USER: UserInfo = { name: 'system:kube-aggregator', groups: [SYSTEM_MASTERS] }
const BY_SERVICE = 'service'
/** Enough that backends which never answer (5 s each) hold up no other. */
const PROBE_WORKERS = 64
const DISCOVERY_WORKERS = 64

export function wireAggregator(around: Surroundings, parts: AggregatorParts): Aggregator {
  const { clock, log, metrics, life, config } = around
  const table = parts.tables.group(APISERVICES.group)! as ApiRegistrationTable
  const { server, scope: _scope } = apiServiceServer({ ...parts, types: parts.tables, table })
  life.own(server)
  const informers = makeInformers(around, parts.client)
  const lookup = lookupIn(informers)
  const backends = backendSurroundings(around, parts, lookup)
  const queues = new WorkQueueMetrics(metrics)
  const queue = (name: string): WorkQueue => new WorkQueue({ clock, metrics: queues.bind(name) })
  const client = parts.client.resource<APIService>(APISERVICES)
  const transportTo = (backend: Backend): Transport =>
    inProcessTransport({ handler: backend.direct, user: AGGREGATOR_USER, clock, log, rejectErrors: true })

  const registrationQueue = queue('APIServiceRegistrationController')
  const registration = new RegistrationController({
    informer: informers.apiServices,
    queue: registrationQueue,
    certificate: parts.credentials.frontProxyClient,
    backends,
  })
  const availabilityQueue = queue('RemoteAvailabilityController')
  const availability = new AvailabilityController({
    informer: informers.apiServices,
    table: registration.table,
    lookup,
    client,
    queue: availabilityQueue,
    transportTo,
    clock,
    log,
    metrics,
  })
  const discoveryQueue = queue('discovery-manager')
  const discovery = new DiscoveryManager({
    informer: informers.apiServices,
    table: registration.table,
    queue: discoveryQueue,
    transportTo,
    clock,
    log,
  })
  const local = [server.discovery, parts.core.discovery]
  const autoQueue = queue('autoregister')
  const auto = new AutoRegistration({
    informer: informers.apiServices,
    client,
    queue: autoQueue,
    sources: [parts.core.discovery],
  })
  wakeByServices(informers, availability)
  const openapiQueue = queue('open_api_v3_aggregation_controller')
  const downloads = new OpenApiDownloads({
    informer: informers.apiServices,
    table: registration.table,
    queue: openapiQueue,
    transportTo,
    clock,
    log,
  })
  const openapi = new OpenApiEndpoint({
    local: () => [...server.described(), ...parts.core.described()],
    remote: downloads.documents,
    info: { title: 'Kubernetes', version: `v1.${KUBERNETES_MINOR}.0` },
    clock,
  })

  const delegate = new AggregatorDelegate({
    table: registration.table,
    remote: discovery.groups,
    local,
    serverAddress: () => `${config.advertiseAddress}:${parts.ownPort()}`,
    metrics,
  })
  const run = (
    name: string,
    reconciler: Reconciler,
    q: WorkQueue,
    workers: number,
    synced: readonly Promise<unknown>[],
  ): void => {
    void runController({ name, reconciler, queue: q, log, workers, synced }, life.signal)
  }
  const cachesSynced = [informers.apiServices.synced, informers.services.synced, informers.slices.synced]
  delegate.postStartHooks.push(
    {
      name: 'start-kube-aggregator-informers',
      run: async () => {
        for (const informer of Object.values(informers)) informer.start()
        await Promise.all(cachesSynced)
      },
    },
    {
      name: 'apiservice-registration-controller',
      run: async () => {
        run('APIServiceRegistrationController', registration, registrationQueue, 1, [informers.apiServices.synced])
        await registration.initiated.promise
        delegate.installed.publish(true)
      },
    },
    {
      name: 'apiservice-status-remote-available-controller',
      run: async () =>
        run('RemoteAvailabilityController', availability, availabilityQueue, PROBE_WORKERS, [
          ...cachesSynced,
          registration.initiated.promise,
        ]),
    },
    {
      name: 'apiservice-discovery-controller',
      run: async () => {
        await registration.initiated.promise
        run('discovery-manager', discovery, discoveryQueue, DISCOVERY_WORKERS, [])
        discovery.begin()
        await discovery.initiated.promise
      },
    },
    {
      name: 'apiservice-openapiv3-controller',
      run: async () =>
        run('open_api_v3_aggregation_controller', downloads, openapiQueue, 8, [registration.initiated.promise]),
    },
    {
      name: 'kube-apiserver-autoregistration',
      run: async () => run('autoregister', auto, autoQueue, 5, [informers.apiServices.synced]),
    },
  )
  delegate.healthChecks.push(
    { name: 'autoregister-completion', check: () => auto.problem },
    { name: 'informer-sync', check: () => notSynced(Object.values(informers)) },
  )
  return {
    delegates: [server, delegate],
    discovery: delegate.discovery,
    addPaths: (fixed) => addOpenApi(fixed, openapi),
  }
}

interface Informers {
  readonly apiServices: Informer<APIService>
  readonly services: Informer<Service>
  readonly slices: Informer<EndpointSlice>
}

function makeInformers({ life, clock, log }: Surroundings, client: Client): Informers {
  const core = { group: '', version: 'v1' }
  const apiServices = life.own(
    new Informer<APIService>({ source: client.resource<APIService>(APISERVICES), clock, log }),
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
  return { apiServices, services, slices }
}

function lookupIn({ services, slices }: Informers): ServiceLookup {
  return {
    service: (namespace, name) => services.lister.get(`${namespace}/${name}`),
    slices: (namespace, name) => slices.lister.byIndex(BY_SERVICE, `${namespace}/${name}`),
  }
}

function wakeByServices({ services, slices }: Informers, availability: AvailabilityController): void {
  const service = (s: KubeObject): void => availability.serviceChanged(s.metadata.namespace ?? '', s.metadata.name!)
  const slice = (s: EndpointSlice): void => availability.serviceChanged(s.metadata.namespace ?? '', sliceServiceName(s))
  services.addHandler({ added: service, updated: (_b, s) => service(s), deleted: service })
  slices.addHandler({ added: slice, updated: (_b, s) => slice(s), deleted: slice })
}

function backendSurroundings(around: Surroundings, parts: AggregatorParts, lookup: ServiceLookup): BackendSurroundings {
  const { clock, log, metrics, tracer, life, config } = around
  const { values, requestHeader } = config
  const missingSan = metrics
    .counter({
      name: 'apiserver_kube_aggregator_x509_missing_san_total',
      help: '[ALPHA] Certificates of backends without subject alternative names.',
    })
    .with()
  const resolver = values['enable-aggregator-routing']
    ? endpointResolver(lookup, Math.random)
    : clusterIPResolver(lookup)
  return {
    upstreams: life.own(new Upstreams({ clock })),
    resolver: loopbackResolver(() => ({ host: '127.0.0.1', port: parts.ownPort() }), resolver),
    metrics: new ProxyMetrics(metrics),
    tracer,
    clock,
    log,
    rejectRedirects: values['aggregator-reject-forwarding-redirect'],
    identityNames: {
      names: new Set([...requestHeader.usernameHeaders, ...requestHeader.uidHeaders, ...requestHeader.groupHeaders]),
      prefixes: requestHeader.extraHeaderPrefixes,
    },
    onMissingSan: () => missingSan.inc(),
    tlsContexts: new TlsContexts(),
    terminated: terminationCounter(metrics),
  }
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
