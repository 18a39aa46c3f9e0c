/**
 * The fields that an object has: what an applied configuration owns, and what a whole object can own.
 * Source: structured-merge-diff's ToFieldSet; each rule was seen in kube-apiserver's answers.
 */
import { isObject, type JsonObject } from '../../api/json-value.ts'
import { FieldSet } from './field-set.ts'
import { indexList, onlyItem } from './list-items.ts'
import { type ListShape, type MapShape, type MergeShape, shapeFor } from '../../api/kinds/merge-shape.ts'
import { fieldElement } from './path-element.ts'

/**
 * Scalars and atomic values are members, and so are keys of maps, items of sets and list maps, and fields whose value
 * is null or an empty object.
 *
 * @throws ItemError for a list item without identity.
 */
export function fieldsOf(value: unknown, shape: MergeShape): FieldSet {
  const form = shapeFor(shape, value)
  if (form.kind === 'map' && isObject(value)) return mapFields(value, form)
  return form.kind === 'list' && Array.isArray(value) ? listFields(value, form) : FieldSet.EMPTY
}

/** True where the value is owned as a whole, whatever is below it. */
function isWhole(value: unknown, shape: MergeShape): boolean {
  const form = shapeFor(shape, value)
  if (form.kind === 'scalar') return true
  return form.kind === 'map' ? form.atomic : form.relation === 'atomic'
}

function mapFields(value: JsonObject, shape: MapShape): FieldSet {
  const set = new FieldSet()
  for (const key of Object.keys(value)) {
    const [child, form] = [value[key], shape.member(key)]
    if (child === undefined || !form) continue
    const whole = isWhole(child, form)
    const member = whole || child === null || !shape.isField(key) || isEmptyObject(child)
    set.put(fieldElement(key), member, whole ? undefined : fieldsOf(child, form))
  }
  return set
}

const isEmptyObject = (value: unknown): boolean => isObject(value) && Object.keys(value).length === 0

function listFields(items: readonly unknown[], shape: ListShape): FieldSet {
  const set = new FieldSet()
  const list = indexList(items, shape)
  for (const element of list.at.keys()) {
    const item = onlyItem(list, element)
    set.put(element, true, item === undefined || isWhole(item, shape.item) ? undefined : fieldsOf(item, shape.item))
  }
  return set
}

/**
 * Adds the struct fields on the way to each path: `spec` for `spec.replicas`, but not `labels` for `labels.app` of a
 * map, nor the item for a field of an item.
 */
export function withNamedFields(set: FieldSet, shape: MergeShape): FieldSet {
  const result = new FieldSet()
  for (const element of set.elements()) {
    const below = set.below(element)
    const key = element.slice(2)
    const isName = element[0] === 'f' && shape.kind === 'map' && shape.isField(key)
    const next = nextShape(shape, element)
    const named = below && next ? withNamedFields(below, next) : below
    result.put(element, set.hasMember(element) || (isName && below !== undefined), named)
  }
  return result
}

/**
 * Follows a form that became atomic after the set was written: who owned a part owns the whole. A form that became
 * granular needs nothing: the whole stays owned, and the parts besides it.
 *
 * @returns the same set where nothing changes.
 */
export function withWholeValues(set: FieldSet, shape: MergeShape): FieldSet {
  let result = set
  for (const element of set.elements()) {
    const [below, next] = [set.below(element), nextShape(shape, element)]
    if (!below || !next) continue
    const whole = next.kind === 'map' ? next.atomic : next.kind === 'list' && next.relation === 'atomic'
    const followed = whole ? undefined : withWholeValues(below, next)
    if (followed === below) continue
    if (result === set) result = set.copy()
    result.put(element, whole || set.hasMember(element), followed)
  }
  return result
}

/** The shape of what a step leads to. */
export function nextShape(shape: MergeShape, element: string): MergeShape | undefined {
  if (shape.kind === 'deduced') return shape
  if (shape.kind === 'list') return shape.item
  return shape.kind === 'map' ? shape.member(element.slice(2)) : undefined
}
