/** What a registry serves: one resource in one version, as its routes, errors and keys name it. */
import type { GroupResource } from '../api/group-version.ts'

export interface Resource extends GroupResource {
  readonly version: string
  readonly kind: string
  readonly singular: string
  readonly namespaced: boolean
  /** Below the storage's root: `/registry/services/specs`. */
  readonly storagePrefix: string
  /** Field labels that a field selector may name. */
  readonly selectableFields: readonly string[]
  /** A field label of this version -> the store's; absent where they are the same. */
  readonly storedLabel?: ((label: string) => string) | undefined
  /** The field named by a selectable label; dotted paths are read off the object when absent. */
  readonly fieldOf?: ((label: string, object: object) => string | undefined) | undefined
  /** Objects vanish this long after their last write: events. */
  readonly ttlSeconds?: number
  /** Unqualified finalizers must be those that Kubernetes itself knows. */
  readonly coreFinalizers: boolean
}
