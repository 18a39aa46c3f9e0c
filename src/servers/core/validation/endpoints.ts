/** Endpoints. Source: core validation of Kubernetes. */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { dns1123Label, dns1123Subdomain } from '../../../api/names.ts'
import { appProtocolErrors, nameErrors, oneOf, portErrors, portNameErrors, PROTOCOLS } from './field-checks.ts'
import { validateEndpointIp, validateIp } from './ip-address.ts'

export interface EndpointAddress {
  readonly ip: string
  readonly hostname?: string
  readonly nodeName?: string
}
export interface EndpointPort {
  readonly name?: string
  readonly port: number
  readonly protocol?: string
  readonly appProtocol?: string
}
export interface Endpoints extends KubeObject {
  readonly subsets?: readonly {
    readonly addresses?: readonly EndpointAddress[]
    readonly notReadyAddresses?: readonly EndpointAddress[]
    readonly ports?: readonly EndpointPort[]
  }[]
}

/** Subsets that did not change are not checked again. */
export function validateEndpoints({ subsets = [] }: Endpoints, old?: Endpoints): FieldError[] {
  if (old && JSON.stringify(subsets) === JSON.stringify(old.subsets ?? [])) return []
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }, i) => {
    const path = `subsets[${i}]`
    const none = addresses.length === 0 && notReadyAddresses.length === 0
    return [
      ...(none ? [fieldError.required(path, 'must specify `addresses` or `notReadyAddresses`')] : []),
      ...addresses.flatMap((a, j) => addressErrors(a, `${path}.addresses[${j}]`)),
      ...notReadyAddresses.flatMap((a, j) => addressErrors(a, `${path}.notReadyAddresses[${j}]`)),
      ...ports.flatMap((p, j) => endpointPortErrors(p, `${path}.ports[${j}]`, ports.length > 1)),
    ]
  })
}

function addressErrors(address: EndpointAddress, path: string): FieldError[] {
  const { ip, hostname = '', nodeName } = address
  return [
    ...validateIp(ip, `${path}.ip`),
    ...(hostname === '' ? [] : nameErrors(hostname, `${path}.hostname`, dns1123Label)),
    ...(nodeName === undefined ? [] : nameErrors(nodeName, `${path}.nodeName`, dns1123Subdomain)),
    ...validateEndpointIp(ip, `${path}.ip`),
  ]
}

function endpointPortErrors(p: EndpointPort, path: string, nameRequired: boolean): FieldError[] {
  return [
    ...portNameErrors(p.name, `${path}.name`, nameRequired),
    ...portErrors(p.port, `${path}.port`),
    ...oneOf(p.protocol, `${path}.protocol`, PROTOCOLS),
    ...appProtocolErrors(p.appProtocol, `${path}.appProtocol`),
  ]
}
