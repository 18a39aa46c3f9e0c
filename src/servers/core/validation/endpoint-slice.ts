/** EndpointSlices. Source: discovery validation of Kubernetes. */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { dns1123Label, dns1123Subdomain, labelValue } from '../../../api/names.ts'
import { validateImmutable, validateLabels } from '../../../api/validate-object-meta.ts'
import { appProtocolErrors, nameErrors, oneOf, PROTOCOLS } from './field-checks.ts'
import { parseIpSloppy, validateEndpointIp, validateIp } from './ip-address.ts'

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6']
const MAX_PORTS = 20_000
const MAX_ENDPOINTS = 1000
const MAX_ADDRESSES = 100
const MAX_TOPOLOGY = 16
const MAX_HINTS = 8

interface Hints {
  readonly forZones?: readonly { readonly name: string }[]
  readonly forNodes?: readonly { readonly name: string }[]
}
export interface Endpoint {
  readonly addresses?: readonly string[] | null
  readonly hostname?: string
  readonly nodeName?: string
  readonly deprecatedTopology?: Readonly<Record<string, string>>
  readonly hints?: Hints
}
interface SlicePort {
  readonly name?: string
  readonly protocol?: string
  readonly appProtocol?: string
}
export interface EndpointSlice extends KubeObject {
  readonly addressType?: string
  readonly endpoints?: readonly Endpoint[] | null
  readonly ports?: readonly SlicePort[] | null
}

export function validateEndpointSlice(slice: EndpointSlice, old?: EndpointSlice): FieldError[] {
  const { addressType } = slice
  return [
    ...oneOf(addressType, 'addressType', ADDRESS_TYPES),
    ...slicePortErrors(slice.ports ?? []),
    ...endpointErrors(slice.endpoints ?? [], addressType ?? ''),
    ...(old ? validateImmutable(addressType, old.addressType, 'addressType') : []),
  ]
}

function slicePortErrors(ports: readonly SlicePort[]): FieldError[] {
  if (ports.length > MAX_PORTS) return [fieldError.tooMany('ports', ports.length, MAX_PORTS)]
  const names = new Set<string>()
  return ports.flatMap(({ name = '', protocol, appProtocol }, i) => {
    const path = `ports[${i}]`
    const repeated = names.has(name)
    names.add(name)
    return [
      ...(name === '' ? [] : nameErrors(name, `${path}.name`, dns1123Label)),
      ...(repeated ? [fieldError.duplicate(`${path}.name`, name)] : []),
      ...oneOf(protocol, `${path}.protocol`, PROTOCOLS),
      ...appProtocolErrors(appProtocol, `${path}.appProtocol`),
    ]
  })
}

function endpointErrors(endpoints: readonly Endpoint[], addressType: string): FieldError[] {
  if (endpoints.length > MAX_ENDPOINTS) return [fieldError.tooMany('endpoints', endpoints.length, MAX_ENDPOINTS)]
  return endpoints.flatMap((endpoint, i) => {
    const path = `endpoints[${i}]`
    const { nodeName, hostname, hints } = endpoint
    return [
      ...addressErrors(endpoint.addresses ?? [], `${path}.addresses`, addressType),
      ...(nodeName === undefined ? [] : nameErrors(nodeName, `${path}.nodeName`, dns1123Subdomain)),
      ...topologyErrors(endpoint.deprecatedTopology ?? {}, `${path}.deprecatedTopology`),
      ...(hostname === undefined ? [] : nameErrors(hostname, `${path}.hostname`, dns1123Label)),
      ...(hints === undefined ? [] : hintErrors(hints, `${path}.hints`)),
    ]
  })
}

function addressErrors(addresses: readonly string[], path: string, addressType: string): FieldError[] {
  if (addresses.length === 0) return [fieldError.required(path, 'must contain at least 1 address')]
  if (addresses.length > MAX_ADDRESSES) return [fieldError.tooMany(path, addresses.length, MAX_ADDRESSES)]
  return addresses.flatMap((address, i) => {
    const at = `${path}[${i}]`
    if (addressType === 'FQDN') return nameErrors(address, at, dns1123Subdomain)
    const malformed = validateIp(address, at)
    if (malformed.length > 0) return malformed
    const wanted = addressType === 'IPv6' ? 'ipv6' : 'ipv4'
    const family = parseIpSloppy(address)!.family
    const article = wanted === 'ipv4' ? 'must be an IPv4 address' : 'must be an IPv6 address'
    return [
      ...(family === wanted ? [] : [fieldError.invalid(path, address, article)]),
      ...validateEndpointIp(address, at),
    ]
  })
}

function topologyErrors(topology: Readonly<Record<string, string>>, path: string): FieldError[] {
  const count = Object.keys(topology).length
  return [
    ...(count > MAX_TOPOLOGY ? [fieldError.tooMany(path, count, MAX_TOPOLOGY)] : []),
    ...validateLabels(topology, path),
  ]
}

function hintErrors({ forZones = [], forNodes = [] }: Hints, path: string): FieldError[] {
  if (forZones.length > MAX_HINTS) return [fieldError.tooMany(`${path}.forZones`, forZones.length, MAX_HINTS)]
  const zones = namedErrors(forZones, `${path}.forZones`, labelValue)
  if (forNodes.length > MAX_HINTS) return [...zones, fieldError.tooMany(`${path}.forNodes`, forNodes.length, MAX_HINTS)]
  return [...zones, ...namedErrors(forNodes, `${path}.forNodes`, dns1123Subdomain)]
}

function namedErrors(
  items: readonly { readonly name: string }[],
  path: string,
  rule: (name: string) => readonly string[],
): FieldError[] {
  const seen = new Set<string>()
  return items.flatMap(({ name }, i) => {
    const repeated = seen.has(name)
    seen.add(name)
    const at = `${path}[${i}].name`
    return [...(repeated ? [fieldError.duplicate(at, name)] : []), ...nameErrors(name, at, rule)]
  })
}
