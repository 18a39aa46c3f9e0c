/** What the backends of APIServices share: connections, metrics, certificates, who may be dialled. */
import type { Handler } from '../../http/filter.ts'
import type { Client } from '../../client/client.ts'
import { ProxyMetrics } from '../../proxy/proxy-metrics.ts'
import { TlsContexts } from '../../proxy/upstream-tls.ts'
import { Upstreams } from '../../proxy/upstreams.ts'
import type { BackendSurroundings } from '../../servers/aggregator/backends/backend-surroundings.ts'
import { CertificateMaterial } from '../../servers/aggregator/backends/certificate-material.ts'
import { systemDnsLookup } from '../../servers/aggregator/reach/endpoint-source.ts'
import {
  type ServiceLookup,
  clusterIPResolver,
  endpointResolver,
  loopbackResolver,
} from '../../servers/aggregator/reach/service-resolver.ts'
import { RefusalLane } from '../../servers/aggregator/backends/refusal-lane.ts'
import { WatchListGuard } from '../../servers/aggregator/backends/watch-list-guard.ts'
import { terminationCounter } from '../../servers/generic/request-metrics.ts'
import type { Credentials } from '../files/credentials.ts'
import type { OwnAddresses } from './own-addresses.ts'
import type { AppContext } from './app-context.ts'

const DNS_TTL_SECONDS = 10
const BREAKER_STATES = { closed: 0, 'half-open': 1, open: 2 }

export interface BackendParts {
  readonly client: Client
  readonly credentials: Credentials
  readonly lookup: ServiceLookup
  readonly own: OwnAddresses
  readonly local: Handler
  readonly observed: BackendSurroundings['observed']
  readonly routedFailed: BackendSurroundings['routedFailed']
  readonly problemChanged: BackendSurroundings['problemChanged']
}

export function wireBackends(around: AppContext, parts: BackendParts): BackendSurroundings {
  const { clock, log, metrics, tracer, life, config } = around
  const { values, requestHeader } = config
  const missingSan = metrics
    .counter({
      name: 'apiserver_kube_aggregator_x509_missing_san_total',
      help: '[ALPHA] Certificates of backends without subject alternative names.',
    })
    .with()
  const breakers = metrics.gauge({
    name: 'portico_proxy_breaker_state',
    help: 'Circuit breakers of backends: 0 closed, 1 half-open, 2 open.',
    labels: ['backend', 'target'],
  })
  const resolver = values['enable-aggregator-routing']
    ? endpointResolver(parts.lookup)
    : clusterIPResolver(parts.lookup)
  return {
    upstreams: life.own(new Upstreams({ clock })),
    resolver: loopbackResolver(() => parts.own.dialled, resolver),
    lookupDns: systemDnsLookup(around.lookup, DNS_TTL_SECONDS),
    metrics: new ProxyMetrics(metrics),
    tracer,
    clock,
    random: Math.random,
    log,
    rejectRedirects: values['aggregator-reject-forwarding-redirect'],
    identityNames: {
      names: new Set([...requestHeader.usernameHeaders, ...requestHeader.uidHeaders, ...requestHeader.groupHeaders]),
      prefixes: requestHeader.extraHeaderPrefixes,
    },
    onMissingSan: () => missingSan.inc(),
    tlsContexts: new TlsContexts(),
    forbidden: {
      allowLinkLocal: values['allow-link-local-backends'],
      isOwn: (host, port) => parts.own.has(host, port),
    },
    clientCertificate: parts.credentials.frontProxyClient,
    material: life.own(new CertificateMaterial({ client: parts.client, clock, log })),
    trackWatch: (end) => around.drain.trackWatch(end),
    drainMs: values['backend-drain-duration'],
    local: parts.local,
    refusals: new RefusalLane(),
    watchLists: new WatchListGuard({ clock, metrics, timeoutMs: values['watchlist-bookmark-timeout'] }),
    terminated: terminationCounter(metrics),
    breakerChanged: (apiService, target, state) => {
      if (state === undefined) breakers.remove(apiService, target)
      else breakers.with(apiService, target).set(BREAKER_STATES[state])
    },
    observed: parts.observed,
    routedFailed: parts.routedFailed,
    problemChanged: parts.problemChanged,
  }
}
