/**
 * How requests reach a server that is fronted: for callers with their identity, for ourselves with our own credentials.
 * The two never share a connection where a certificate on it would speak for the caller.
 *
 * Callers: fronted-delegate.ts, which asks for a new one when credentials change.
 */
import type { ClusterAccess } from '../../../client/kubeconfig.ts'
import type { KeyPair } from '../../../http/certificates.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Tracer } from '../../../observability/tracer.ts'
import type { Address } from '../../../proxy/dial.ts'
import { type EndpointChoice, onlyEndpoint } from '../../../proxy/endpoint-set.ts'
import type { ForwardRules } from '../../../proxy/forward.ts'
import type { IdentityNames } from '../../../proxy/identity-headers.ts'
import type { BackendMetrics } from '../../../proxy/proxy-metrics.ts'
import { RetryBudget, defaultRetries } from '../../../proxy/retries.ts'
import { urlSource } from '../../../proxy/reach/endpoint-source.ts'
import { type TlsContexts, TlsProfile } from '../../../proxy/upstream-tls.ts'
import type { Upstreams } from '../../../proxy/upstreams.ts'

/** How the fronted server learns who calls. */
export type CallerIdentity = 'requestheader' | 'impersonate' | 'passthrough'

export interface FrontedConnectionOptions {
  readonly name: string
  readonly access: ClusterAccess
  readonly identity: CallerIdentity
  readonly frontProxy: KeyPair
  readonly upstreams: Upstreams
  readonly tlsContexts: TlsContexts
  readonly identityNames: IdentityNames
  readonly metrics: BackendMetrics
  readonly tracer: Tracer
  readonly clock: Clock
  readonly onMissingSan: () => void
  /** See ForwardRules. */
  readonly trackWatch: (end: () => void) => () => void
}
export interface FrontedLane {
  readonly rules: ForwardRules
  readonly endpoints: EndpointChoice
}
export interface FrontedConnection {
  /** The path of the server's URL, in front of each path. */
  readonly pathPrefix: string
  readonly callers: FrontedLane
  readonly own: FrontedLane
}

/** @throws where a certificate or a key cannot be used. */
export function connectFronted(o: FrontedConnectionOptions): FrontedConnection {
  const { access, identity, frontProxy } = o
  const hasOwn = hasCredentials(access)
  const ownLane: FrontedLane = {
    rules: rulesOf(o, 'own', access.authorization),
    endpoints: endpointOf(o, access.clientCertificate),
  }
  const lanes: Readonly<Record<CallerIdentity, () => FrontedLane>> = {
    requestheader: () => ({ rules: rulesOf(o, 'requestheader'), endpoints: endpointOf(o, frontProxy) }),
    impersonate: () => ({ ...ownLane, rules: rulesOf(o, 'impersonate', access.authorization) }),
    passthrough: () => ({ rules: rulesOf(o, 'passthrough'), endpoints: endpointOf(o, undefined) }),
  }
  const callers = lanes[identity]()
  return {
    pathPrefix: urlSource(access.server).pathPrefix,
    callers,
    // As front proxy we may speak for anybody, ourselves included.
    own: hasOwn || identity !== 'requestheader' ? ownLane : callers,
  }
}
export function hasCredentials({ clientCertificate, authorization }: ClusterAccess): boolean {
  return clientCertificate !== undefined || authorization !== undefined
}

function rulesOf(
  o: FrontedConnectionOptions,
  identity: ForwardRules['identity'],
  authorization?: string,
): ForwardRules {
  return {
    backend: o.name,
    identity,
    identityNames: o.identityNames,
    authorization,
    // It is an API server: where it redirects, as a service proxy does, it knows where to.
    rejectRedirects: false,
    trackWatch: o.trackWatch,
    retries: defaultRetries,
    budget: new RetryBudget(defaultRetries.budgetPercent),
    metrics: o.metrics,
    tracer: o.tracer,
    clock: o.clock,
  }
}

function endpointOf(
  o: FrontedConnectionOptions,
  clientCertificate: { cert: string; key: string } | undefined,
): EndpointChoice {
  const { server, ca, insecureSkipVerify, serverName } = o.access
  const source = urlSource(server)
  const tls = source.plain
    ? undefined
    : new TlsProfile(
        { serverName: serverName ?? source.serverName, ca, insecureSkipVerify, clientCertificate },
        o.onMissingSan,
        o.tlsContexts,
      )
  const { host, port } = source.endpoints()[0]!
  const address: Address = { host, port, tls }
  return onlyEndpoint(address, (a) => o.upstreams.pool(a))
}
