/** From a Service to the address that requests for it go to. Errors are the texts of kube-aggregator's resolvers. */
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
  endpoints?: { addresses?: string[]; conditions?: { ready?: boolean } }[]
  ports?: { name?: string; port?: number }[]
}
export interface Address {
  readonly host: string
  readonly port: number
}
/** What resolvers look things up in: caches, never the network. */
export interface ServiceLookup {
  service(namespace: string, name: string): Service | undefined
  slices(namespace: string, name: string): readonly EndpointSlice[]
}
export interface ServiceResolver {
  /** @throws Error with a text for the log. */
  resolve(namespace: string, name: string, port: number): Address
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
function externalAddress(service: Service, port: number): Address {
  return { host: service.spec?.externalName ?? '', port }
}

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
      return { host: clusterIP, port }
    },
  }
}

/** --enable-aggregator-routing: a ready endpoint, slices of the service's first IP family first. */
export function endpointResolver(lookup: ServiceLookup, random: () => number): ServiceResolver {
  return {
    resolve: (namespace, name, port) => {
      const service = serviceOf(lookup, namespace, name)
      const type = typeOf(service)
      if (type === 'ExternalName') return externalAddress(service, port)
      const servicePort = service.spec?.ports?.find((p) => p.port === port)
      if (!servicePort) throw new Error(`no service port ${port} found for service "${name}"`)
      const family = service.spec?.ipFamilies?.[0] ?? 'IPv4'
      const slices = shuffled(lookup.slices(namespace, name), random)
      for (const slice of [
        ...slices.filter((s) => s.addressType === family),
        ...slices.filter((s) => s.addressType !== family),
      ]) {
        const found = readyEndpoint(slice, servicePort.name ?? '', random)
        if (found) return found
      }
      throw new Error(`no endpoints available for service "${name}"`)
    },
  }
}

function readyEndpoint(slice: EndpointSlice, portName: string, random: () => number): Address | undefined {
  const port = slice.ports?.find((p) => (p.name ?? '') === portName && p.port !== undefined)?.port
  const endpoints = slice.endpoints ?? []
  if (port === undefined || endpoints.length === 0) return undefined
  const start = Math.floor(random() * endpoints.length)
  for (let i = 0; i < endpoints.length; i++) {
    const endpoint = endpoints[(start + i) % endpoints.length]!
    const host = endpoint.addresses?.[0]
    if (endpoint.conditions?.ready !== false && host !== undefined) return { host, port }
  }
  return undefined
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const copy = [...items]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[copy[i], copy[j]] = [copy[j]!, copy[i]!]
  }
  return copy
}

/** The service default/kubernetes is this server itself. */
export function loopbackResolver(own: () => Address | undefined, next: ServiceResolver): ServiceResolver {
  return {
    resolve: (namespace, name, port) => {
      const address = namespace === 'default' && name === 'kubernetes' && port === 443 ? own() : undefined
      return address ?? next.resolve(namespace, name, port)
    },
  }
}
