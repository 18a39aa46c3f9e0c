/** What a registry serves: one resource of one group version. Made from the tables by the servers. */
import type { ObjectType } from '../api/schema/type-table.ts'
import { formatGroupVersion, type GroupResource } from '../api/group-version.ts'

export interface Resource extends GroupResource {
  readonly version: string
  readonly kind: string
  readonly singular: string
  readonly namespaced: boolean
  readonly type: ObjectType
  /** Below the storage's root: `/registry/services/specs`. */
  readonly storagePrefix: string
  /** Built-in kinds are stored as protobuf, APIServices as JSON: kube-apiserver's layout, byte for byte. */
  readonly storedAs: 'protobuf' | 'json'
  /** Field labels that a field selector may name. */
  readonly selectableFields: readonly string[]
  /** The field named by a selectable label; dotted paths are read off the object when absent. */
  readonly fieldOf?: (label: string, object: object) => string | undefined
  /** Objects vanish this long after their last write: events. */
  readonly ttlSeconds?: number
}

export function apiVersionOf(r: Resource): string {
  return formatGroupVersion(r)
}
