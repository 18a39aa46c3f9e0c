/**
 * HorizontalPodAutoscaler between autoscaling/v1 and the hub. v1 has fields for one CPU utilization alone: the other metrics,
 * the metrics and conditions of the status, and the behavior are JSON in annotations.
 *
 * Source: Kubernetes v1.35, whose annotations and losses are kept: a second CPU utilization does not come back.
 */
import { conform, decodeTyped } from '../../../api/codec/typed-decode.ts'
import type { Conversion } from '../../../api/kinds/kind.ts'
import type { KubeObject, ObjectMeta } from '../../../api/meta.ts'
import type { ObjectType, TypeTable } from '../../../api/schema/type-table.ts'
import type {
  Autoscaler,
  MetricSource,
  CurrentMetric,
  MetricSpec,
  MetricStatus,
  SourceField,
} from './autoscaler-types.ts'
import { SOURCES } from './autoscaler-types.ts'

const PREFIX = 'autoscaling.alpha.kubernetes.io/'
const ANNOTATIONS = {
  metrics: `${PREFIX}metrics`,
  currentMetrics: `${PREFIX}current-metrics`,
  conditions: `${PREFIX}conditions`,
  behavior: `${PREFIX}behavior`,
}
const OF_FORM: ReadonlySet<string> = new Set([
  ...Object.values(ANNOTATIONS),
  `${PREFIX}scale-up-tolerance`,
  `${PREFIX}scale-down-tolerance`,
])
const V1 = 'io.k8s.api.autoscaling.v1'
const V2 = 'io.k8s.api.autoscaling.v2'

interface OlderSpec {
  readonly scaleTargetRef?: object
  readonly minReplicas?: number
  readonly maxReplicas?: number
  readonly targetCPUUtilizationPercentage?: number
}
interface OlderStatus {
  readonly observedGeneration?: number
  readonly lastScaleTime?: string
  readonly currentReplicas?: number
  readonly desiredReplicas?: number
  readonly currentCPUUtilizationPercentage?: number
}
interface OlderAutoscaler extends KubeObject {
  readonly spec?: OlderSpec
  readonly status?: OlderStatus
}
/** A metric or its current value in the words of v1, by its source's field. */
type OlderMetric = { readonly type?: string } & { readonly [field in SourceField]?: Record<string, unknown> }

/** Annotations that say what v1 has no fields for are no part of any object. */
export function withoutFormAnnotations(metadata: ObjectMeta): ObjectMeta {
  const { annotations, ...rest } = metadata
  if (!annotations || !Object.keys(annotations).some((name) => OF_FORM.has(name))) return metadata
  const kept = Object.entries(annotations).filter(([name]) => !OF_FORM.has(name))
  return kept.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(kept) }
}

/** @param fallback the metric of an object that names none. */
export function autoscalerConversion(types: TypeTable, fallback: MetricSpec): Conversion {
  const type = (model: string): ObjectType => types.byModel(model)!
  const [spec, status] = [type(`${V1}.MetricSpec`), type(`${V1}.MetricStatus`)]
  const condition = type(`${V1}.HorizontalPodAutoscalerCondition`)
  const behavior = type(`${V2}.HorizontalPodAutoscalerBehavior`)
  return {
    toHub: (object) => {
      const { annotations = {} } = object.metadata
      const read = <T>(name: string, of: ObjectType): T[] | undefined => readList<T>(annotations[name], of)
      const given = object as OlderAutoscaler
      const rules = readBehavior(annotations[ANNOTATIONS.behavior], behavior)
      return {
        ...object,
        metadata: withoutFormAnnotations(object.metadata),
        spec: {
          ...newerSpec(given.spec ?? {}, read<OlderMetric>(ANNOTATIONS.metrics, spec) ?? [], fallback),
          ...(rules ? { behavior: rules } : {}),
        },
        status: {
          ...newerStatus(given.status ?? {}, read<OlderMetric>(ANNOTATIONS.currentMetrics, status)),
          ...conditionsOf(read<object>(ANNOTATIONS.conditions, condition)),
        },
      }
    },
    fromHub: (object) => {
      const { spec: newSpec = {}, status: newStatus = {} } = object as Autoscaler
      const { metrics = [] } = newSpec
      const { conditions = [] } = newStatus
      const currentMetrics = newStatus.currentMetrics ?? []
      const text = (of: ObjectType, values: readonly object[]): string | undefined =>
        values.length === 0 ? undefined : JSON.stringify(values.map((value) => conform(of, value)))
      const said = {
        [ANNOTATIONS.metrics]: text(spec, metrics.filter((m) => cpuUtilization(m) === undefined).map(olderMetric)),
        [ANNOTATIONS.currentMetrics]: text(status, currentMetrics.map(olderCurrentMetric)),
        [ANNOTATIONS.conditions]: text(condition, conditions),
        [ANNOTATIONS.behavior]: newSpec.behavior && JSON.stringify(internalNames(behavior, newSpec.behavior)),
      }
      return {
        ...object,
        metadata: withAnnotations(object.metadata, said),
        spec: olderSpec(newSpec, metrics),
        status: olderStatus(newStatus, currentMetrics),
      } as KubeObject
    },
  }
}

function conditionsOf(conditions: readonly object[] | undefined): { conditions?: readonly object[] } {
  return conditions ? { conditions } : {}
}

function newerSpec(given: OlderSpec, others: readonly OlderMetric[], fallback: MetricSpec): object {
  const { targetCPUUtilizationPercentage: percentage, ...spec } = given
  const metrics: MetricSpec[] = others.map(newerMetric)
  if (percentage !== undefined) {
    const target = { type: 'Utilization', averageUtilization: percentage }
    metrics.push({ type: 'Resource', resource: { name: 'cpu', target } })
  }
  return { ...spec, metrics: metrics.length === 0 ? [fallback] : metrics }
}

function newerStatus(given: OlderStatus, current: readonly OlderMetric[] | undefined): object {
  const { currentCPUUtilizationPercentage: percentage, ...status } = given
  if (current) return { ...status, currentMetrics: current.map(newerCurrentMetric) }
  if (percentage === undefined) return status
  const cpu = { name: 'cpu', current: { averageUtilization: percentage } }
  return { ...status, currentMetrics: [{ type: 'Resource', resource: cpu }] }
}

function olderSpec(
  { metrics: _m, behavior: _b, ...spec }: NonNullable<Autoscaler['spec']>,
  metrics: readonly MetricSpec[],
): OlderSpec {
  const percentage = metrics.map(cpuUtilization).find((value) => value !== undefined)
  return { ...spec, ...(percentage === undefined ? {} : { targetCPUUtilizationPercentage: percentage }) }
}
function olderStatus(
  { currentMetrics: _m, conditions: _c, ...status }: NonNullable<Autoscaler['status']>,
  metrics: readonly MetricStatus[],
): OlderStatus {
  const cpu = metrics.filter((m) => m.type === 'Resource' && m.resource?.name === 'cpu')
  const percentage = cpu.map((m) => m.resource!.current?.averageUtilization).findLast((value) => value !== undefined)
  return { ...status, ...(percentage === undefined ? {} : { currentCPUUtilizationPercentage: percentage }) }
}

function cpuUtilization({ type, resource }: MetricSpec): number | undefined {
  return type === 'Resource' && resource?.name === 'cpu' ? resource.target?.averageUtilization : undefined
}

/** Only the sources that are there. */
function mapSources<From, To>(
  metric: { readonly type?: string } & { readonly [field in SourceField]?: From },
  change: (source: From, field: SourceField) => To,
): { readonly type?: string } & { readonly [field in SourceField]?: To } {
  const sources = Object.values(SOURCES).flatMap((field) => {
    const source = metric[field]
    return source === undefined ? [] : [[field, change(source, field)] as const]
  })
  return { ...(metric.type === undefined ? {} : { type: metric.type }), ...Object.fromEntries(sources) }
}

/** v1 calls the value of a Pods metric its average, and that of an Object metric its value. */
const averageName = (field: SourceField, word: 'target' | 'current'): string =>
  field === 'object' ? 'averageValue' : `${word}AverageValue`
const selectorName = (field: SourceField): string => (field === 'external' ? 'metricSelector' : 'selector')

function olderMetric(metric: MetricSpec): OlderMetric {
  return mapSources(metric, (source: MetricSource, field) => olderSource(source, source.target ?? {}, field, 'target'))
}
function olderCurrentMetric(metric: MetricStatus): OlderMetric {
  return mapSources(metric, (source: CurrentMetric, field) =>
    olderSource(source, source.current ?? {}, field, 'current'),
  )
}
function olderSource(
  { name, container, describedObject, metric }: MetricSource | CurrentMetric,
  { value, averageValue, averageUtilization }: NonNullable<CurrentMetric['current']>,
  field: SourceField,
  word: 'target' | 'current',
): Record<string, unknown> {
  return defined({
    name,
    container,
    target: describedObject,
    metricName: metric?.name,
    [selectorName(field)]: metric?.selector,
    [`${word}Value`]: value,
    [averageName(field, word)]: averageValue,
    [`${word}AverageUtilization`]: averageUtilization,
  })
}

function newerMetric(metric: OlderMetric): MetricSpec {
  return mapSources(metric, (source, field) => {
    const { source: rest, values } = newerSource(source, field, 'target')
    const type =
      values.averageUtilization !== undefined
        ? 'Utilization'
        : values.averageValue !== undefined
          ? 'AverageValue'
          : 'Value'
    return { ...rest, target: { type, ...values } }
  })
}
function newerCurrentMetric(metric: OlderMetric): MetricStatus {
  return mapSources(metric, (source, field) => {
    const { source: rest, values } = newerSource(source, field, 'current')
    return { ...rest, current: values }
  })
}
function newerSource(
  older: Record<string, unknown>,
  field: SourceField,
  word: 'target' | 'current',
): { source: MetricSource; values: NonNullable<CurrentMetric['current']> } {
  const metric = defined({ name: older['metricName'], selector: older[selectorName(field)] })
  const source = defined({
    name: older['name'],
    container: older['container'],
    describedObject: older['target'],
    metric: Object.keys(metric).length === 0 ? undefined : metric,
  })
  const values = defined({
    value: older[`${word}Value`],
    averageValue: older[averageName(field, word)],
    averageUtilization: older[`${word}AverageUtilization`],
  })
  return { source, values }
}

function defined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function withAnnotations(metadata: ObjectMeta, said: Readonly<Record<string, string | undefined>>): ObjectMeta {
  const clean = withoutFormAnnotations(metadata)
  const added = defined(said) as Record<string, string>
  if (Object.keys(added).length === 0) return clean
  const all = Object.entries({ ...clean.annotations, ...added })
  return { ...clean, annotations: Object.fromEntries(all.toSorted(([a], [b]) => (a < b ? -1 : 1))) }
}

/** @returns undefined for what is no list of such values: it is ignored. */
function readList<T>(text: string | undefined, type: ObjectType): T[] | undefined {
  const values = readJson(text)
  if (!Array.isArray(values) || values.length === 0) return undefined
  try {
    return values.map((value: unknown) => decodeTyped(type, (value ?? {}) as object).object as T)
  } catch {
    return undefined
  }
}
function readBehavior(text: string | undefined, type: ObjectType): object | undefined {
  const value = readJson(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  try {
    const { object } = decodeTyped(type, withFirstLetter(value, (letter) => letter.toLowerCase()) as object)
    return Object.keys(object).length === 0 ? undefined : object
  } catch {
    return undefined
  }
}
function readJson(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Upstream writes the behavior in its internal form: names as Go has them, and each field there. */
function internalNames(type: ObjectType, object: object): object {
  const complete = (of: ObjectType, value: object): object =>
    Object.fromEntries(
      of.fields.map(({ name, type: field }) => {
        const own = (value as Record<string, unknown>)[name] ?? null
        return [name, own !== null && field.kind === 'object' ? complete(field.type, own) : own]
      }),
    )
  return withFirstLetter(complete(type, object), (letter) => letter.toUpperCase()) as object
}
function withFirstLetter(value: unknown, change: (letter: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => withFirstLetter(item, change))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, own]) => [change(name[0] ?? '') + name.slice(1), withFirstLetter(own, change)]),
  )
}
