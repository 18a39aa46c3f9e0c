/** What stands in the cells of tables: a JSON path, or a rule by name. Source: Kubernetes' printers. */
import type { KubeObject } from '../api/meta.ts'
import { humanDuration } from './human-duration.ts'

/** `age`, a path that starts with a dot, or a rule with its arguments: `count(data)`. */
export type CellRule = string
type Cell = string | number | boolean
type Rule = (object: KubeObject, now: number, ...args: string[]) => Cell

const NONE = '<none>'
const MAX_LISTED = 3

export function cellOf(rule: CellRule, object: KubeObject, now: number): Cell {
  if (rule.startsWith('.')) return scalar(at(object, rule.slice(1)))
  const call = /^(\w+)(?:\(([^)]*)\))?$/.exec(rule)
  const found = call ? RULES[call[1]!] : undefined
  if (!found) throw new Error(`no rule for the table cell ${rule}`)
  return found(object, now, ...(call![2]?.split(',') ?? []))
}

/** Follows a dotted path; undefined where it ends. */
function at(value: unknown, path: string): unknown {
  let current = value
  for (const key of path.split('.')) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined
    current = (current as Record<string, unknown>)[key]
  }
  return current
}
const scalar = (value: unknown): Cell =>
  typeof value === 'number' || typeof value === 'boolean' ? value : typeof value === 'string' ? value : ''
const text = (object: unknown, path: string): string => String(scalar(at(object, path)))
const list = (object: unknown, path: string): readonly unknown[] => {
  const value = at(object, path)
  return Array.isArray(value) ? value : []
}

const texts = (entries: readonly unknown[]): string[] => entries.map((e) => String(scalar(e)))

function age(time: unknown, now: number): string {
  const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return Number.isNaN(ms) ? '<unknown>' : humanDuration(now - ms)
}

function truncated(entries: readonly string[], empty: string): string {
  if (entries.length === 0) return empty
  const shown = entries.slice(0, MAX_LISTED).join(',')
  return entries.length > MAX_LISTED ? `${shown} + ${entries.length - MAX_LISTED} more...` : shown
}

const joined = (entries: readonly string[]): string => (entries.length === 0 ? NONE : entries.join(','))

function firstSeen(o: KubeObject, now: number): string {
  return age(at(o, 'firstTimestamp') ?? at(o, 'eventTime'), now)
}

function subsetAddresses(subset: unknown): string[] {
  const ips = list(subset, 'addresses').map((a) => text(a, 'ip'))
  const ports = list(subset, 'ports')
  if (ports.length === 0) return ips
  return ports.flatMap((p) => ips.map((ip) => `${ip.includes(':') ? `[${ip}]` : ip}:${text(p, 'port')}`))
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

/** A label selector as Go's debug text, which kube-apiserver shows in cells. */
function goText(selector: unknown): string {
  const map = (at(selector, 'matchLabels') ?? {}) as Record<string, string>
  const labelTexts = Object.keys(map)
    .sort()
    .map((k) => `${k}: ${map[k]},`)
  const requirements = list(selector, 'matchExpressions').map(
    (e) =>
      `LabelSelectorRequirement{Key:${text(e, 'key')},Operator:${text(e, 'operator')},Values:[${texts(list(e, 'values')).join(' ')}],},`,
  )
  return `&LabelSelector{MatchLabels:map[string]string{${labelTexts.join('')}},MatchExpressions:[]LabelSelectorRequirement{${requirements.join('')}},}`
}

function available(o: KubeObject): string {
  const condition = list(o, 'status.conditions').find((c) => text(c, 'type') === 'Available')
  if (!condition) return 'Unknown'
  const status = text(condition, 'status')
  const reason = text(condition, 'reason')
  return status === 'True' || reason === '' ? status : `${status} (${reason})`
}

const RULES: Record<string, Rule> = {
  age: (o, now) => age(o.metadata.creationTimestamp, now),
  count: (o, _now, ...fields) =>
    fields.reduce((sum, f) => sum + Object.keys((at(o, f) as object | undefined) ?? {}).length, 0),
  /** 0 where it is not set. */
  number: (o, _now, field) => Number(at(o, field!) ?? 0),
  trim: (o, _now, field) => text(o, field!).trim(),
  labels: (o, _now, field) => {
    const map = (at(o, field!) ?? {}) as Record<string, string>
    return joined(
      Object.keys(map)
        .sort()
        .map((k) => `${k}=${map[k]}`),
    )
  },
  endpoints: (o) =>
    list(o, 'subsets').length === 0 ? NONE : truncated(list(o, 'subsets').flatMap(subsetAddresses), ''),
  endpointSlicePorts: (o) =>
    truncated(
      list(o, 'ports').map((p) => text(p, 'port') || text(p, 'name') || '*'),
      '<unset>',
    ),
  endpointSliceAddresses: (o) =>
    truncated(
      list(o, 'endpoints').flatMap((e) => list(e, 'addresses').map(String)),
      '<unset>',
    ),
  eventLastSeen: (o, now) => {
    const last = at(o, 'series.lastObservedTime') ?? at(o, 'lastTimestamp')
    return last == null ? firstSeen(o, now) : age(last, now)
  },
  eventFirstSeen: firstSeen,
  eventObject: (o) => {
    const about = at(o, 'involvedObject') ?? at(o, 'regarding')
    const name = text(about, 'name')
    return text(about, 'kind').toLowerCase() + (name === '' ? '' : `/${name}`)
  },
  eventSource: (o) => {
    const component =
      text(o, 'source.component') ||
      text(o, 'deprecatedSource.component') ||
      text(o, 'reportingComponent') ||
      text(o, 'reportingController')
    const instance = text(o, 'source.host') || text(o, 'deprecatedSource.host') || text(o, 'reportingInstance')
    return instance === '' ? component : `${component}, ${instance}`
  },
  eventCount: (o) => Number(at(o, 'series.count') ?? at(o, 'count') ?? at(o, 'deprecatedCount') ?? 0) || 1,
  serviceClusterIP: (o) => joined(texts(list(o, 'spec.clusterIPs').slice(0, 1))),
  serviceExternalIP: externalIP,
  servicePorts: (o) =>
    joined(
      list(o, 'spec.ports').map(
        (p) =>
          `${text(p, 'port')}${Number(at(p, 'nodePort') ?? 0) > 0 ? `:${text(p, 'nodePort')}` : ''}/${text(p, 'protocol')}`,
      ),
    ),
  apiServiceService: (o) =>
    at(o, 'spec.service') === undefined
      ? 'Local'
      : `${text(o, 'spec.service.namespace')}/${text(o, 'spec.service.name')}`,
  apiServiceAvailable: available,
  condition: (o, _now, type, otherwise = 'Unknown') =>
    text(
      list(o, 'status.conditions').find((c) => text(c, 'type') === type),
      'status',
    ) || otherwise,
  /** What stands at the path, or the text in its place. */
  or: (o, _now, field, otherwise) => {
    const value = scalar(at(o, field!))
    return value === '' ? otherwise! : value
  },
  paramKind: (o) => {
    const kind = at(o, 'spec.paramKind')
    return kind === undefined ? '<unset>' : `${text(kind, 'apiVersion')}/${text(kind, 'kind')}`
  },
  paramRef: (o) => {
    const ref = at(o, 'spec.paramRef')
    if (text(ref, 'name') !== '') return `${text(ref, 'namespace') || '*'}/${text(ref, 'name')}`
    const selector = at(ref, 'selector')
    return selector === undefined ? '<unset>' : goText(selector)
  },
}
