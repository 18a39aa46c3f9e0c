/**
 * Services, after defaulting. Source: core validation of Kubernetes. One rule is left out on purpose: a health
 * check port is not required, as this server allocates none.
 */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import { dns1123Subdomain, portNumber, qualifiedName } from '../../../api/names.ts'
import { validateLabels } from '../../../api/validate-object-meta.ts'
import { nameErrors, oneOf } from './field-checks.ts'
import { parseIpSloppy, validateCidr, validateEndpointIp, validateIp } from './ip-address.ts'
import { clusterIpErrors, clusterIpUpdateErrors } from './service-cluster-ips.ts'
import { servicePortListErrors } from './service-ports.ts'
import { isExternallyAccessible, isHeadless, needsHealthCheck, type Service } from './service-types.ts'

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const AFFINITIES = ['ClientIP', 'None']
const POLICIES = ['Cluster', 'Local']
/** In upstream's order, which is not the alphabet's. */
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode']
const IP_MODES = ['Proxy', 'VIP']
const MAX_AFFINITY_SECONDS = 86_400
const RANGES_ANNOTATION = 'service.beta.kubernetes.io/load-balancer-source-ranges'

export function validateService(service: Service, old?: Service): FieldError[] {
  return [
    ...(old ? updateErrors(service, old) : []),
    ...typeSpecificErrors(service),
    ...servicePortListErrors(service),
    ...(service.spec.selector ? validateLabels(service.spec.selector, 'spec.selector') : []),
    ...affinityErrors(service),
    ...clusterIpErrors(service, old),
    ...externalIpErrors(service, old),
    ...oneOf(service.spec.type, 'spec.type', TYPES),
    ...sourceRangeErrors(service, old),
    ...loadBalancerErrors(service),
    ...trafficErrors(service),
  ]
}

export function validateServiceStatus(service: Service, old: Service): FieldError[] {
  const ingress = service.status?.loadBalancer?.ingress ?? []
  const path = 'status.loadBalancer.ingress'
  if (service.spec.type !== 'LoadBalancer' && ingress.length > 0)
    return [fieldError.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
  const known = (old.status?.loadBalancer?.ingress ?? []).map((i) => i.ip ?? '')
  return ingress.flatMap(({ ip = '', hostname = '', ipMode }, i) => {
    const at = `${path}[${i}]`
    const errors: FieldError[] = ip === '' ? [] : validateIp(ip, `${at}.ip`, known)
    if (ip !== '' && ipMode === undefined)
      errors.push(fieldError.required(`${at}.ipMode`, 'must be specified when `ip` is set'))
    if (ip === '' && ipMode !== undefined)
      errors.push(fieldError.forbidden(`${at}.ipMode`, 'may not be specified when `ip` is not set'))
    else if (ipMode !== undefined) errors.push(...oneOf(ipMode, `${at}.ipMode`, IP_MODES))
    if (hostname !== '') errors.push(...nameErrors(hostname, `${at}.hostname`, dns1123Subdomain))
    if (hostname !== '' && parseIpSloppy(hostname))
      errors.push(fieldError.invalid(`${at}.hostname`, hostname, 'must be a DNS name, not an IP address'))
    return errors
  })
}

function updateErrors(service: Service, old: Service): FieldError[] {
  const errors = clusterIpUpdateErrors(service, old)
  const balanced = service.spec.type === 'LoadBalancer' && old.spec.type === 'LoadBalancer'
  const { loadBalancerClass, healthCheckNodePort } = service.spec
  if (balanced && loadBalancerClass !== old.spec.loadBalancerClass)
    errors.push(fieldError.invalid('spec.loadBalancerClass', loadBalancerClass, 'may not change once set'))
  const checked = needsHealthCheck(service) && needsHealthCheck(old)
  if (checked && healthCheckNodePort !== old.spec.healthCheckNodePort)
    errors.push(fieldError.forbidden('spec.healthCheckNodePort', 'field is immutable'))
  return errors
}

function typeSpecificErrors(service: Service): FieldError[] {
  const { spec } = service
  switch (spec.type) {
    case 'LoadBalancer':
    case 'NodePort':
      return isHeadless(service)
        ? [fieldError.invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${spec.type} services`)]
        : []
    case 'ExternalName':
      return externalNameErrors(service)
    default:
      return []
  }
}

function externalNameErrors({ spec }: Service): FieldError[] {
  const forbidden = (field: string): FieldError =>
    fieldError.forbidden(`spec.${field}`, 'may not be set for ExternalName services')
  const name = (spec.externalName ?? '').replace(/\.$/, '')
  return [
    ...((spec.clusterIPs ?? []).length > 0 ? [forbidden('clusterIPs')] : []),
    ...((spec.ipFamilies ?? []).length > 0 ? [forbidden('ipFamilies')] : []),
    ...(spec.ipFamilyPolicy === undefined ? [] : [forbidden('ipFamilyPolicy')]),
    ...(name === ''
      ? [fieldError.required('spec.externalName')]
      : nameErrors(name, 'spec.externalName', dns1123Subdomain)),
  ]
}

function affinityErrors({ spec }: Service): FieldError[] {
  const { sessionAffinity, sessionAffinityConfig: config } = spec
  const errors = oneOf(sessionAffinity, 'spec.sessionAffinity', AFFINITIES)
  const path = 'spec.sessionAffinityConfig'
  if (sessionAffinity === 'None' && config !== undefined)
    return [...errors, fieldError.forbidden(path, 'must not be set when session affinity is None')]
  if (sessionAffinity !== 'ClientIP') return errors
  const seconds = config?.clientIP?.timeoutSeconds
  if (seconds === undefined) {
    const missing = config === undefined ? '' : config.clientIP === undefined ? '.clientIP' : '.clientIP.timeoutSeconds'
    return [...errors, fieldError.required(path + missing, 'when session affinity type is ClientIP')]
  }
  if (seconds > 0 && seconds <= MAX_AFFINITY_SECONDS) return errors
  const text = `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`
  return [...errors, fieldError.invalid(`${path}.clientIP.timeoutSeconds`, seconds, text)]
}

function externalIpErrors({ spec }: Service, old?: Service): FieldError[] {
  return (spec.externalIPs ?? []).flatMap((ip, i) => {
    const malformed = validateIp(ip, `spec.externalIPs[${i}]`, old?.spec.externalIPs)
    return malformed.length > 0 ? malformed : validateEndpointIp(ip, `spec.externalIPs[${i}]`)
  })
}

function sourceRangeErrors({ spec, metadata }: Service, old?: Service): FieldError[] {
  const ranges = spec.loadBalancerSourceRanges ?? []
  const elsewhere = "may only be used when `type` is 'LoadBalancer'"
  // The path is spelled so in Kubernetes.
  const path = 'spec.LoadBalancerSourceRanges'
  if (ranges.length > 0)
    return [
      ...(spec.type === 'LoadBalancer' ? [] : [fieldError.forbidden(path, elsewhere)]),
      ...ranges.flatMap((r, i) => validateCidr(r.trim(), `${path}[${i}]`, old?.spec.loadBalancerSourceRanges)),
    ]
  const annotation = metadata.annotations?.[RANGES_ANNOTATION]
  if (annotation === undefined) return []
  const at = `metadata.annotations[${RANGES_ANNOTATION}]`
  const unchanged = old?.metadata.annotations?.[RANGES_ANNOTATION] === annotation
  const parts = unchanged || annotation.trim() === '' ? [] : annotation.trim().split(',')
  return [
    ...(spec.type === 'LoadBalancer' ? [] : [fieldError.forbidden(at, elsewhere)]),
    ...parts.flatMap((part) => validateCidr(part.trim(), at)),
  ]
}

function loadBalancerErrors({ spec }: Service): FieldError[] {
  const balanced = spec.type === 'LoadBalancer'
  const elsewhere = "may only be used when `type` is 'LoadBalancer'"
  const errors: FieldError[] = []
  if (!balanced && spec.allocateLoadBalancerNodePorts !== undefined)
    errors.push(fieldError.forbidden('spec.allocateLoadBalancerNodePorts', elsewhere))
  if (balanced && spec.allocateLoadBalancerNodePorts === undefined)
    errors.push(fieldError.required('allocateLoadBalancerNodePorts'))
  if (spec.loadBalancerClass !== undefined)
    errors.push(
      ...(balanced
        ? nameErrors(spec.loadBalancerClass, 'spec.loadBalancerClass', qualifiedName)
        : [fieldError.forbidden('spec.loadBalancerClass', elsewhere)]),
    )
  return errors
}

function trafficErrors(service: Service): FieldError[] {
  const { spec } = service
  const { externalTrafficPolicy = '', healthCheckNodePort = 0, internalTrafficPolicy, trafficDistribution } = spec
  const errors: FieldError[] = []
  if (isExternallyAccessible(service))
    errors.push(...oneOf(externalTrafficPolicy, 'spec.externalTrafficPolicy', POLICIES))
  else if (externalTrafficPolicy !== '')
    errors.push(
      fieldError.invalid(
        'spec.externalTrafficPolicy',
        externalTrafficPolicy,
        'may only be set for externally-accessible services',
      ),
    )
  if (healthCheckNodePort !== 0) errors.push(...healthCheckErrors(service, healthCheckNodePort))
  if (internalTrafficPolicy !== undefined || spec.type !== 'ExternalName')
    errors.push(...oneOf(internalTrafficPolicy, 'spec.internalTrafficPolicy', POLICIES))
  if (trafficDistribution !== undefined)
    errors.push(...oneOf(trafficDistribution, 'spec.trafficDistribution', DISTRIBUTIONS))
  return errors
}

function healthCheckErrors(service: Service, port: number): FieldError[] {
  const path = 'spec.healthCheckNodePort'
  const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
  if (!needsHealthCheck(service)) return [fieldError.invalid(path, port, text)]
  return portNumber(port).map((message) => fieldError.invalid(path, port, message))
}
