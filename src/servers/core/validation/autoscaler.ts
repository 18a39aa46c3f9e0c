/** HorizontalPodAutoscalers, in the form of autoscaling/v2. Source: autoscaling validation of Kubernetes. */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { dns1123Label, pathSegment } from '../../../api/names.ts'
import { parseQuantity } from '../../../api/quantity.ts'
import {
  type Autoscaler,
  type MetricSource,
  type MetricSpec,
  type MetricTarget,
  type ScaleTarget,
  type ScalingPolicy,
  type ScalingRules,
  SOURCES,
  type SourceField,
} from '../kinds/autoscaler-types.ts'
import { nameErrors } from './field-checks.ts'

const SOURCE_TYPES = Object.keys(SOURCES)
const NEEDS_SOURCE = 'must populate information for the given metric source'
const MAX_WINDOW_SECONDS = 3600
const MAX_PERIOD_SECONDS = 1800

/** What an object that is stored already may keep. */
interface Tolerated {
  readonly noReplicas: boolean
  readonly targetVersion: boolean
  readonly metricVersions: boolean
}

export function validateAutoscaler(object: KubeObject, old?: KubeObject): FieldError[] {
  const {
    minReplicas,
    maxReplicas = 0,
    scaleTargetRef = {},
    metrics = [],
    behavior,
  } = (object as Autoscaler).spec ?? {}
  const tolerated = toleratedOf(old)
  const errors: FieldError[] = []
  const least = tolerated.noReplicas ? 0 : 1
  if (minReplicas !== undefined && minReplicas < least)
    errors.push(fieldError.invalid('spec.minReplicas', minReplicas, `must be greater than or equal to ${least}`))
  if (maxReplicas < 1) errors.push(fieldError.invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'))
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.push(fieldError.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  errors.push(...referenceErrors(scaleTargetRef, 'spec.scaleTargetRef'))
  if (!tolerated.targetVersion) errors.push(...versionErrors(scaleTargetRef, 'spec.scaleTargetRef', true))
  errors.push(...metrics.flatMap((m, i) => metricErrors(m, `spec.metrics[${i}]`, tolerated.metricVersions)))
  if (minReplicas === 0 && !metrics.some((m) => m.type === 'Object' || m.type === 'External'))
    errors.push(
      fieldError.forbidden(
        'spec.metrics',
        'must specify at least one Object or External metric to support scaling to zero replicas',
      ),
    )
  for (const direction of ['scaleUp', 'scaleDown'] as const)
    errors.push(...rulesErrors(behavior?.[direction], `spec.behavior.${direction}`))
  return errors
}

export function validateAutoscalerStatus(object: KubeObject): FieldError[] {
  const { status = {} } = object as Autoscaler
  return (['currentReplicas', 'desiredReplicas'] as const).flatMap((field) => {
    const value = status[field] ?? 0
    return value < 0 ? [fieldError.invalid(`status.${field}`, value, 'must be greater than or equal to 0')] : []
  })
}

function toleratedOf(old: KubeObject | undefined): Tolerated {
  const { minReplicas, scaleTargetRef = {}, metrics = [] } = (old as Autoscaler | undefined)?.spec ?? {}
  return {
    noReplicas: minReplicas === 0,
    targetVersion: old !== undefined && versionErrors(scaleTargetRef, '', true).length > 0,
    metricVersions: metrics.some((m) => versionErrors(m.object?.describedObject ?? {}, '', false).length > 0),
  }
}

function referenceErrors({ kind = '', name = '' }: ScaleTarget, path: string): FieldError[] {
  return [
    ...(kind === '' ? [fieldError.required(`${path}.kind`)] : nameErrors(kind, `${path}.kind`, pathSegment)),
    ...(name === '' ? [fieldError.required(`${path}.name`)] : nameErrors(name, `${path}.name`, pathSegment)),
  ]
}
function versionErrors({ apiVersion = '', kind }: ScaleTarget, path: string, needsGroup: boolean): FieldError[] {
  const slashes = apiVersion.split('/').length - 1
  const problem = (text: string): FieldError[] => [fieldError.invalid(`${path}.apiVersion`, apiVersion, text)]
  if (slashes > 1) return problem(`unexpected GroupVersion string: ${apiVersion}`)
  const hasGroup = slashes === 1 && !apiVersion.startsWith('/')
  if (needsGroup && !hasGroup && kind !== 'ReplicationController') return problem('apiVersion must specify API group')
  return []
}

function metricErrors(metric: MetricSpec, path: string, anyVersion: boolean): FieldError[] {
  const { type = '' } = metric
  const errors: FieldError[] = []
  const present = Object.values(SOURCES).filter((field) => metric[field] !== undefined)
  const unsupported = fieldError.notSupported(`${path}.type`, type, SOURCE_TYPES)
  if (type === '') errors.push(fieldError.required(`${path}.type`, 'must specify a metric source type'))
  const wanted = (SOURCES as Record<string, SourceField>)[type]
  if (!wanted) errors.push(unsupported)
  if (present.length === 1)
    errors.push(...sourceErrors(metric[present[0]!]!, present[0]!, `${path}.${present[0]!}`, anyVersion))
  if (!wanted) errors.push(unsupported)
  else if (metric[wanted] === undefined) errors.push(fieldError.required(`${path}.${wanted}`, NEEDS_SOURCE))
  if (present.length === 1) return errors
  const others = present.filter((field) => field !== wanted)
  return [
    ...errors,
    ...others.map((field) => fieldError.forbidden(`${path}.${field}`, 'must populate the given metric source only')),
  ]
}

function sourceErrors(source: MetricSource, field: SourceField, path: string, anyVersion: boolean): FieldError[] {
  const { describedObject = {}, metric = {}, name = '', container = '', target = {} } = source
  const errors: FieldError[] = []
  if (field === 'object') {
    errors.push(...referenceErrors(describedObject, `${path}.describedObject`))
    if (!anyVersion) errors.push(...versionErrors(describedObject, `${path}.describedObject`, false))
  }
  if (field === 'resource' || field === 'containerResource') {
    if (name === '') errors.push(fieldError.required(`${path}.name`, 'must specify a resource name'))
  } else errors.push(...identifierErrors(metric.name ?? '', `${path}.metric.name`))
  if (field === 'containerResource') errors.push(...containerErrors(container, `${path}.container`))
  return [...errors, ...targetErrors(target, `${path}.target`), ...neededTarget(target, field, `${path}.target`)]
}

function identifierErrors(name: string, path: string): FieldError[] {
  return name === '' ? [fieldError.required(path, 'must specify a metric name')] : nameErrors(name, path, pathSegment)
}
function containerErrors(name: string, path: string): FieldError[] {
  return name === '' ? [fieldError.required(path, 'must specify a container')] : nameErrors(name, path, dns1123Label)
}

function targetErrors(
  { type = '', value, averageValue, averageUtilization }: MetricTarget,
  path: string,
): FieldError[] {
  const errors: FieldError[] = []
  if (type === '') errors.push(fieldError.required(`${path}.type`, 'must specify a metric target type'))
  if (!['Utilization', 'Value', 'AverageValue'].includes(type))
    errors.push(fieldError.invalid(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue'))
  for (const [name, quantity] of [
    ['value', value],
    ['averageValue', averageValue],
  ] as const)
    if (quantity !== undefined && parseQuantity(quantity).nanos <= 0n)
      errors.push(fieldError.invalid(`${path}.${name}`, quantity, 'must be positive'))
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.push(fieldError.invalid(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0'))
  return errors
}

/** Which values a source needs, and which exclude each other. */
function neededTarget(
  { value, averageValue, averageUtilization }: MetricTarget,
  field: SourceField,
  path: string,
): FieldError[] {
  const average = `${path}.averageValue`
  if (field === 'object' && value === undefined && averageValue === undefined)
    return [fieldError.required(average, 'must set either a target value or averageValue')]
  if (field === 'pods' && averageValue === undefined)
    return [fieldError.required(average, 'must specify a positive target averageValue')]
  if (field === 'external') {
    if (value === undefined && averageValue === undefined)
      return [fieldError.required(average, 'must set either a target value for metric or a per-pod target')]
    if (value !== undefined && averageValue !== undefined)
      return [fieldError.forbidden(`${path}.value`, 'may not set both a target value for metric and a per-pod target')]
  }
  if (field !== 'resource' && field !== 'containerResource') return []
  if (averageUtilization === undefined && averageValue === undefined) {
    const why = 'must set either a target raw value or a target utilization'
    return [fieldError.required(`${path}.averageUtilization`, why)]
  }
  if (averageUtilization === undefined || averageValue === undefined) return []
  return [fieldError.forbidden(average, 'may not set both a target raw value and a target utilization')]
}

function rulesErrors(rules: ScalingRules | undefined, path: string): FieldError[] {
  if (!rules) return []
  const { stabilizationWindowSeconds: window = 0, selectPolicy, policies = [], tolerance } = rules
  const errors: FieldError[] = []
  const windowPath = `${path}.stabilizationWindowSeconds`
  if (window < 0) errors.push(fieldError.invalid(windowPath, window, 'must be greater than or equal to zero'))
  if (window > MAX_WINDOW_SECONDS)
    errors.push(fieldError.invalid(windowPath, window, `must be less than or equal to ${MAX_WINDOW_SECONDS}`))
  const supported = ['Disabled', 'Max', 'Min']
  if (selectPolicy !== undefined && !supported.includes(selectPolicy))
    errors.push(fieldError.notSupported(`${path}.selectPolicy`, selectPolicy, supported))
  if (policies.length === 0) errors.push(fieldError.required(`${path}.policies`, 'must specify at least one Policy'))
  errors.push(...policies.flatMap((policy, i) => policyErrors(policy, `${path}.policies[${i}]`)))
  if (tolerance !== undefined && parseQuantity(tolerance).nanos < 0n)
    errors.push(fieldError.invalid(`${path}.tolerance`, tolerance, 'must be greater than or equal to 0'))
  return errors
}

function policyErrors({ type = '', value = 0, periodSeconds = 0 }: ScalingPolicy, path: string): FieldError[] {
  const errors: FieldError[] = []
  const supported = ['Percent', 'Pods']
  if (!supported.includes(type)) errors.push(fieldError.notSupported(`${path}.type`, type, supported))
  if (value <= 0) errors.push(fieldError.invalid(`${path}.value`, value, 'must be greater than zero'))
  if (periodSeconds <= 0)
    errors.push(fieldError.invalid(`${path}.periodSeconds`, periodSeconds, 'must be greater than zero'))
  if (periodSeconds > MAX_PERIOD_SECONDS)
    errors.push(
      fieldError.invalid(`${path}.periodSeconds`, periodSeconds, `must be less than or equal to ${MAX_PERIOD_SECONDS}`),
    )
  return errors
}
