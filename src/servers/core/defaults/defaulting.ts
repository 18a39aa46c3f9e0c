/** What the defaulting of all groups is written with. */
export type Fields = Record<string, unknown>
/** Changes the object, which the caller has to itself. */
export type Defaulter = (object: Fields) => void

/** Absent and empty are the same for fields that are no pointers in Go. */
export function setDefault(object: Fields, field: string, value: unknown): void {
  const current = object[field]
  if (current === undefined || current === null || current === '' || current === 0) object[field] = value
}

/** The object in a field, made where there is none. */
export function objectAt(object: Fields, field: string): Fields {
  const value = object[field]
  if (typeof value === 'object' && value !== null) return value as Fields
  const made: Fields = {}
  object[field] = made
  return made
}

/** @returns undefined where the field holds no object. */
export function objectIn(object: Fields, field: string): Fields | undefined {
  const value = object[field]
  return typeof value === 'object' && value !== null ? (value as Fields) : undefined
}

export function listAt(object: Fields, field: string): Fields[] {
  return listOf(object[field]) as Fields[]
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
