/**
 * Defaults of the core server's kinds: applied when a body or a stored object has been decoded, before anything
 * else looks at it. Source: Kubernetes' defaulting functions of core/v1 and discovery/v1.
 *
 * Not here: what is allocated on creation (cluster IPs, ports).
 */
import type { KubeObject } from '../../api/meta.ts'

type Fields = Record<string, unknown>
type Defaulter = (object: Fields) => void

const NAME_LABEL = 'kubernetes.io/metadata.name'
const AFFINITY_SECONDS = 10_800

const DEFAULTERS: ReadonlyMap<string, Defaulter> = new Map<string, Defaulter>([
  ['Secret', (secret) => setDefault(secret, 'type', 'Opaque')],
  ['Namespace', defaultNamespace],
  ['Service', defaultService],
  [
    'Endpoints',
    (endpoints) => {
      for (const subset of listAt(endpoints, 'subsets'))
        for (const port of listAt(subset, 'ports')) setDefault(port, 'protocol', 'TCP')
    },
  ],
  [
    'EndpointSlice',
    (slice) => {
      for (const port of listAt(slice, 'ports')) {
        port['name'] ??= ''
        port['protocol'] ??= 'TCP'
      }
    },
  ],
])

/** Changes the object, which the caller has to itself. Kinds without defaults are left alone. */
export function applyCoreDefaults(kind: string, object: KubeObject): void {
  DEFAULTERS.get(kind)?.(object as object as Fields)
}

/** The label comes before validation: a name that is no label value has two errors. */
function defaultNamespace(namespace: Fields): void {
  setDefault(objectAt(namespace, 'status'), 'phase', 'Active')
  const metadata = objectAt(namespace, 'metadata')
  const name = metadata['name'] ?? ''
  if (name !== '') objectAt(metadata, 'labels')[NAME_LABEL] = name
}

function defaultService(service: Fields): void {
  const spec = objectAt(service, 'spec')
  setDefault(spec, 'sessionAffinity', 'None')
  if (spec['sessionAffinity'] === 'None') delete spec['sessionAffinityConfig']
  else if (spec['sessionAffinity'] === 'ClientIP') {
    const clientIp = objectAt(objectAt(spec, 'sessionAffinityConfig'), 'clientIP')
    clientIp['timeoutSeconds'] ??= AFFINITY_SECONDS
  }
  setDefault(spec, 'type', 'ClusterIP')
  for (const port of listAt(spec, 'ports')) {
    setDefault(port, 'protocol', 'TCP')
    setDefault(port, 'targetPort', port['port'])
  }
  defaultTraffic(spec)
  if (spec['type'] === 'LoadBalancer') defaultIngress(service)
}

function defaultTraffic(spec: Fields): void {
  const type = spec['type']
  const internal = type === 'ClusterIP' || type === 'NodePort' || type === 'LoadBalancer'
  const external =
    type === 'NodePort' || type === 'LoadBalancer' || (internal && listOf(spec['externalIPs']).length > 0)
  if (external) setDefault(spec, 'externalTrafficPolicy', 'Cluster')
  if (internal) spec['internalTrafficPolicy'] ??= 'Cluster'
  if (type === 'LoadBalancer') spec['allocateLoadBalancerNodePorts'] ??= true
}

function defaultIngress(service: Fields): void {
  const { loadBalancer } = (service['status'] ?? {}) as { loadBalancer?: Fields }
  for (const ingress of listAt(loadBalancer ?? {}, 'ingress'))
    if ((ingress['ip'] ?? '') !== '') ingress['ipMode'] ??= 'VIP'
}

/** Absent and empty are the same for fields that are no pointers in Go. */
function setDefault(object: Fields, field: string, value: unknown): void {
  const current = object[field]
  if (current === undefined || current === null || current === '' || current === 0) object[field] = value
}

function objectAt(object: Fields, field: string): Fields {
  const value = object[field]
  if (typeof value === 'object' && value !== null) return value as Fields
  const made: Fields = {}
  object[field] = made
  return made
}
function listAt(object: Fields, field: string): Fields[] {
  return listOf(object[field]) as Fields[]
}
function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
