/**
 * Fits a decoded JSON value into a type of the tables, as Go's decoder fits it into a struct and its encoder
 * writes it back: fields in the order of the struct, empty optional values dropped, what has no omitempty
 * present. Unknown and repeated fields are reported in the order of the document and dropped.
 *
 * Callers:  codec.ts for bodies; the registry, to bring an object it changed into its final form.
 * Not here: defaults and validation.
 */
import type { Field, FieldType, ObjectType } from '../schema/type-table.ts'
import { QuantityError, canonicalQuantity } from '../quantity.ts'
import { emitFields, sortedMap } from './emit-fields.ts'
import { canonicalTime, formatMicroTime, parseMicroTime } from './go-time.ts'
import { type Duplicate, setOwn } from './json-exact-reader.ts'
import { JsonFloat } from './json-float.ts'
import { goTypeName, zeroOf } from './zero-values.ts'

/** A value of the wrong type. The message is Go's. */
export class TypeMismatchError extends Error {
  override readonly name = 'TypeMismatchError'
}

export type Duplicates = ReadonlyMap<object, readonly Duplicate[]> | undefined
export interface TypedObject {
  readonly object: Record<string, unknown>
  /** `unknown field "spec.foo"`, `duplicate field "spec.bar"`; at most 100. */
  readonly problems: readonly string[]
}

/** Source: sigs.k8s.io/json keeps as many strict errors. */
const MAX_PROBLEMS = 100
const MAX_INT32 = 2147483647
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** @throws TypeMismatchError for the first value, in the document's order, of the wrong type. */
export function decodeTyped(type: ObjectType, value: object, duplicates?: Duplicates): TypedObject {
  const decoder = new TypedDecoder(duplicates)
  return { object: decoder.root(type, value), problems: decoder.problems }
}

/** Brings an object into the form and order of its type; what the type does not know is dropped. */
export function conform<T extends object>(type: ObjectType, object: T): T {
  return decodeTyped(type, object).object as T
}

const UNION_ERRORS = {
  Bool: 'boolean or JSON schema expected',
  Array: 'JSON schema or array of JSON schemas expected',
  StringArray: 'JSON schema or array of strings expected',
} as const

/** Where a value stands: as strict problems name it, and as Go's type errors name it. */
interface Place {
  readonly path: string
  readonly struct: string
  readonly goPath: string
  readonly goType: string | undefined
}
const ROOT: Place = { path: '', struct: '', goPath: '', goType: undefined }

class TypedDecoder {
  readonly problems: string[] = []
  readonly #duplicates: Duplicates
  #silent = false

  constructor(duplicates: Duplicates) {
    this.#duplicates = duplicates
  }

  root(type: ObjectType, value: object): Record<string, unknown> {
    const decoded = this.#fields(type, value, ROOT, true)
    const result: Record<string, unknown> = {}
    const { kind, apiVersion } = value as { kind?: unknown; apiVersion?: unknown }
    if (typeof kind === 'string' && kind !== '') result['kind'] = kind
    if (typeof apiVersion === 'string' && apiVersion !== '') result['apiVersion'] = apiVersion
    return emitFields(type, decoded, result)
  }

  #object(type: ObjectType, value: unknown, place: Place): Record<string, unknown> {
    if (!isRecord(value)) throw mismatch(value, type.goType, place)
    return emitFields(type, this.#fields(type, value, place, false), {})
  }

  #fields(type: ObjectType, value: object, place: Place, root: boolean): Map<Field, unknown> {
    const decoded = new Map<Field, unknown>()
    const repeated = this.#duplicates?.get(value)
    let position = 0
    for (const [key, child] of Object.entries(value)) {
      if (repeated) this.#reportRepeated(repeated, position++, place.path)
      const field = type.byName.get(key)
      if (field) {
        const result = child === null ? undefined : this.#value(field.type, child, childPlace(place, type, field))
        if (result !== undefined) decoded.set(field, result)
      } else if (!root || (key !== 'kind' && key !== 'apiVersion'))
        this.#report(`unknown field ${quoted(place.path, key)}`)
    }
    if (repeated) this.#reportRepeated(repeated, position, place.path)
    return decoded
  }

  #value(type: FieldType, value: unknown, place: Place): unknown {
    switch (type.kind) {
      case 'object':
        return this.#object(type.type, value, place)
      case 'list':
        if (!Array.isArray(value)) throw mismatch(value, goTypeName(type, place.goType), place)
        return value.map((item: unknown, i) => this.#item(type.item, item, indexed(place, i)))
      case 'map':
        return this.#map(type.value, value, place, goTypeName(type, place.goType))
      case 'union':
        return this.#union(type, value, place)
      default:
        return decodeScalar(type.kind, value, place)
    }
  }

  /** Go decodes these with code of their own, which knows no strictness. */
  #union(type: FieldType & { kind: 'union' }, value: unknown, place: Place): unknown {
    const outer = this.#silent
    this.#silent = true
    try {
      if (type.or === 'Bool' && typeof value === 'boolean') return value
      if (type.or !== 'Bool' && Array.isArray(value)) {
        const item: FieldType = type.or === 'Array' ? { kind: 'object', type: type.type } : { kind: 'string' }
        return value.map((child: unknown, i) => this.#item(item, child, indexed(place, i)))
      }
      if (isRecord(value)) return this.#object(type.type, value, place)
      throw new TypeMismatchError(UNION_ERRORS[type.or])
    } finally {
      this.#silent = outer
    }
  }

  #item(type: FieldType, item: unknown, place: Place): unknown {
    return item === null ? zeroOf(type) : this.#value(type, item, place)
  }

  #map(type: FieldType, value: unknown, place: Place, goType: string): Record<string, unknown> {
    if (!isRecord(value)) throw mismatch(value, goType, place)
    const repeated = this.#duplicates?.get(value)
    const entries: [string, unknown][] = []
    let position = 0
    for (const [key, child] of Object.entries(value)) {
      if (repeated) this.#reportRepeated(repeated, position++, place.path)
      // Most maps hold texts: no place is needed for what cannot fail.
      const text = type.kind === 'string' && typeof child === 'string'
      entries.push([key, text ? child : this.#item(type, child, keyed(place, key))])
    }
    if (repeated) this.#reportRepeated(repeated, position, place.path)
    return sortedMap(entries)
  }

  #reportRepeated(repeated: readonly Duplicate[], position: number, path: string): void {
    for (const { key, at } of repeated) if (at === position) this.#report(`duplicate field ${quoted(path, key)}`)
  }

  #report(problem: string): void {
    if (!this.#silent && this.problems.length < MAX_PROBLEMS) this.problems.push(problem)
  }
}

function decodeScalar(
  kind: Exclude<FieldType['kind'], 'object' | 'list' | 'map' | 'union'>,
  value: unknown,
  place: Place,
): unknown {
  switch (kind) {
    case 'string':
      if (typeof value === 'string') return value
      throw mismatch(value, place.goType ?? 'string', place)
    case 'bool':
      if (typeof value === 'boolean') return value
      throw mismatch(value, 'bool', place)
    case 'int32':
    case 'int64':
      return decodeInteger(kind, value, place)
    case 'double':
      if (typeof value === 'number') return value
      if (value instanceof JsonFloat) return value.value
      throw mismatch(value, 'float64', place)
    case 'bytes':
      return decodeBytes(value, place)
    case 'time':
      return canonicalTime(ownString(value))
    case 'microtime':
      return formatMicroTime(parseMicroTime(ownString(value)))
    case 'quantity':
      return decodeQuantity(value)
    case 'intOrString':
      return decodeIntOrString(value)
    case 'raw':
      return unwrapFloats(value)
  }
}

function decodeQuantity(value: unknown): string {
  try {
    return canonicalQuantity(value instanceof JsonFloat ? value.literal : String(value))
  } catch (error) {
    throw error instanceof QuantityError ? new TypeMismatchError(error.message) : error
  }
}

function decodeInteger(kind: 'int32' | 'int64', value: unknown, place: Place): number | bigint {
  if (typeof value === 'bigint' && kind === 'int64') return value
  if (typeof value === 'number' && Number.isInteger(value)) {
    const max = kind === 'int32' ? MAX_INT32 : 2 ** 63
    if (value <= max && value >= -max - 1 && value !== 2 ** 63) return value
  }
  throw mismatch(value, kind, place, true)
}

function decodeBytes(value: unknown, place: Place): string {
  if (typeof value !== 'string') throw mismatch(value, '[]uint8', place)
  const text = value.replace(/[\r\n]/g, '')
  if (BASE64.test(text)) return text
  const bad = /[^A-Za-z0-9+/]/.exec(text.replace(/={1,2}$/, ''))
  throw new TypeMismatchError(`illegal base64 data at input byte ${bad ? bad.index : text.length - (text.length % 4)}`)
}

function decodeIntOrString(value: unknown): string | number {
  if (typeof value === 'string') return value
  if (typeof value === 'number' && Number.isInteger(value) && value <= MAX_INT32 && value >= -MAX_INT32 - 1)
    return value
  throw new TypeMismatchError(`json: cannot unmarshal ${jsonTypeOf(value, true)} into Go value of type int32`)
}

/** Types that decode themselves see their value alone: the error does not name the field. */
function ownString(value: unknown): string {
  if (typeof value === 'string') return value
  throw new TypeMismatchError(`json: cannot unmarshal ${jsonTypeOf(value, false)} into Go value of type string`)
}

function mismatch(value: unknown, goType: string, place: Place, numbers = false): TypeMismatchError {
  const found = jsonTypeOf(value, numbers)
  const where = place.goPath === '' ? 'Go value' : `Go struct field ${place.struct}.${place.goPath}`
  return new TypeMismatchError(`json: cannot unmarshal ${found} into ${where} of type ${goType}`)
}

/** @param literal a number that is of the wrong size or form is shown; one where no number may be is not. */
export function jsonTypeOf(value: unknown, literal: boolean): string {
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'string') return 'string'
  if (value instanceof JsonFloat) return literal ? `number ${value.literal}` : 'number'
  if (typeof value === 'number' || typeof value === 'bigint') return literal ? `number ${value}` : 'number'
  return 'object'
}

/** A deep copy without JsonFloat; bounded by the reader's depth. */
export function unwrapFloats(value: unknown): unknown {
  if (value instanceof JsonFloat) return value.value
  if (Array.isArray(value)) return value.map(unwrapFloats)
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = {}
  for (const [key, child] of Object.entries(value)) setOwn(copy, key, unwrapFloats(child))
  return copy
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonFloat)
}

function childPlace(parent: Place, type: ObjectType, field: Field): Place {
  return {
    path: parent.path === '' ? field.name : `${parent.path}.${field.name}`,
    struct: type.name,
    goPath: parent.goPath === '' ? field.name : `${parent.goPath}.${field.name}`,
    goType: field.goType,
  }
}
function indexed(place: Place, index: number): Place {
  return { ...place, path: `${place.path}[${index}]` }
}
function keyed(place: Place, key: string): Place {
  return { ...place, path: `${place.path}.${key}` }
}
function quoted(path: string, key: string): string {
  return JSON.stringify(path === '' ? key : `${path}.${key}`)
}
