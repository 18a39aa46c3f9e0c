/**
 * Who owns which fields: metadata.managedFields as a map of managers.
 *
 * Immutable: each change makes new maps.
 */
import { formatTime } from '../../api/time.ts'
import type { KubeObject } from '../../api/meta.ts'
import { isObject, type JsonObject } from '../../api/json-value.ts'
import { FieldSet } from './field-set.ts'
import { readFieldsV1, writeFieldsV1 } from './fields-v1.ts'
import { compareText } from './path-element.ts'

export interface ManagerName {
  readonly manager: string
  readonly operation: 'Apply' | 'Update'
  readonly apiVersion: string
  readonly subresource: string
}
export interface Manager extends ManagerName {
  /** RFC 3339 with whole seconds; undefined where upstream writes none. */
  readonly time: string | undefined
  readonly fields: FieldSet
}
/** By identity. */
export type Managers = ReadonlyMap<string, Manager>

/** Managers of this kind are merged, oldest first, when there are more. Source: upstream's DefaultMaxUpdateManagers. */
const MAX_UPDATE_MANAGERS = 10
const OLD_CHANGES = 'ancient-changes'

/** An applier stays the same manager when it goes to another version; an updater does not. */
export function identityOf({ manager, operation, apiVersion, subresource }: ManagerName): string {
  return JSON.stringify({
    ...(manager === '' ? {} : { manager }),
    operation,
    ...(operation === 'Apply' || apiVersion === '' ? {} : { apiVersion }),
    ...(subresource === '' ? {} : { subresource }),
  })
}

/** @returns undefined where an entry is not valid: upstream then takes none of them. */
export function decodeManagers(entries: unknown): Managers | undefined {
  const managers = new Map<string, Manager>()
  if (entries === undefined || entries === null) return managers
  if (!Array.isArray(entries)) return undefined
  for (const entry of entries) {
    const manager = decodeEntry(entry)
    if (!manager) return undefined
    managers.set(identityOf(manager), manager)
  }
  return managers
}

function decodeEntry(entry: unknown): Manager | undefined {
  if (!isObject(entry)) return undefined
  const { operation, fieldsType, apiVersion, time } = entry
  if (operation !== 'Apply' && operation !== 'Update') return undefined
  if (fieldsType !== 'FieldsV1' || typeof apiVersion !== 'string' || apiVersion === '') return undefined
  try {
    return {
      manager: textOf(entry, 'manager'),
      operation,
      apiVersion,
      subresource: textOf(entry, 'subresource'),
      time: typeof time === 'string' ? time : undefined,
      fields: readFieldsV1(entry['fieldsV1'] ?? {}),
    }
  } catch {
    return undefined
  }
}

const textOf = (entry: JsonObject, name: string): string => {
  const value = entry[name]
  return typeof value === 'string' ? value : ''
}

/** A list that asks to forget all managers: empty, or with one empty entry. */
export function isReset(entries: unknown): boolean {
  if (!Array.isArray(entries)) return false
  return entries.length === 0 || (entries.length === 1 && isObject(entries[0]) && Object.keys(entries[0]).length === 0)
}

/** @returns the object with these managers; its metadata is new, the rest is shared. */
export function withManagers<T extends KubeObject>(object: T, managers: Managers): T {
  const { managedFields: _old, ...metadata } = object.metadata
  const entries = Array.from(managers.values()).toSorted(compareManagers).map(encodeEntry)
  return { ...object, metadata: entries.length === 0 ? metadata : { ...metadata, managedFields: entries } }
}

function encodeEntry({ manager, operation, apiVersion, subresource, time, fields }: Manager): JsonObject {
  return {
    ...(manager === '' ? {} : { manager }),
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: writeFieldsV1(fields),
    ...(subresource === '' ? {} : { subresource }),
  }
}

/** Appliers first, then the oldest. */
function compareManagers(a: Manager, b: Manager): number {
  return (
    compareText(a.operation, b.operation) ||
    secondsOf(a) - secondsOf(b) ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  )
}

function secondsOf({ time }: Manager): number {
  const ms = time === undefined ? 0 : Date.parse(time)
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000)
}

/** The fields that a manager took in a write, at `now` (ms), besides those that it had. */
export function addUpdate(managers: Managers, name: ManagerName, taken: FieldSet, now: number): Managers {
  if (taken.isEmpty) return managers
  const id = identityOf(name)
  const before = managers.get(id)
  const entry: Manager = {
    ...name,
    time: formatTime(now),
    fields: before ? before.fields.union(taken) : taken,
  }
  return mergeOldest(new Map(managers).set(id, entry))
}

/** Merges the oldest updates of each version into one entry, until few enough are left. */
function mergeOldest(managers: Map<string, Manager>): Managers {
  if (managers.size <= MAX_UPDATE_MANAGERS) return managers
  const updates = Array.from(managers).filter(([, { operation }]) => operation === 'Update')
  let left = updates.length
  if (left <= MAX_UPDATE_MANAGERS) return managers
  updates.sort(([idA, a], [idB, b]) => secondsOf(a) - secondsOf(b) || compareText(idA, idB))
  const byVersion = new Map<string, [string, Manager][]>()
  for (const update of updates) {
    if (left <= MAX_UPDATE_MANAGERS) break
    const { apiVersion } = update[1]
    const group = byVersion.get(apiVersion)
    // The first of a version goes only together with a second one.
    if (!group) byVersion.set(apiVersion, [update])
    else {
      group.push(update)
      left--
    }
  }
  for (const [apiVersion, group] of byVersion) if (group.length > 1) mergeGroup(managers, apiVersion, group)
  return managers
}

function mergeGroup(managers: Map<string, Manager>, apiVersion: string, group: readonly [string, Manager][]): void {
  const name: ManagerName = { manager: OLD_CHANGES, operation: 'Update', apiVersion, subresource: '' }
  const bucket = identityOf(name)
  // An entry of earlier merges is among the oldest unless its time was changed from outside.
  const before = group.some(([id]) => id === bucket) ? undefined : managers.get(bucket)
  const sets = [...(before ? [before] : []), ...group.map(([, update]) => update)].map(({ fields }) => fields)
  for (const [id] of group) managers.delete(id)
  managers.set(bucket, { ...name, time: group.at(-1)![1].time, fields: FieldSet.unionOf(sets) })
}
