/**
 * Takes fields out of an object. What is left empty becomes null, as upstream has it: decoding into a built-in kind
 * drops the null, a custom resource's schema may refuse it. Source: structured-merge-diff's RemoveItems.
 */
import { setOwn } from '../../api/codec/json-exact-reader.ts'
import { isObject, type JsonObject } from '../../api/json-value.ts'
import type { FieldSet } from './field-set.ts'
import { itemElement } from './list-items.ts'
import { type ListShape, type MapShape, type MergeShape, shapeFor } from '../../api/kinds/merge-shape.ts'
import { fieldElement } from './path-element.ts'

/** The object is not changed; what stays the same is shared with it. Atomic values go whole or not at all. */
export function removeFields(value: unknown, shape: MergeShape, fields: FieldSet): unknown {
  if (fields.isEmpty) return value
  const form = shapeFor(shape, value)
  if (form.kind === 'map' && !form.atomic && isObject(value)) return removeFromMap(value, form, fields)
  if (form.kind === 'list' && form.relation !== 'atomic' && Array.isArray(value))
    return removeFromList(value, form, fields)
  return value
}

function removeFromMap(value: JsonObject, shape: MapShape, fields: FieldSet): JsonObject | null {
  const result: JsonObject = {}
  const keys = Object.keys(value)
  let kept = 0
  for (const key of keys) {
    const element = fieldElement(key)
    if (fields.hasMember(element)) continue
    const [below, form] = [fields.below(element), shape.member(key)]
    setOwn(result, key, below && form ? removeFields(value[key], form, below) : value[key])
    kept++
  }
  return kept === 0 && keys.length > 0 ? null : result
}

function removeFromList(items: readonly unknown[], shape: ListShape, fields: FieldSet): unknown[] | null {
  const result: unknown[] = []
  for (const item of items) {
    const element = itemElement(item, shape)
    if (fields.hasMember(element)) continue
    const below = fields.below(element)
    result.push(below ? removeFields(item, shape.item, below) : item)
  }
  return result.length === 0 && items.length > 0 ? null : result
}
