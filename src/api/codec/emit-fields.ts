/** The last step of reading an object, from JSON or protobuf: fields in the order of the Go struct, empty ones left out as Go's encoder does. */
import type { Field, ObjectType } from '../schema/type-table.ts'
import { setOwn } from './json-exact-reader.ts'
import { zeroOf } from './zero-values.ts'

/** Writes fields in the table's order, leaving out what Go's encoder leaves out. */
export function emitFields(
  type: ObjectType,
  decoded: ReadonlyMap<Field, unknown>,
  into: Record<string, unknown>,
): Record<string, unknown> {
  for (const field of type.fields) {
    const value = decoded.get(field)
    if (value === undefined) {
      if (field.always) into[field.name] = zeroOf(field.type)
    } else if (field.pointer || field.always || !isEmpty(value)) into[field.name] = value
  }
  return into
}

/** Go's omitempty. A plain struct is never empty, but those are always written anyway. */
function isEmpty(value: unknown): boolean {
  if (value === '' || value === 0 || value === false || value === null) return true
  if (typeof value !== 'object') return false
  return Object.keys(value).length === 0
}

/** Go writes maps sorted by key. */
export function sortedMap(entries: [string, unknown][]): Record<string, unknown> {
  const map: Record<string, unknown> = {}
  if (!isSorted(entries)) entries.sort(([a], [b]) => (a < b ? -1 : 1))
  for (const [key, value] of entries) setOwn(map, key, value)
  return map
}

function isSorted(entries: readonly (readonly [string, unknown])[]): boolean {
  for (let i = 1; i < entries.length; i++) if (entries[i - 1]![0] >= entries[i]![0]) return false
  return true
}
