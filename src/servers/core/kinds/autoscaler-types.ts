/** HorizontalPodAutoscaler in the form of autoscaling/v2, as far as its rules look at it. */
import type { KubeObject } from '../../../api/meta.ts'

export interface Autoscaler extends KubeObject {
  readonly spec?: AutoscalerSpec
  readonly status?: AutoscalerStatus
}
export interface AutoscalerSpec {
  readonly scaleTargetRef?: ScaleTarget
  readonly minReplicas?: number
  readonly maxReplicas?: number
  readonly metrics?: readonly MetricSpec[]
  readonly behavior?: Behavior
}
export interface AutoscalerStatus {
  readonly observedGeneration?: number
  readonly lastScaleTime?: string
  readonly currentReplicas?: number
  readonly desiredReplicas?: number
  readonly currentMetrics?: readonly MetricStatus[] | null
  readonly conditions?: readonly object[]
}
export interface ScaleTarget {
  readonly kind?: string
  readonly name?: string
  readonly apiVersion?: string
}
export interface Behavior {
  readonly scaleUp?: ScalingRules
  readonly scaleDown?: ScalingRules
}
export interface ScalingRules {
  readonly stabilizationWindowSeconds?: number
  readonly selectPolicy?: string
  readonly policies?: readonly ScalingPolicy[]
  readonly tolerance?: string
}
export interface ScalingPolicy {
  readonly type?: string
  readonly value?: number
  readonly periodSeconds?: number
}

/** The field of a metric that has its source, by the metric's type. */
export const SOURCES = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
} as const
export type SourceField = (typeof SOURCES)[keyof typeof SOURCES]

/** All that a source of any type may have. */
interface Source {
  readonly name?: string
  readonly container?: string
  readonly describedObject?: ScaleTarget
  readonly metric?: { readonly name?: string; readonly selector?: object }
}
export interface MetricTarget {
  readonly type?: string
  readonly value?: string
  readonly averageValue?: string
  readonly averageUtilization?: number
}
export interface MetricSource extends Source {
  readonly target?: MetricTarget
}
export interface CurrentMetric extends Source {
  readonly current?: Omit<MetricTarget, 'type'>
}
export type MetricSpec = { readonly type?: string } & { readonly [field in SourceField]?: MetricSource }
export type MetricStatus = { readonly type?: string } & { readonly [field in SourceField]?: CurrentMetric }
