/**
 * The metadata every Kubernetes object carries, as it stands in JSON. Absent means absent: no empty
 * strings are invented on reading.
 */
export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}
export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  selfLink?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string | null
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
  managedFields?: unknown[]
}
export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
}
export interface ListMeta {
  resourceVersion?: string
  continue?: string
  remainingItemCount?: number
}
export interface KubeList<T = KubeObject> {
  apiVersion?: string
  kind?: string
  metadata: ListMeta
  items: T[]
}
/** Who makes the request. extra keys are lower case. Source: authentication.k8s.io/v1 UserInfo. */
export interface UserInfo {
  readonly name: string
  readonly uid?: string
  readonly groups: readonly string[]
  readonly extra?: ReadonlyMap<string, readonly string[]>
}
