/** The ports of a Service. Source: core validation of Kubernetes. */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import { appProtocolErrors, oneOf, portErrors, portNameErrors, portOrNameErrors, PROTOCOLS } from './field-checks.ts'
import { isHeadless, type Service, type ServicePort } from './service-types.ts'

export function servicePortListErrors(service: Service): FieldError[] {
  const { ports = [], type } = service.spec
  if (ports.length === 0)
    return isHeadless(service) || type === 'ExternalName' ? [] : [fieldError.required('spec.ports')]
  const names = new Set<string>()
  return [
    ...ports.flatMap((p, i) => portErrorsOf(p, `spec.ports[${i}]`, names, ports.length > 1)),
    ...nodePortErrors(ports, type),
    ...duplicateErrors(ports),
  ]
}

function portErrorsOf(p: ServicePort, path: string, names: Set<string>, nameRequired: boolean): FieldError[] {
  const { name = '' } = p
  const repeated = name !== '' && names.has(name)
  names.add(name)
  return [
    ...portNameErrors(name, `${path}.name`, nameRequired),
    ...(repeated ? [fieldError.duplicate(`${path}.name`, name)] : []),
    ...portErrors(p.port, `${path}.port`),
    ...oneOf(p.protocol, `${path}.protocol`, PROTOCOLS),
    ...portOrNameErrors(p.targetPort, `${path}.targetPort`),
    ...appProtocolErrors(p.appProtocol, `${path}.appProtocol`),
  ]
}

function nodePortErrors(ports: readonly ServicePort[], type: string | undefined): FieldError[] {
  const errors: FieldError[] = []
  const taken = new Set<string>()
  ports.forEach(({ nodePort = 0, protocol = '' }, i) => {
    if (nodePort === 0) return
    const path = `spec.ports[${i}].nodePort`
    if (type === 'ClusterIP') errors.push(fieldError.forbidden(path, "may not be used when `type` is 'ClusterIP'"))
    const key = `${protocol}/${nodePort}`
    if (taken.has(key)) errors.push(fieldError.duplicate(path, nodePort))
    taken.add(key)
  })
  return errors
}

function duplicateErrors(ports: readonly ServicePort[]): FieldError[] {
  const seen = new Set<string>()
  return ports.flatMap(({ port, protocol = '' }, i) => {
    const key = `${protocol}/${port}`
    if (!seen.has(key)) {
      seen.add(key)
      return []
    }
    // The value is Go's internal struct, as JSON.
    const value = { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 }
    return [fieldError.duplicate(`spec.ports[${i}]`, value)]
  })
}
