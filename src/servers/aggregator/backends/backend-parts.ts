/** What the backends of APIServices share: connections, metrics, certificates, addresses that may be dialled. */
import { ProxyMetrics } from '../../../proxy/proxy-metrics.ts'
import { missingSanCounter } from '../../../proxy/reach/missing-san.ts'
import { TlsContexts } from '../../../proxy/upstream-tls.ts'
import { Upstreams } from '../../../proxy/upstreams.ts'
import type { BackendSurroundings } from './backend-surroundings.ts'
import { CertificateMaterial } from './certificate-material.ts'
import { systemDnsLookup } from '../../../proxy/reach/endpoint-source.ts'
import {
  type ServiceLookup,
  clusterIPResolver,
  endpointResolver,
  loopbackResolver,
} from '../../../proxy/reach/service-resolver.ts'
import { RefusalLane } from './refusal-lane.ts'
import { WatchListGuard } from './watch-list-guard.ts'
import type { ServerContext } from '../../generic/server-context.ts'
import type { AggregatorInputs } from '../inputs.ts'
import { terminationCounter } from '../../generic/request-metrics.ts'

const DNS_TTL_SECONDS = 10
const BREAKER_STATES = { closed: 0, 'half-open': 1, open: 2 }

export interface BackendParts
  extends Pick<AggregatorInputs, 'informers' | 'frontProxyClient' | 'own' | 'options'>,
    Pick<BackendSurroundings, 'verdicts' | 'observed' | 'routedFailed' | 'problemChanged' | 'local'> {
  readonly services: ServiceLookup
  readonly lookup: AggregatorInputs['lookup']
}

export function backendParts(context: ServerContext, parts: BackendParts): BackendSurroundings {
  const { clock, log, metrics, tracer, life } = context
  const { options } = parts
  const breakers = metrics.gauge({
    name: 'portico_proxy_breaker_state',
    help: 'Circuit breakers of backends: 0 closed, 1 half-open, 2 open.',
    labels: ['backend', 'target'],
  })
  const resolver = options.routesToEndpoints ? endpointResolver(parts.services) : clusterIPResolver(parts.services)
  const material = new CertificateMaterial({ informers: parts.informers, clock })
  life.defer(() => material[Symbol.dispose]())
  return {
    upstreams: life.own(new Upstreams({ clock })),
    resolver: loopbackResolver(() => parts.own.dialled, resolver),
    lookupDns: systemDnsLookup(parts.lookup, DNS_TTL_SECONDS),
    metrics: new ProxyMetrics(metrics),
    tracer,
    clock,
    random: Math.random,
    log,
    rejectRedirects: options.rejectsRedirects,
    identityNames: options.identityNames,
    onMissingSan: missingSanCounter(metrics, 'backends'),
    tlsContexts: new TlsContexts(),
    forbidden: {
      allowLinkLocal: options.allowsLinkLocalBackends,
      isOwn: (host, port) => parts.own.has(host, port),
    },
    clientCertificate: parts.frontProxyClient,
    material,
    trackWatch: (end) => context.drain.trackWatch(end),
    drainMs: options.backendDrainMs,
    local: parts.local,
    refusals: new RefusalLane(),
    watchLists: new WatchListGuard({ clock, metrics, timeoutMs: options.watchListBookmarkTimeoutMs }),
    terminated: terminationCounter(metrics),
    breakerChanged: (apiService, target, state) => {
      if (state === undefined) breakers.remove(apiService, target)
      else breakers.with(apiService, target).set(BREAKER_STATES[state])
    },
    verdicts: parts.verdicts,
    observed: parts.observed,
    routedFailed: parts.routedFailed,
    problemChanged: parts.problemChanged,
  }
}
