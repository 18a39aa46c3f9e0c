/**
 * Merge shapes of the types in the tables. Source: the rules by which apimachinery reads an OpenAPI document:
 * listType where it is given, else the patch strategy (merge with a key is a list map, without one a set), else atomic.
 *
 * Owns: a cache of shapes by type; a type's fields are looked at when a walk first comes to them, so cycles end.
 */
import type { Field, FieldType, ObjectType, ScalarKind } from '../schema/type-table.ts'
import {
  type ListKey,
  type ListShape,
  type MapShape,
  type MergeShape,
  type ScalarShape,
  UNTYPED,
} from './merge-shape.ts'

const STRING: ScalarShape = { kind: 'scalar', type: 'string' }
const NUMERIC: ScalarShape = { kind: 'scalar', type: 'numeric' }
const BOOLEAN: ScalarShape = { kind: 'scalar', type: 'boolean' }
/** Times, quantities and the like are untyped: the decoder judges their text. */
const SCALARS: Readonly<Record<ScalarKind, ScalarShape>> = {
  string: STRING,
  bytes: STRING,
  bool: BOOLEAN,
  int32: NUMERIC,
  int64: NUMERIC,
  double: NUMERIC,
  time: UNTYPED,
  microtime: UNTYPED,
  quantity: UNTYPED,
  intOrString: UNTYPED,
  raw: UNTYPED,
}

export class TableShapes {
  readonly #byType = new WeakMap<ObjectType, { granular?: StructShape; atomic?: StructShape }>()

  /** The shape of a kind: its type, with apiVersion and kind, which the tables leave out. */
  kind(type: ObjectType): MergeShape {
    const body = this.#struct(type, type.mapType === 'atomic')
    return {
      kind: 'map',
      atomic: body.atomic,
      present: body.present,
      member: (key) => (key === 'apiVersion' || key === 'kind' ? STRING : body.member(key)),
      isField: (key) => key === 'apiVersion' || key === 'kind' || body.isField(key),
    }
  }

  /** The shape of a type within a kind. */
  of(type: ObjectType): MergeShape {
    return this.#struct(type, type.mapType === 'atomic')
  }

  #struct(type: ObjectType, atomic: boolean): StructShape {
    let known = this.#byType.get(type)
    if (!known) {
      known = {}
      this.#byType.set(type, known)
    }
    const form = atomic ? 'atomic' : 'granular'
    known[form] ??= new StructShape(type, atomic, (field) => this.#field(field))
    return known[form]
  }

  #field(field: Field): MergeShape {
    return field.type.kind === 'list'
      ? this.#list(field, field.type.item)
      : this.#value(field.type, field.mapType === 'atomic')
  }

  #value(type: FieldType, atomic: boolean): MergeShape {
    switch (type.kind) {
      case 'object':
        return this.#struct(type.type, atomic || type.type.mapType === 'atomic')
      case 'map':
        return mapOf(this.#value(type.value, false), atomic)
      case 'list':
        return { kind: 'list', relation: 'atomic', item: this.#value(type.item, false), keys: [] }
      case 'union':
        return UNTYPED
      default:
        return SCALARS[type.kind]
    }
  }

  #list(field: Field, itemType: FieldType): ListShape {
    const item = this.#value(itemType, false)
    const merges = field.patchStrategy.includes('merge')
    const relation = field.listType ?? (merges ? (field.patchMergeKey === undefined ? 'set' : 'map') : 'atomic')
    if (relation !== 'map') return { kind: 'list', relation, item, keys: [] }
    const given = field.listMapKeys.length > 0 ? field.listMapKeys : [field.patchMergeKey ?? '']
    return { kind: 'list', relation, item, keys: given.toSorted().map((name) => keyOf(name, itemType)) }
  }
}

function keyOf(name: string, itemType: FieldType): ListKey {
  const field = itemType.kind === 'object' ? itemType.type.byName.get(name) : undefined
  return { name, default: field?.default ?? (field?.always === true ? zeroOf(field) : undefined) }
}

function mapOf(value: MergeShape, atomic: boolean): MapShape {
  return { kind: 'map', atomic, member: () => value, isField: () => false, present: new Map() }
}

class StructShape implements MapShape {
  readonly kind = 'map'
  readonly atomic: boolean
  readonly present: ReadonlyMap<string, unknown>
  readonly #type: ObjectType
  readonly #shapeOf: (field: Field) => MergeShape
  readonly #members = new Map<string, MergeShape>()

  constructor(type: ObjectType, atomic: boolean, shapeOf: (field: Field) => MergeShape) {
    this.#type = type
    this.atomic = atomic
    this.#shapeOf = shapeOf
    this.present = new Map(type.fields.filter((f) => f.always).map((f) => [f.name, zeroOf(f)]))
  }
  member(key: string): MergeShape | undefined {
    const known = this.#members.get(key)
    if (known) return known
    const field = this.#type.byName.get(key)
    if (!field) return undefined
    const shape = this.#shapeOf(field)
    this.#members.set(key, shape)
    return shape
  }
  isField(key: string): boolean {
    return this.#type.byName.has(key)
  }
}

/** As Go's zero value stands in JSON. */
function zeroOf(field: Field): unknown {
  if (field.pointer) return null
  switch (field.type.kind) {
    case 'object':
      return {}
    case 'string':
      return ''
    case 'bool':
      return false
    case 'int32':
    case 'int64':
    case 'double':
    case 'intOrString':
      return 0
    case 'quantity':
      return '0'
    default:
      return null
  }
}
