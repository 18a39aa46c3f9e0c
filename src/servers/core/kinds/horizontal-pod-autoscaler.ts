/** HorizontalPodAutoscaler: autoscaling/v2 is the hub; what v1 has no fields for stands in annotations there. */
import type { KubeObject } from '../../../api/meta.ts'
import { type CellFunction, text } from '../../../endpoints/cell-values.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { type Fields, objectAt, objectIn } from '../defaults/defaulting.ts'
import { keepStatus, statusView } from '../strategies.ts'
import { validateAutoscaler, validateAutoscalerStatus } from '../validation/autoscaler.ts'
import { autoscalerConversion, withoutFormAnnotations } from './autoscaler-conversion.ts'
import {
  type Autoscaler,
  type CurrentMetric,
  type MetricSource,
  type MetricSpec,
  SOURCES,
  type SourceField,
} from './autoscaler-types.ts'

const SCALE_UP = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
}
const SCALE_DOWN = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] }
const DEFAULT_UTILIZATION = 80
const SHOWN_METRICS = 2

/** What both versions have: validation, strategy and cells are those of the hub. */
const common: BuiltinKind = {
  validate: (object, old) => validateAutoscaler(object, old),
  strategy: { prepare: (_w, object, old) => prepare(object, old) },
  views: {
    status: (main) => statusView(main, { validate: (_w, object) => validateAutoscalerStatus(object) }),
  },
  cells: {
    scaleTarget: (o) => `${text(o, 'spec.scaleTargetRef.kind')}/${text(o, 'spec.scaleTargetRef.name')}`,
    autoscalerMinimum: (o) => text(o, 'spec.minReplicas') || '<unset>',
    autoscalerTargets: targets,
  },
}

export const autoscaler: BuiltinKind = {
  ...common,
  defaults: (object) => {
    object.metadata = withoutFormAnnotations(object.metadata)
    const spec = objectAt(object as object as Fields, 'spec')
    spec['minReplicas'] ??= 1
    if (((spec['metrics'] as unknown[] | undefined) ?? []).length === 0)
      spec['metrics'] = [cpuMetric(DEFAULT_UTILIZATION)]
    const behavior = objectIn(spec, 'behavior')
    if (!behavior) return
    behavior['scaleUp'] = { ...structuredClone(SCALE_UP), ...objectIn(behavior, 'scaleUp') }
    behavior['scaleDown'] = { ...structuredClone(SCALE_DOWN), ...objectIn(behavior, 'scaleDown') }
  },
}

export const olderAutoscaler: BuiltinKind = {
  ...common,
  defaults: (object) => {
    objectAt(object as object as Fields, 'spec')['minReplicas'] ??= 1
  },
  conversion: (types) => autoscalerConversion(types, cpuMetric(DEFAULT_UTILIZATION)),
}

function prepare(object: KubeObject, old: KubeObject | undefined): void {
  keepStatus(object, old)
  if (!old) Object.assign(object, { status: {} })
}

export function cpuMetric(averageUtilization: number): MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } }
}

function targets(object: KubeObject): ReturnType<CellFunction> {
  const { spec = {}, status = {} } = object as Autoscaler
  const { metrics = [] } = spec
  if (metrics.length === 0) return '<none>'
  const texts = metrics.slice(0, SHOWN_METRICS).map((metric, i) => {
    const field = (SOURCES as Record<string, SourceField>)[metric.type ?? '']
    if (field === undefined) return '<unknown type>'
    const current = status.currentMetrics?.[i]
    return target(field, metric[field] ?? {}, current?.type === metric.type ? current?.[field] : undefined)
  })
  const more = metrics.length - texts.length
  return texts.join(', ') + (more > 0 ? ` + ${more} more...` : '')
}

const UNKNOWN = '<unknown>'
function target(field: SourceField, { name, target = {} }: MetricSource, { current = {} }: CurrentMetric = {}): string {
  const average = `${current.averageValue ?? UNKNOWN}/${target.averageValue}`
  if (field === 'pods') return average
  if (field === 'resource' || field === 'containerResource') {
    if (target.averageValue !== undefined) return `${name}: ${average}`
    const percent = (value: number | undefined, missing: string): string =>
      value === undefined ? missing : `${value}%`
    return `${name}: ${percent(current.averageUtilization, UNKNOWN)}/${percent(target.averageUtilization, '<auto>')}`
  }
  return target.averageValue === undefined ? `${current.value ?? UNKNOWN}/${target.value}` : `${average} (avg)`
}
