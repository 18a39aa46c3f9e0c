/**
 * What apply must know of an object's form, and nothing more: where values merge and how items of a list are told
 * apart. The tables of the built-in kinds make shapes (table-shapes.ts); a structural schema can make them too.
 *
 * Callers: the walks of this folder (form-check, owned-fields, compare, merge, remove).
 */
import { isObject } from '../json-value.ts'

export type MergeShape = ScalarShape | MapShape | ListShape | DeducedShape

/** A value that has one owner as a whole. untyped takes any value, objects and lists included. */
export interface ScalarShape {
  readonly kind: 'scalar'
  readonly type: 'string' | 'numeric' | 'boolean' | 'untyped'
}

/** A struct, a map, or both at once as schemas allow. */
export interface MapShape {
  readonly kind: 'map'
  /** The whole map has one owner. */
  readonly atomic: boolean
  /** The shape of the value under a key; undefined: the form does not have the key. */
  member(key: string): MergeShape | undefined
  /** True for a field of a struct. A key of a map is owned itself, besides what is below it. */
  isField(key: string): boolean
  /** Fields that are there even when a body leaves them out (Go: no omitempty), with their zero value. */
  readonly present: ReadonlyMap<string, unknown>
}

export interface ListShape {
  readonly kind: 'list'
  readonly relation: 'atomic' | 'set' | 'map'
  readonly item: MergeShape
  /** In a list map: the fields that identify an item, sorted by name. */
  readonly keys: readonly ListKey[]
}
export interface ListKey {
  readonly name: string
  /** Stands for a key that an item leaves out; undefined: the key must be given. */
  readonly default: unknown
}

/** The form is read off the value: objects merge, lists and scalars are owned as a whole. */
export interface DeducedShape {
  readonly kind: 'deduced'
}

export const UNTYPED: ScalarShape = { kind: 'scalar', type: 'untyped' }
export const DEDUCED: DeducedShape = { kind: 'deduced' }
const DEDUCED_MAP: MapShape = {
  kind: 'map',
  atomic: false,
  member: () => DEDUCED,
  isField: () => false,
  present: new Map(),
}

/** The shape that a deduced one takes for a value. */
export function shapeFor(shape: MergeShape, value: unknown): ScalarShape | MapShape | ListShape {
  if (shape.kind !== 'deduced') return shape
  return isObject(value) ? DEDUCED_MAP : UNTYPED
}

/** The value under a key as upstream's Go struct would have it: fields that are always there have their zero value. */
export function memberValue(value: unknown, key: string, shape: MapShape): unknown {
  if (!isObject(value)) return undefined
  const own = Object.hasOwn(value, key) ? value[key] : undefined
  return own === undefined ? shape.present.get(key) : own
}
