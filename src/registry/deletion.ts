/** What a delete means for an object: gone at once, or marked and kept until its finalizers are done. */
import type { KubeObject, ObjectMeta } from '../api/meta.ts'
import { conflict } from '../api/status-error.ts'
import { formatTime } from '../api/time.ts'
import type { Resource } from './resource.ts'
import type { Strategy } from './strategy.ts'

export type PropagationPolicy = 'Orphan' | 'Background' | 'Foreground'
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number
  readonly propagationPolicy?: PropagationPolicy
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
  readonly dryRun: boolean
}

const ORPHAN = 'orphan'
const FOREGROUND = 'foregroundDeletion'

/** @throws StatusError 409 where the stored object is not the one that was meant. */
export function checkPreconditions(r: Resource, object: KubeObject, p: DeleteOptions['preconditions']): void {
  const { uid, resourceVersion, name } = object.metadata
  // A precondition names the kind, where other conflicts name the resource.
  const gr = { group: r.group, resource: r.kind }
  if (p?.uid !== undefined && p.uid !== uid) {
    throw conflict(
      gr,
      name!,
      `the UID in the precondition (${p.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
    )
  }
  if (p?.resourceVersion !== undefined && p.resourceVersion !== resourceVersion) {
    throw conflict(
      gr,
      name!,
      `the ResourceVersion in the precondition (${p.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
    )
  }
}

/** The finalizers that a propagation policy leaves on the object; unspecified: those it has. */
function finalizersFor(meta: ObjectMeta, policy: PropagationPolicy | undefined): string[] {
  const others = (meta.finalizers ?? []).filter((f) => f !== ORPHAN && f !== FOREGROUND)
  if (policy === undefined) return meta.finalizers ?? []
  if (policy === 'Orphan') return [...others, ORPHAN]
  return policy === 'Foreground' ? [...others, FOREGROUND] : others
}

/** @returns the object as it stays stored, or undefined when nothing holds it and it can go. */
export function afterDelete(
  object: KubeObject,
  o: DeleteOptions,
  strategy: Strategy,
  now: number,
): KubeObject | undefined {
  const finalizers = finalizersFor(object.metadata, o.propagationPolicy)
  const held = finalizers.length > 0 || (strategy.heldBy?.(object) ?? false)
  if (!held) return undefined
  const { finalizers: _old, ...rest } = object.metadata
  const metadata: ObjectMeta = { ...rest, ...(finalizers.length > 0 ? { finalizers } : {}) }
  metadata.deletionTimestamp ??= formatTime(now)
  metadata.deletionGracePeriodSeconds = 0
  const marked = { ...structuredClone(object), metadata }
  strategy.markDeleted?.(marked)
  return marked
}

/** Whether an update took away the last thing that held a deleted object. */
export function isFinished(object: KubeObject, strategy: Strategy): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata
  if (deletionTimestamp === undefined || (deletionGracePeriodSeconds ?? 0) !== 0) return false
  return (finalizers ?? []).length === 0 && !(strategy.heldBy?.(object) ?? false)
}
