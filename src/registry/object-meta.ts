/** The metadata that belongs to the server: filled at creation, carried over by updates. */
import { formatTime } from '../api/time.ts'
import type { ObjectMeta, OwnerReference } from '../api/meta.ts'

const NAME_CHARS = 'bcdfghjklmnpqrstvwxz2456789'
const SUFFIX_LENGTH = 5
const MAX_BASE_LENGTH = 63 - SUFFIX_LENGTH

/** Wipes what a client may not set at creation, then fills it. */
export function fillForCreate(meta: ObjectMeta, now: number, uid: string): void {
  delete meta.deletionTimestamp
  delete meta.deletionGracePeriodSeconds
  delete meta.selfLink
  meta.creationTimestamp = formatTime(now)
  meta.uid = uid
}

export function generateName(base: string, random: () => number): string {
  let suffix = ''
  for (let i = 0; i < SUFFIX_LENGTH; i++) suffix += NAME_CHARS[Math.floor(random() * NAME_CHARS.length)]
  return base.slice(0, MAX_BASE_LENGTH) + suffix
}

/** What an update cannot change is taken from the stored object. A given uid stays: it is a precondition. */
export function carryForUpdate(meta: ObjectMeta, old: ObjectMeta): void {
  delete meta.selfLink
  meta.uid ??= old.uid!
  for (const key of ['creationTimestamp', 'generation'] as const) {
    if (old[key] === undefined) delete meta[key]
    else Object.assign(meta, { [key]: old[key] })
  }
  // A deletion under way cannot be taken back or changed; one that is not under way cannot be claimed, which validation says.
  if (old.deletionTimestamp !== undefined) meta.deletionTimestamp = old.deletionTimestamp
  if (old.deletionGracePeriodSeconds !== undefined) meta.deletionGracePeriodSeconds ??= old.deletionGracePeriodSeconds
}

/** @returns the uids that were named twice; the later ones are removed. */
export function dedupOwnerReferences(meta: ObjectMeta): readonly string[] {
  const references = meta.ownerReferences
  if (!references || references.length < 2) return []
  const seen = new Set<string>()
  const twice: string[] = []
  const kept: OwnerReference[] = []
  for (const reference of references) {
    if (seen.has(reference.uid)) twice.push(reference.uid)
    else kept.push(reference)
    seen.add(reference.uid)
  }
  if (twice.length > 0) meta.ownerReferences = kept
  return twice
}
