/** What is wrong with a BackendPolicy. Used at the write, by `portico check` and for files alike. */
import type {
  BackendPolicy,
  BackendPolicySpec,
  BackendTls,
  PolicyBackend,
  PolicyRoute,
  PolicyTarget,
  TimeoutSet,
} from '../../../api/backend-policy.ts'
import { OWN_BACKEND } from '../../../api/backend-policy.ts'
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import { labelSelectorOf } from '../../../api/label-selector.ts'
import { dns1035Label, dns1123Label, dns1123Subdomain, portNumber } from '../../../api/names.ts'
import { parseDuration } from '../../../lib/duration.ts'

const MAX = { targets: 256, backends: 32, endpoints: 256, routes: 64, rules: 64, ca: 8 }
const MAX_BODY_BYTES = 1_048_576
const MAX_WEIGHT = 1_000_000

const given = (...values: readonly unknown[]): number =>
  values.filter((v) => v !== undefined && v !== '' && !(Array.isArray(v) && v.length === 0)).length

export function validateBackendPolicy(o: BackendPolicy): FieldError[] {
  const spec = o.spec ?? {}
  const names = new Set([OWN_BACKEND, ...(spec.backends ?? []).map((b) => b.name)])
  return [
    ...targetErrors(spec.targets ?? []),
    ...tooMany('spec.backends', spec.backends, MAX.backends),
    ...duplicates('spec.backends', spec.backends ?? []),
    ...(spec.backends ?? []).flatMap((b, i) => backendErrors(`spec.backends[${i}]`, b)),
    ...tooMany('spec.routes', spec.routes, MAX.routes),
    ...(spec.routes ?? []).flatMap((r, i) => routeErrors(`spec.routes[${i}]`, r, names)),
    ...timeoutErrors(spec.timeouts),
    ...sectionErrors(spec),
    ...oneOf('spec.onUnavailable', spec.onUnavailable, ['ServeStale', 'Omit', 'Fail']),
    ...oneOf('spec.openAPI', spec.openAPI, ['Auto', 'None']),
    ...oneOf('spec.traceparent', spec.traceparent, ['Trusted', 'Untrusted']),
  ]
}

function targetErrors(targets: readonly PolicyTarget[]): FieldError[] {
  if (targets.length === 0)
    return [fieldError.required('spec.targets', 'a policy must say which APIServices it is for')]
  return [
    ...tooMany('spec.targets', targets, MAX.targets),
    ...targets.flatMap((t, i) => {
      const path = `spec.targets[${i}]`
      if (given(t.apiService, t.group, t.selector) !== 1)
        return [fieldError.invalid(path, t, 'must have exactly one of apiService, group and selector')]
      if (t.group) return dns1123Subdomain(t.group).map((text) => fieldError.invalid(`${path}.group`, t.group, text))
      return t.selector ? selectorErrors(`${path}.selector`, t.selector) : []
    }),
  ]
}
function selectorErrors(path: string, selector: NonNullable<PolicyTarget['selector']>): FieldError[] {
  try {
    labelSelectorOf(selector)
    return []
  } catch (e) {
    return [fieldError.invalid(path, selector, (e as Error).message)]
  }
}

function backendErrors(path: string, b: PolicyBackend): FieldError[] {
  const errors = dns1123Label(b.name).map((text) => fieldError.invalid(`${path}.name`, b.name, text))
  if (b.name === OWN_BACKEND)
    errors.push(fieldError.invalid(`${path}.name`, b.name, 'is the name of what the APIService itself names'))
  if (given(b.url, b.dns, b.endpoints, b.unixSocket, b.service) !== 1)
    errors.push(
      fieldError.invalid(path, b.name, 'must have exactly one of url, dns, endpoints, unixSocket and service'),
    )
  if (b.url) errors.push(...urlErrors(`${path}.url`, b.url))
  if (b.dns) {
    const { name = '', port } = b.dns
    for (const text of dns1123Subdomain(name)) errors.push(fieldError.invalid(`${path}.dns.name`, name, text))
    errors.push(...portErrors(`${path}.dns.port`, port))
  }
  errors.push(...tooMany(`${path}.endpoints`, b.endpoints, MAX.endpoints))
  for (const [i, e] of (b.endpoints ?? []).entries()) {
    if (e.address === '') errors.push(fieldError.required(`${path}.endpoints[${i}].address`))
    errors.push(...portErrors(`${path}.endpoints[${i}].port`, e.port))
  }
  if (b.unixSocket && !b.unixSocket.startsWith('/'))
    errors.push(fieldError.invalid(`${path}.unixSocket`, b.unixSocket, 'must be an absolute path'))
  if (b.service) {
    const { namespace = '', name = '', port } = b.service
    for (const text of dns1123Label(namespace))
      errors.push(fieldError.invalid(`${path}.service.namespace`, namespace, text))
    for (const text of dns1035Label(name)) errors.push(fieldError.invalid(`${path}.service.name`, name, text))
    errors.push(...portErrors(`${path}.service.port`, port))
  }
  return b.tls ? [...errors, ...tlsErrors(`${path}.tls`, b.tls, b)] : errors
}

function urlErrors(path: string, text: string): FieldError[] {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    return [fieldError.invalid(path, text, 'must be an absolute URL of scheme https or http')]
  if (url.username !== '' || url.password !== '')
    return [fieldError.invalid(path, '<masked>', 'may not hold credentials')]
  if (url.search !== '' || url.hash !== '')
    return [fieldError.invalid(path, text, 'may not have a query or a fragment')]
  return []
}

const isPlain = (b: PolicyBackend): boolean => Boolean(b.unixSocket) || b.url?.startsWith('http://') === true

function tlsErrors(path: string, tls: BackendTls, b: PolicyBackend): FieldError[] {
  const errors: FieldError[] = []
  if (isPlain(b)) errors.push(fieldError.forbidden(path, 'this backend is reached without TLS'))
  if (tls.insecureSkipVerify === true && (tls.ca ?? []).length > 0)
    errors.push(fieldError.invalid(`${path}.insecureSkipVerify`, true, 'may not be true where ca is given'))
  errors.push(...tooMany(`${path}.ca`, tls.ca, MAX.ca))
  for (const [i, source] of (tls.ca ?? []).entries()) {
    const at = `${path}.ca[${i}]`
    if (given(source.secret, source.configMap, source.file) !== 1)
      errors.push(fieldError.invalid(at, source, 'must have exactly one of secret, configMap and file'))
    errors.push(
      ...referenceErrors(`${at}.secret`, source.secret),
      ...referenceErrors(`${at}.configMap`, source.configMap),
    )
  }
  const own = tls.clientCertificate
  if (!own) return errors
  const at = `${path}.clientCertificate`
  if (given(own.secret) > 0 === given(own.certFile, own.keyFile) > 0)
    errors.push(fieldError.invalid(at, own, 'must have either secret, or certFile and keyFile'))
  if (given(own.certFile, own.keyFile) === 1)
    errors.push(fieldError.required(own.certFile ? `${at}.keyFile` : `${at}.certFile`))
  return [...errors, ...referenceErrors(`${at}.secret`, own.secret)]
}
function referenceErrors(path: string, r: { namespace?: string; name?: string } | undefined): FieldError[] {
  if (!r) return []
  return [
    ...(r.namespace ? [] : [fieldError.required(`${path}.namespace`)]),
    ...(r.name ? [] : [fieldError.required(`${path}.name`)]),
  ]
}

function routeErrors(path: string, route: PolicyRoute, names: ReadonlySet<string>): FieldError[] {
  const to = route.to ?? []
  const errors: FieldError[] = []
  if (to.length === 0) errors.push(fieldError.required(`${path}.to`))
  for (const [i, d] of to.entries()) {
    if (!names.has(d.backend)) errors.push(fieldError.notSupported(`${path}.to[${i}].backend`, d.backend, [...names]))
    errors.push(...intErrors(`${path}.to[${i}].weight`, d.weight, 0, MAX_WEIGHT))
  }
  if (to.length > 0 && to.every((d) => d.weight === 0))
    errors.push(fieldError.invalid(`${path}.to`, 0, 'at least one weight must be greater than 0'))
  for (const [i, m] of (route.matches ?? []).entries()) {
    if (given(m.resources, m.verbs, m.users, m.groups, m.headers) === 0)
      errors.push(fieldError.required(`${path}.matches[${i}]`, 'a match without a condition: leave it out instead'))
  }
  return errors
}

const TIMEOUTS: readonly (keyof TimeoutSet)[] = ['connect', 'tlsHandshake', 'firstByte', 'total', 'idle']

function timeoutErrors(timeouts: BackendPolicySpec['timeouts']): FieldError[] {
  if (!timeouts) return []
  const ofSet = (path: string, set: TimeoutSet): FieldError[] =>
    TIMEOUTS.flatMap((name) => durationErrors(`${path}.${name}`, set[name]))
  const rules = timeouts.rules ?? []
  return [
    ...ofSet('spec.timeouts', timeouts),
    ...tooMany('spec.timeouts.rules', rules, MAX.rules),
    ...rules.flatMap((r, i) => {
      const path = `spec.timeouts.rules[${i}]`
      const errors = ofSet(path, r)
      if (given(r.verbs, r.resources, r.paths) === 0)
        errors.push(fieldError.required(path, 'a rule must have verbs, resources or paths'))
      if (r.longRunning === true && r.total)
        errors.push(fieldError.forbidden(`${path}.total`, 'a long-running request has no total'))
      return errors
    }),
  ]
}

function sectionErrors(spec: BackendPolicySpec): FieldError[] {
  const { balancing: b, retries: r, circuitBreaker: c, bulkhead: h, probe: p, connections: n } = spec
  return [
    ...durationErrors('spec.balancing.slowStart', b?.slowStart),
    ...durationErrors('spec.balancing.ejectionTime', b?.ejectionTime),
    ...intErrors('spec.balancing.consecutiveFailures', b?.consecutiveFailures, 1, 1000),
    ...intErrors('spec.balancing.maxEjectedPercent', b?.maxEjectedPercent, 0, 100),
    ...intErrors('spec.retries.attempts', r?.attempts, 0, 10),
    ...intErrors('spec.retries.budgetPercent', r?.budgetPercent, 0, 100),
    ...intErrors('spec.retries.maxBodyBytes', r?.maxBodyBytes, 0, MAX_BODY_BYTES),
    ...intErrors('spec.circuitBreaker.failurePercent', c?.failurePercent, 1, 100),
    ...intErrors('spec.circuitBreaker.minRequests', c?.minRequests, 1, 100_000),
    ...intErrors('spec.circuitBreaker.maxFailures', c?.maxFailures, 0, 100_000),
    ...durationErrors('spec.circuitBreaker.window', c?.window),
    ...durationErrors('spec.circuitBreaker.openFor', c?.openFor),
    ...intErrors('spec.bulkhead.maxInFlight', h?.maxInFlight, 1, 1_000_000),
    ...intErrors('spec.bulkhead.maxQueued', h?.maxQueued, 0, 1_000_000),
    ...intErrors('spec.bulkhead.maxWatches', h?.maxWatches, 0, 1_000_000),
    ...intErrors('spec.bulkhead.requestsPerSecond', h?.requestsPerSecond, 1, 1_000_000),
    ...intErrors('spec.bulkhead.burst', h?.burst, 1, 1_000_000),
    ...(h?.burst !== undefined && h.requestsPerSecond === undefined
      ? [fieldError.required('spec.bulkhead.requestsPerSecond', 'a burst is of a rate')]
      : []),
    ...durationErrors('spec.bulkhead.maxQueueTime', h?.maxQueueTime),
    ...probeErrors(p),
    ...oneOf('spec.connections.protocol', n?.protocol, ['Auto', 'HTTP1', 'HTTP2']),
    ...(n?.protocol === 'HTTP2' && (spec.backends ?? []).some(isPlain)
      ? [fieldError.invalid('spec.connections.protocol', n.protocol, 'a backend without TLS is spoken to in HTTP/1.1')]
      : []),
    ...durationErrors('spec.connections.maxAge', n?.maxAge),
    ...durationErrors('spec.connections.idleTimeout', n?.idleTimeout),
    ...durationErrors('spec.connections.readIdle', n?.readIdle),
    ...durationErrors('spec.connections.pingTimeout', n?.pingTimeout),
  ]
}
function probeErrors(p: BackendPolicySpec['probe']): FieldError[] {
  if (!p) return []
  return [
    ...(p.path && !p.path.startsWith('/')
      ? [fieldError.invalid('spec.probe.path', p.path, 'must start with a slash')]
      : []),
    ...durationErrors('spec.probe.interval', p.interval),
    ...durationErrors('spec.probe.timeout', p.timeout),
    ...intErrors('spec.probe.failureThreshold', p.failureThreshold, 1, 100),
    ...intErrors('spec.probe.successThreshold', p.successThreshold, 1, 100),
    ...(p.expectedStatuses ?? []).flatMap((s, i) => intErrors(`spec.probe.expectedStatuses[${i}]`, s, 200, 599)),
  ]
}

function durationErrors(path: string, text: string | undefined): FieldError[] {
  if (text === undefined || text === '') return []
  try {
    return parseDuration(text) > 0 ? [] : [fieldError.invalid(path, text, 'must be greater than zero')]
  } catch (e) {
    return [fieldError.invalid(path, text, (e as Error).message)]
  }
}
function intErrors(path: string, value: number | undefined, least: number, most: number): FieldError[] {
  if (value === undefined || (value >= least && value <= most)) return []
  return [fieldError.invalid(path, value, `must be between ${least} and ${most}, inclusive`)]
}
function portErrors(path: string, port: number | undefined): FieldError[] {
  return port === undefined ? [] : portNumber(port).map((text) => fieldError.invalid(path, port, text))
}
function oneOf(path: string, value: string | undefined, allowed: readonly string[]): FieldError[] {
  return value === undefined || value === '' || allowed.includes(value)
    ? []
    : [fieldError.notSupported(path, value, allowed)]
}
function tooMany(path: string, list: readonly unknown[] | undefined, most: number): FieldError[] {
  return list !== undefined && list.length > most ? [fieldError.tooMany(path, list.length, most)] : []
}
function duplicates(path: string, named: readonly { name: string }[]): FieldError[] {
  const seen = new Set<string>()
  return named.flatMap(({ name }, i) => {
    if (seen.has(name)) return [fieldError.duplicate(`${path}[${i}].name`, name)]
    seen.add(name)
    return []
  })
}

/** What is allowed and may surprise. */
export function backendPolicyWarnings(o: BackendPolicy): string[] {
  return (o.spec?.backends ?? []).flatMap((b, i) => {
    const path = `spec.backends[${i}]`
    if (b.tls?.insecureSkipVerify === true)
      return [`${path}.tls.insecureSkipVerify: the identity of this backend is not verified; use ca instead`]
    return b.url?.startsWith('http://') === true
      ? [`${path}.url: requests and the identities in them travel without TLS`]
      : []
  })
}
