/**
 * gateway.portico.dev/v1alpha1 BackendPolicy: what an APIService has no field for. Durations are Go's: `500ms`, `1m30s`.
 * Which settings apply to an APIService where several policies speak of it: servers/aggregator/policy/effective-policy.ts.
 */
import type { APIServiceCondition } from './apiservice.ts'
import type { KubeObject } from './meta.ts'
import type { LabelSelectorObject } from './label-selector.ts'

/** One of its fields alone. */
export interface PolicyTarget {
  /** `v1.garden.example.com`. */
  apiService?: string
  /** All versions of a group. */
  group?: string
  /** Of the APIService's labels. */
  selector?: LabelSelectorObject
}
export interface StaticEndpoint {
  address: string
  port?: number
  zone?: string
}
export interface KeyReference {
  namespace?: string
  name?: string
  key?: string
}
/** One of its fields alone. PEM. */
export interface CertificateSource {
  secret?: KeyReference
  configMap?: KeyReference
  file?: string
}
export interface ClientCertificateSource {
  /** Of type kubernetes.io/tls: keys tls.crt and tls.key. */
  secret?: KeyReference
  certFile?: string
  keyFile?: string
}
export interface BackendTls {
  /** Verified and sent as SNI; default the URL's or the DNS name, or `<service>.<namespace>.svc`. */
  serverName?: string
  /** More than one source: all of them are trusted, so that an old and a new CA can overlap. */
  ca?: CertificateSource[]
  insecureSkipVerify?: boolean
  /** In place of the front proxy's certificate. */
  clientCertificate?: ClientCertificateSource
}
/** One of url, dns, endpoints, unixSocket and service; none only where it shall be the APIService's own. */
export interface PolicyBackend {
  /** How routes name it; `default` is where requests go that no route matches. */
  name: string
  /** `https://host:port`, or `http://` where the network is trusted. Its path is put before the request's. */
  url?: string
  /** All addresses of the name are endpoints; asked again by its time to live. */
  dns?: { name?: string; port?: number }
  endpoints?: StaticEndpoint[]
  /** Path of a socket of this machine; plain HTTP. */
  unixSocket?: string
  service?: { namespace?: string; name?: string; port?: number }
  tls?: BackendTls
}
export interface RouteMatch {
  resources?: string[]
  verbs?: string[]
  users?: string[]
  groups?: string[]
  headers?: { name: string; value?: string }[]
}
export interface RouteDestination {
  /** Of spec.backends, or `apiservice`: what the APIService itself names. */
  backend: string
  weight?: number
}
export interface PolicyRoute {
  /** Any of them; none matches everything. */
  matches?: RouteMatch[]
  to?: RouteDestination[]
}
export interface Balancing {
  /** Endpoints of our own zone first, while enough of them are healthy. */
  zone?: string
  slowStart?: string
  consecutiveFailures?: number
  ejectionTime?: string
  maxEjectedPercent?: number
}
export interface TimeoutSet {
  connect?: string
  tlsHandshake?: string
  firstByte?: string
  /** The whole request, but for long-running ones; instead of --request-timeout. */
  total?: string
  /** Between two pieces of the answer. */
  idle?: string
}
/** Connections are shared by all requests: what concerns them is no matter of one rule. */
export interface TimeoutRule extends Omit<TimeoutSet, 'connect' | 'tlsHandshake'> {
  verbs?: string[]
  resources?: string[]
  /** Of the request, `*` at its end stands for anything. */
  paths?: string[]
  longRunning?: boolean
}
export interface Retries {
  /** More requests after the first that a backend may see. Default 1. */
  attempts?: number
  /** Of all requests. */
  budgetPercent?: number
  /** Bodies up to this may be sent again. */
  maxBodyBytes?: number
}
export interface CircuitBreaker {
  disabled?: boolean
  failurePercent?: number
  minRequests?: number
  /** Opens it whatever their share; 0: only the share does. */
  maxFailures?: number
  window?: string
  openFor?: string
}
export interface Bulkhead {
  maxInFlight?: number
  maxQueued?: number
  maxQueueTime?: string
  maxWatches?: number
  requestsPerSecond?: number
  burst?: number
}
export interface Probe {
  path?: string
  interval?: string
  timeout?: string
  failureThreshold?: number
  successThreshold?: number
  expectedStatuses?: number[]
}
export interface Connections {
  protocol?: 'Auto' | 'HTTP1' | 'HTTP2'
  maxAge?: string
  idleTimeout?: string
  readIdle?: string
  pingTimeout?: string
}
export interface BackendPolicySpec {
  targets?: PolicyTarget[]
  /** The higher wins, per section of the spec. */
  priority?: number
  backends?: PolicyBackend[]
  routes?: PolicyRoute[]
  balancing?: Balancing
  timeouts?: TimeoutSet & { rules?: TimeoutRule[] }
  retries?: Retries
  circuitBreaker?: CircuitBreaker
  bulkhead?: Bulkhead
  probe?: Probe
  connections?: Connections
  onUnavailable?: 'ServeStale' | 'Omit' | 'Fail'
  openAPI?: 'Auto' | 'None'
  /** Of clients: Untrusted makes a trace of our own, linked to theirs. */
  traceparent?: 'Trusted' | 'Untrusted'
}
export interface PolicyTargetStatus {
  apiService: string
  /** Sections of the spec in force there; the others are another policy's. */
  sections?: string[]
}
export interface BackendPolicy extends KubeObject {
  spec?: BackendPolicySpec
  status?: {
    observedGeneration?: number
    targets?: PolicyTargetStatus[]
    conditions?: (APIServiceCondition & { observedGeneration?: number })[]
  }
}

export const BACKEND_POLICIES = { group: 'gateway.portico.dev', version: 'v1alpha1', resource: 'backendpolicies' }
/** The backend that an APIService names by itself. */
export const OWN_BACKEND = 'apiservice'
export const DEFAULT_BACKEND = 'default'
