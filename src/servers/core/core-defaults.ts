/**
 * Defaults of the core server's kinds: applied when a body or a stored object has been decoded, before anything
 * else looks at it. Source: Kubernetes' defaulting functions of core/v1 and discovery/v1; other groups in defaults/.
 *
 * Not here: what is allocated on creation (cluster IPs, ports).
 */
import type { KubeObject } from '../../api/meta.ts'
import { ADMISSION_DEFAULTERS } from './defaults/admissionregistration.ts'
import { type Defaulter, type Fields, listAt, listOf, objectAt, setDefault } from './defaults/defaulting.ts'
import { FLOW_CONTROL_DEFAULTERS } from './defaults/flowcontrol.ts'

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
  ...ADMISSION_DEFAULTERS,
  ...FLOW_CONTROL_DEFAULTERS,
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
