/**
 * What stands in the cells of tables: a JSON path, or a rule by name. Source: Kubernetes' printers.
 *
 * Not here: rules of a single kind, which stand in its module.
 */
import type { KubeObject } from '../api/meta.ts'
import { type Cell, type CellFunction, age, at, joined, list, scalar, text, texts } from './cell-values.ts'

/** `age`, a path that starts with a dot, or a rule with its arguments: `count(data)`. */
export type CellRule = string
type Rule = (object: KubeObject, now: number, ...args: string[]) => Cell

export function cellOf(rule: CellRule | CellFunction, object: KubeObject, now: number): Cell {
  if (typeof rule === 'function') return rule(object, now)
  if (rule.startsWith('.')) return scalar(at(object, rule.slice(1)))
  const call = /^(\w+)(?:\(([^)]*)\))?$/.exec(rule)
  const found = call ? RULES[call[1]!] : undefined
  if (!found) throw new Error(`no rule for the table cell ${rule}`)
  return found(object, now, ...(call![2]?.split(',') ?? []))
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
