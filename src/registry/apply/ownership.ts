/**
 * What a write does to the fields of all managers: the heart of apply, on managers and objects alone. Managers may have
 * used other versions of the kind: each is judged in its own version. Source: structured-merge-diff's merge.Updater.
 */
import type { KubeObject } from '../../api/meta.ts'
import { jsonEqual } from '../../api/json-value.ts'
import { compare } from './compare.ts'
import { FieldSet } from './field-set.ts'
import { type Manager, type ManagerName, type Managers, identityOf } from './managers.ts'
import { merge } from './merge.ts'
import type { MergeShape } from '../../api/kinds/merge-shape.ts'
import { fieldsOf, withNamedFields, withWholeValues } from './owned-fields.ts'
import { removeFields } from './remove.ts'

/** The versions of a kind. A version that is not served any more has no shape: its managers are forgotten. */
export interface Versions {
  shape(apiVersion: string): MergeShape | undefined
  /** Called for versions that have a shape only. The object is not changed. */
  convert(object: KubeObject, apiVersion: string): KubeObject
  /** Fields that a write through this endpoint neither takes nor loses. */
  ignored(apiVersion: string): FieldSet
}

/** Fields of others that an apply would change. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError'
  readonly conflicts: ReadonlyMap<Manager, FieldSet>
  constructor(conflicts: ReadonlyMap<Manager, FieldSet>) {
    super('apply conflicts with other managers')
    this.conflicts = conflicts
  }
}

export interface Write {
  readonly live: KubeObject
  readonly managers: Managers
  /** The version of the write and of its objects. */
  readonly apiVersion: string
}

/** Fields go to the writer from who had them. @returns the others' managers, and what the write took. */
export function updateOwnership(
  { live, managers, apiVersion }: Write,
  object: KubeObject,
  versions: Versions,
): { managers: Managers; taken: FieldSet } {
  const changes = new ChangesByVersion(live, object, versions)
  const { kept } = settle(followForms(managers, versions), changes, undefined)
  return { managers: kept, taken: changes.in(apiVersion)!.written }
}

export interface Apply extends Write {
  readonly config: KubeObject
  readonly applier: ManagerName
  readonly force: boolean
}

/**
 * Merges the configuration, takes out what the applier had and does not name any more, and settles who owns what.
 *
 * @returns object undefined where nothing changed but managers.
 * @throws ConflictError when others own a field that would change, without force.
 */
export function applyOwnership(
  { live, managers: given, apiVersion, config, applier, force }: Apply,
  versions: Versions,
): { object: KubeObject | undefined; managers: Managers } {
  const managers = followForms(given, versions)
  const shape = versions.shape(apiVersion)!
  const merged = merge(live, config, shape) as KubeObject
  const id = identityOf(applier)
  const before = managers.get(id)
  const fields = fieldsOf(config, shape).recursiveDifference(versions.ignored(apiVersion))
  const applying: Manager = { ...applier, time: before?.time, fields }
  const withApplier = new Map(managers).set(id, applying)
  const object = before ? prune(merged, before, withApplier, versions, apiVersion) : merged
  const { kept, conflicts } = settle(withApplier, new ChangesByVersion(live, object, versions), id)
  if (!force && conflicts.size > 0) throw new ConflictError(conflicts)
  return { object: object === live || jsonEqual(object, live) ? undefined : object, managers: kept }
}

function followForms(managers: Managers, versions: Versions): Managers {
  const followed = new Map(managers)
  for (const [id, manager] of managers) {
    const shape = versions.shape(manager.apiVersion)
    if (shape) followed.set(id, { ...manager, fields: withWholeValues(manager.fields, shape) })
  }
  return followed
}

interface VersionChanges {
  /** Added and modified. */
  readonly written: FieldSet
  readonly removed: FieldSet
}

/** What changed, in each version that is asked for; compared once. */
class ChangesByVersion {
  readonly #before: KubeObject
  readonly #after: KubeObject
  readonly #versions: Versions
  readonly #known = new Map<string, VersionChanges | undefined>()

  constructor(before: KubeObject, after: KubeObject, versions: Versions) {
    this.#before = before
    this.#after = after
    this.#versions = versions
  }
  in(apiVersion: string): VersionChanges | undefined {
    if (!this.#known.has(apiVersion)) this.#known.set(apiVersion, this.#compare(apiVersion))
    return this.#known.get(apiVersion)
  }
  #compare(apiVersion: string): VersionChanges | undefined {
    const shape = this.#versions.shape(apiVersion)
    if (!shape) return undefined
    const convert = (object: KubeObject): KubeObject => this.#versions.convert(object, apiVersion)
    const ignored = this.#versions.ignored(apiVersion)
    const { added, modified, removed } = compare(convert(this.#before), convert(this.#after), shape)
    return {
      written: added.union(modified).recursiveDifference(ignored),
      removed: removed.recursiveDifference(ignored),
    }
  }
}

/** Takes from all managers but the writer what a write changed or removed. */
function settle(
  managers: Managers,
  changes: ChangesByVersion,
  writer: string | undefined,
): { kept: Managers; conflicts: ReadonlyMap<Manager, FieldSet> } {
  const kept = new Map<string, Manager>()
  const conflicts = new Map<Manager, FieldSet>()
  for (const [id, manager] of managers) {
    if (id === writer) {
      if (!manager.fields.isEmpty) kept.set(id, manager)
      continue
    }
    const changed = changes.in(manager.apiVersion)
    if (!changed) continue
    const lost = manager.fields.intersection(changed.written)
    if (!lost.isEmpty) conflicts.set(manager, lost)
    const fields = manager.fields.difference(lost).difference(changed.removed)
    if (!fields.isEmpty) kept.set(id, { ...manager, fields })
  }
  return { kept, conflicts }
}

/** Takes out what the applier owned, then puts back what is owned now and what goes with it. */
function prune(
  merged: KubeObject,
  last: Manager,
  managers: Managers,
  versions: Versions,
  apiVersion: string,
): KubeObject {
  const shape = versions.shape(last.apiVersion)
  if (!shape || keepsAll(last, managers.get(identityOf(last))!)) return merged
  const whole = versions.convert(merged, last.apiVersion)
  const owned = withNamedFields(last.fields, shape)
  let pruned = removeFields(whole, shape, owned) as KubeObject
  for (const [version, fields] of fieldsByVersion(managers, last.apiVersion))
    pruned = keepOwned(whole, pruned, version, fields, versions)
  pruned = versions.convert(pruned, last.apiVersion)
  // Only what the applier had goes; a value without an owner goes only with what it is part of.
  const [mergedFields, prunedFields] = [namedFieldsOf(whole, shape), namedFieldsOf(pruned, shape)]
  const gone = mergedFields.difference(prunedFields).intersection(owned)
  return gone.isEmpty ? merged : versions.convert(removeFields(whole, shape, gone) as KubeObject, apiVersion)
}

/** The common case, which spares the walks: the applier names all that it named before. */
function keepsAll(last: Manager, applying: Manager): boolean {
  return last.apiVersion === applying.apiVersion && last.fields.difference(applying.fields).isEmpty
}

/** All that managers own, by version; the given version comes first, so that what others need is there to convert. */
function fieldsByVersion(managers: Managers, first: string): ReadonlyMap<string, FieldSet> {
  const sets = new Map<string, FieldSet[]>([[first, []]])
  for (const { apiVersion, fields } of managers.values()) {
    const known = sets.get(apiVersion)
    if (known) known.push(fields)
    else sets.set(apiVersion, [fields])
  }
  return new Map(Array.from(sets, ([version, fields]) => [version, FieldSet.unionOf(fields)]))
}

/** The merged object without what is neither in the pruned one nor owned. */
function keepOwned(
  merged: KubeObject,
  pruned: KubeObject,
  version: string,
  fields: FieldSet,
  versions: Versions,
): KubeObject {
  const shape = versions.shape(version)
  if (!shape) return pruned
  const [all, kept] = [versions.convert(merged, version), versions.convert(pruned, version)]
  const wanted = namedFieldsOf(kept, shape).union(withNamedFields(fields, shape))
  return removeFields(all, shape, namedFieldsOf(all, shape).difference(wanted)) as KubeObject
}

const namedFieldsOf = (object: KubeObject, shape: MergeShape): FieldSet =>
  withNamedFields(fieldsOf(object, shape), shape)
