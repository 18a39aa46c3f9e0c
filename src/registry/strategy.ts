/**
 * What differs per resource. The order of the steps is the Registry's. One per resource, and one per view of it.
 *
 * Its functions take the kind's own type: a strategy is only ever given objects of its kind.
 */
import type { FieldError } from '../api/field-error.ts'
import type { KubeObject, UserInfo } from '../api/meta.ts'
import type { NameValidator } from '../api/names.ts'

/** The write under way. */
export interface Write {
  readonly user: UserInfo
  readonly namespace: string
  readonly name: string
  /** Wall time in ms. */
  readonly now: number
  readonly dryRun: boolean
  /** Bytes of the request's body, where there is one: the steps of a large write have turns of their own. */
  readonly bodyBytes?: number
}

export interface Strategy<T extends KubeObject = KubeObject> {
  readonly allowCreateOnUpdate: boolean
  readonly allowUnconditionalUpdate: boolean
  /** Fills and resets what the client may not decide. `obj` belongs to the caller and may be changed; `old` may not. */
  prepare(w: Write, obj: T, old?: T): void
  /** Beyond what holds for all metadata. */
  validate(w: Write, obj: T, old?: T): readonly FieldError[]
  /** Last touches after validation. */
  canonicalize?(obj: T): void
  warnings?(w: Write, obj: T, old?: T): readonly string[]
  /** Fields that writes here do not take, as dotted paths: no manager comes to own them by such a write. */
  readonly resetFields?: readonly string[]
  /** How names are checked; DNS subdomain when absent. */
  readonly nameRules?: NameValidator
  /** Something besides metadata.finalizers that still holds a deleted object: spec.finalizers of a namespace. */
  heldBy?(obj: T): boolean
  /** Changes an object when its deletion is asked for but has to wait. */
  markDeleted?(obj: T): void
  /** The answer to a delete is the object instead of a Status. */
  readonly returnsDeletedObject?: boolean
}
