/** What OpenAPI documents are made of: the resources of a group version as the servers describe them. */
import type { ObjectType } from '../../api/schema/type-table.ts'

export interface DescribedSubresource {
  readonly name: string
  readonly verbs: readonly string[]
  readonly kind: string
  readonly type: ObjectType
}
export interface DescribedResource {
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  /** As discovery lists them. */
  readonly verbs: readonly string[]
  readonly type: ObjectType
  readonly subresources?: readonly DescribedSubresource[]
}
export interface DescribedGroupVersion {
  /** '' for the core group. */
  readonly group: string
  readonly version: string
  readonly resources: readonly DescribedResource[]
}
export interface DocumentInfo {
  readonly title: string
  readonly version: string
}

/** `/api/v1` or `/apis/<group>/<version>`. */
export function rootPathOf({ group, version }: DescribedGroupVersion): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`
}
