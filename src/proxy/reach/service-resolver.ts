/** From a Service to the addresses that requests for it go to. Errors are the texts of kube-aggregator's resolvers. */
import type { KubeObject } from '../../api/meta.ts'

export interface ServicePort {
  name?: string
  port: number
  protocol?: string
}
export interface Service extends KubeObject {
  spec?: { type?: string; clusterIP?: string; externalName?: string; ports?: ServicePort[]; ipFamilies?: string[] }
}
export interface EndpointSlice extends KubeObject {
  addressType?: string
  endpoints?: {
    addresses?: string[]
    zone?: string
    conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean }
  }[]
  ports?: { name?: string; port?: number }[]
}
export interface ResolvedEndpoint {
  readonly host: string
  readonly port: number
  readonly zone: string
  /** It still serves what it has. */
  readonly terminating: boolean
}
/** What resolvers look things up in: caches, never the network. */
export interface ServiceLookup {
  service(namespace: string, name: string): Service | undefined
  slices(namespace: string, name: string): readonly EndpointSlice[]
}
export interface ServiceResolver {
  /** @returns at least one. @throws Error with a text for the log. */
  resolve(namespace: string, name: string, port: number): readonly ResolvedEndpoint[]
}

const SERVICE_LABEL = 'kubernetes.io/service-name'

export function sliceServiceName(slice: EndpointSlice): string {
  return slice.metadata.labels?.[SERVICE_LABEL] ?? ''
}

function serviceOf(lookup: ServiceLookup, namespace: string, name: string): Service {
  const service = lookup.service(namespace, name)
  if (!service) throw new Error(`service "${name}" not found`)
  return service
}

const SERVICE_TYPES = new Set(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'])

function typeOf(service: Service): string {
  const type = service.spec?.type ?? 'ClusterIP'
  if (!SERVICE_TYPES.has(type)) throw new Error(`unsupported service type "${type}"`)
  return type
}

/** An external name works in both modes: it is an address outside, whatever the cluster routes. */
function externalAddress(service: Service, port: number): ResolvedEndpoint[] {
  return [only(service.spec?.externalName ?? '', port)]
}
const only = (host: string, port: number): ResolvedEndpoint => ({ host, port, zone: '', terminating: false })

export function clusterIPResolver(lookup: ServiceLookup): ServiceResolver {
  return {
    resolve: (namespace, name, port) => {
      const service = serviceOf(lookup, namespace, name)
      const type = typeOf(service)
      if (type === 'ExternalName') return externalAddress(service, port)
      const { clusterIP = '' } = service.spec ?? {}
      if (type === 'ClusterIP' && clusterIP === 'None') throw new Error('cannot route to service with ClusterIP "None"')
      if (!service.spec?.ports?.some((p) => p.port === port))
        throw new Error(`no service port ${port} found for service "${name}"`)
      if (clusterIP === '') throw new Error(`service "${name}" has no cluster IP`)
      return [only(clusterIP, port)]
    },
  }
}

/** --enable-aggregator-routing: all endpoints of the service's first IP family, of the other one where that has none. */
export function endpointResolver(lookup: ServiceLookup): ServiceResolver {
  return {
    resolve: (namespace, name, port) => {
      const service = serviceOf(lookup, namespace, name)
      const type = typeOf(service)
      if (type === 'ExternalName') return externalAddress(service, port)
      const servicePort = service.spec?.ports?.find((p) => p.port === port)
      if (!servicePort) throw new Error(`no service port ${port} found for service "${name}"`)
      const family = service.spec?.ipFamilies?.[0] ?? 'IPv4'
      const slices = lookup.slices(namespace, name)
      for (const preferred of [true, false]) {
        const found = slices
          .filter((s) => (s.addressType === family) === preferred)
          .flatMap((s) => endpointsOf(s, servicePort.name ?? ''))
        if (found.some((e) => !e.terminating)) return found
      }
      throw new Error(`no endpoints available for service "${name}"`)
    },
  }
}

function endpointsOf(slice: EndpointSlice, portName: string): ResolvedEndpoint[] {
  const port = slice.ports?.find((p) => (p.name ?? '') === portName && p.port !== undefined)?.port
  if (port === undefined) return []
  return (slice.endpoints ?? []).flatMap(({ addresses, zone = '', conditions = {} }) => {
    const host = addresses?.[0]
    const terminating = conditions.terminating === true
    const serves = terminating ? conditions.serving !== false : conditions.ready !== false
    return host !== undefined && serves ? [{ host, port, zone, terminating }] : []
  })
}

/** The service default/kubernetes is this server itself. */
export function loopbackResolver(
  own: () => { host: string; port: number } | undefined,
  next: ServiceResolver,
): ServiceResolver {
  return {
    resolve: (namespace, name, port) => {
      const address = namespace === 'default' && name === 'kubernetes' && port === 443 ? own() : undefined
      return address ? [only(address.host, address.port)] : next.resolve(namespace, name, port)
    },
  }
}
