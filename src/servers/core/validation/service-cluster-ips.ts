/** Cluster IPs and IP families of a Service. Source: core validation and the Service registry of Kubernetes. */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import { oneOf } from './field-checks.ts'
import { parseIpSloppy, validateIp } from './ip-address.ts'
import { isHeadless, type Service, type ServiceSpec } from './service-types.ts'

const FAMILIES = ['IPv4', 'IPv6']
const FAMILY_POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack']

export function clusterIpErrors(service: Service, old?: Service): FieldError[] {
  const { spec } = service
  if (spec.type === 'ExternalName') return []
  const { clusterIP = '', clusterIPs = [], ipFamilyPolicy } = spec
  const errors: FieldError[] = []
  if (clusterIP !== '' && clusterIPs.length === 0) errors.push(fieldError.required('spec.clusterIPs'))
  else if (clusterIP !== '' && clusterIPs[0] !== clusterIP)
    errors.push(fieldError.invalid('spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`'))
  else if (clusterIP === '' && clusterIPs.length > 0)
    errors.push(fieldError.invalid('spec.clusterIPs', clusterIPs, 'must be empty when `clusterIP` is not specified'))
  errors.push(...familyErrors(spec))
  if (ipFamilyPolicy !== undefined) errors.push(...oneOf(ipFamilyPolicy, 'spec.ipFamilyPolicy', FAMILY_POLICIES))
  return [...errors, ...addressErrors(service, clusterIPs, old)]
}

function familyErrors({ ipFamilies = [] }: ServiceSpec): FieldError[] {
  const seen = new Set<string>()
  return ipFamilies.flatMap((family, i) => {
    const path = `spec.ipFamilies[${i}]`
    const repeated = seen.has(family)
    seen.add(family)
    return [...oneOf(family, path, FAMILIES), ...(repeated ? [fieldError.duplicate(path, family)] : [])]
  })
}

function addressErrors(service: Service, ips: readonly string[], old?: Service): FieldError[] {
  const errors: FieldError[] = []
  if (ips[0] === 'None' && ips.length > 1)
    errors.push(fieldError.invalid('spec.clusterIPs', ips, "'None' must be the first and only value"))
  const malformed = ips.flatMap((ip, i) =>
    i === 0 && ip === 'None' ? [] : validateIp(ip, `spec.clusterIPs[${i}]`, old?.spec.clusterIPs),
  )
  errors.push(...malformed)
  if (ips.length > 2) errors.push(fieldError.invalid('spec.clusterIPs', ips, 'may only hold up to 2 values'))
  if (malformed.length > 0) return errors
  const families = ips.map((ip) => parseIpSloppy(ip)?.family)
  if (ips.length > 1 && new Set(families).size < 2)
    errors.push(fieldError.invalid('spec.clusterIPs', ips, 'may specify no more than one IP for each IP family'))
  return isHeadless(service) ? errors : [...errors, ...familyMatchErrors(service.spec, families)]
}

function familyMatchErrors(
  { ipFamilies = [], clusterIPs = [] }: ServiceSpec,
  found: readonly (string | undefined)[],
): FieldError[] {
  return ipFamilies.flatMap((family, i) => {
    if (i >= clusterIPs.length || found[i] === family.toLowerCase()) return []
    const text = `expected an ${family} value as indicated by \`ipFamilies[${i}]\``
    return [fieldError.invalid(`spec.clusterIPs[${i}]`, clusterIPs[i], text)]
  })
}

/** What was allocated stays, but for a secondary address, which may be released. */
export function clusterIpUpdateErrors(service: Service, old: Service): FieldError[] {
  if (service.spec.type === 'ExternalName' || old.spec.type === 'ExternalName') return []
  const errors: FieldError[] = []
  if (!(isHeadless(old) && isHeadless(service)))
    errors.push(
      ...listChangeErrors(service, old, {
        field: 'clusterIPs',
        primary: 'primary clusterIP',
        released: 'secondary clusterIP',
      }),
    )
  if (!isHeadless(old) && !isHeadless(service))
    errors.push(
      ...listChangeErrors(service, old, {
        field: 'ipFamilies',
        primary: 'primary ipFamily',
        released: 'secondary ipFamily',
      }),
    )
  return errors
}

function listChangeErrors(
  service: Service,
  old: Service,
  { field, primary, released }: { field: 'clusterIPs' | 'ipFamilies'; primary: string; released: string },
): FieldError[] {
  const now = service.spec[field] ?? []
  const before = old.spec[field] ?? []
  const changed = (i: number): FieldError =>
    fieldError.invalid(`spec.${field}[${field === 'clusterIPs' ? i : 0}]`, now, 'may not change once set')
  if (now.length === before.length) return before.flatMap((value, i) => (value === now[i] ? [] : [changed(i)]))
  if (now.length > before.length) return before.length > 0 && now[0] !== before[0] ? [changed(0)] : []
  const errors: FieldError[] = []
  if (now.length === 0) errors.push(fieldError.invalid(`spec.${field}[0]`, now, `${primary} can not be unset`))
  else if (now[0] !== before[0]) errors.push(changed(0))
  if (now.length === 1 && service.spec.ipFamilyPolicy !== 'SingleStack')
    errors.push(
      fieldError.invalid(
        'spec.ipFamilyPolicy',
        service.spec.ipFamilyPolicy,
        `must be set to 'SingleStack' when releasing the ${released}`,
      ),
    )
  return errors
}

/**
 * Keeps clusterIP and clusterIPs in step before validation: who writes one of them need not know the other.
 * @returns the fields to set; undefined stands for absent.
 */
export function normalizedClusterIps(
  spec: ServiceSpec,
  old?: ServiceSpec,
): Pick<ServiceSpec, 'clusterIP' | 'clusterIPs'> {
  const { clusterIP = '', clusterIPs = [] } = spec
  const kept = { ...(clusterIP === '' ? {} : { clusterIP }), ...(clusterIPs.length === 0 ? {} : { clusterIPs }) }
  if (!old) return clusterIP !== '' && clusterIPs.length === 0 ? { clusterIP, clusterIPs: [clusterIP] } : kept
  const unchangedList = JSON.stringify(clusterIPs) === JSON.stringify(old.clusterIPs ?? [])
  const before = old.clusterIP ?? ''
  // clusterIP cleared or changed, the list left as it was: the list follows.
  if (clusterIP === '' && before !== '') return unchangedList ? {} : kept
  if (clusterIP !== before && unchangedList) return { clusterIP, clusterIPs: [clusterIP] }
  return kept
}
