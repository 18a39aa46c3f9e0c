/** apiregistration.k8s.io/v1 APIService: which server serves a group version. */
import type { KubeObject } from './meta.ts'

export interface ServiceReference {
  namespace?: string
  name?: string
  /** Filled with 443. */
  port?: number
}
export interface APIServiceSpec {
  /** Absent: served here. */
  service?: ServiceReference
  group?: string
  version?: string
  insecureSkipTLSVerify?: boolean
  /** PEM in base64. */
  caBundle?: string
  groupPriorityMinimum: number
  versionPriority: number
}
export interface APIServiceCondition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  lastTransitionTime?: string
  reason?: string
  message?: string
}
export interface APIService extends KubeObject {
  spec: APIServiceSpec
  status?: { conditions?: APIServiceCondition[] }
}

export const AVAILABLE = 'Available'
export const APISERVICES = { group: 'apiregistration.k8s.io', version: 'v1', resource: 'apiservices' }

/** `v1.apps`; `v1.` for the core group. */
export function apiServiceName(group: string, version: string): string {
  return `${version}.${group}`
}
export function availableCondition(o: APIService): APIServiceCondition | undefined {
  return o.status?.conditions?.find((c) => c.type === AVAILABLE)
}

/** Replaces the condition of that type; the transition time moves only with the status. */
export function withCondition(
  conditions: readonly APIServiceCondition[],
  next: Omit<APIServiceCondition, 'lastTransitionTime'>,
  time: string,
): APIServiceCondition[] {
  const before = conditions.find((c) => c.type === next.type)
  const lastTransitionTime = before?.status === next.status ? (before.lastTransitionTime ?? time) : time
  const made: APIServiceCondition = {
    type: next.type,
    status: next.status,
    lastTransitionTime,
    ...(next.reason === undefined ? {} : { reason: next.reason }),
    ...(next.message === undefined ? {} : { message: next.message }),
  }
  return before ? conditions.map((c) => (c.type === next.type ? made : c)) : [...conditions, made]
}
