/** Service: its defaults depend on its type; how it is reached is checked in validation/. */
import type { KubeObject } from '../../../api/meta.ts'
import { dns1123Label } from '../../../api/names.ts'
import { type CellFunction, at, joined, list, text, texts } from '../../../endpoints/cell-values.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { type Fields, listAt, listOf, objectAt, setDefault } from '../defaults/defaulting.ts'
import { keepStatus, statusView } from '../strategies.ts'
import { normalizedClusterIps } from '../validation/service-cluster-ips.ts'
import type { Service } from '../validation/service-types.ts'
import { validateService, validateServiceStatus } from '../validation/service.ts'

const AFFINITY_SECONDS = 10_800

const cells: Record<string, CellFunction> = {
  serviceClusterIP: (o) => joined(texts(list(o, 'spec.clusterIPs').slice(0, 1))),
  serviceExternalIP: externalIP,
  servicePorts: (o) =>
    joined(
      list(o, 'spec.ports').map(
        (p) =>
          `${text(p, 'port')}${Number(at(p, 'nodePort') ?? 0) > 0 ? `:${text(p, 'nodePort')}` : ''}/${text(p, 'protocol')}`,
      ),
    ),
}

export const service: BuiltinKind<Service> = {
  defaults: (object) => {
    const spec = objectAt(object as object as Fields, 'spec')
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
    if (spec['type'] === 'LoadBalancer') defaultIngress(object as object as Fields)
  },
  validate: validateService,
  strategy: {
    nameRules: dns1123Label,
    returnsDeletedObject: true,
    prepare: (_w, obj, old) => {
      keepStatus(obj, old)
      const { clusterIP: _ip, clusterIPs: _ips, ...spec } = obj.spec
      Object.assign(obj, { spec: { ...spec, ...normalizedClusterIps(obj.spec, old?.spec) } })
    },
  },
  views: {
    status: (main) => statusView(main, { validate: (_w, obj, old) => validateServiceStatus(obj, old!) }),
  },
  cells,
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

function defaultIngress(object: Fields): void {
  const { loadBalancer } = (object['status'] ?? {}) as { loadBalancer?: Fields }
  for (const ingress of listAt(loadBalancer ?? {}, 'ingress'))
    if ((ingress['ip'] ?? '') !== '') ingress['ipMode'] ??= 'VIP'
}

function loadBalancerAddresses(o: KubeObject): string[] {
  const all = list(o, 'status.loadBalancer.ingress').map((i) => text(i, 'ip') || text(i, 'hostname'))
  return [...new Set(all.filter((a) => a !== ''))].sort()
}

function externalIP(o: KubeObject): string {
  const external = list(o, 'spec.externalIPs').map(String)
  switch (text(o, 'spec.type')) {
    case 'ClusterIP':
    case 'NodePort':
      return joined(external)
    case 'LoadBalancer': {
      const all = [...loadBalancerAddresses(o), ...external]
      return all.length === 0 ? '<pending>' : all.join(',')
    }
    case 'ExternalName':
      return text(o, 'spec.externalName')
    default:
      return '<unknown>'
  }
}
