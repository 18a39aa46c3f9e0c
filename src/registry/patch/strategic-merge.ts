/**
 * Strategic merge patches: JSON merge patches that merge lists by key where the type says so, with directives
 * ($patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList). Driven by the type tables.
 *
 * Pure: neither the document nor the patch is changed. Source: apimachinery's util/strategicpatch; error texts
 * are its own.
 */
import { setOwn } from '../../api/codec/json-exact-reader.ts'
import type { Field, FieldType, ObjectType } from '../../api/schema/type-table.ts'
import { identifyBy, orderElements } from './element-order.ts'
import { getKey, goText, isObject, type JsonObject } from '../../api/json-value.ts'
import {
  applyRetainKeys,
  DELETE_FROM_LIST,
  DIRECTIVE,
  missingMergeKey,
  SET_ORDER,
  unknownDirective,
  withoutDirectives,
} from './patch-directives.ts'
import { PatchError } from './patch-error.ts'

/** @param document in JSON form, of the given type. @throws PatchError */
export function applyStrategicMergePatch(type: ObjectType, document: JsonObject, patch: unknown): JsonObject {
  if (!isObject(patch)) throw new PatchError('malformed', 'invalid JSON document')
  return mergeMap(document, patch, { kind: 'object', type })
}

function mergeMap(document: JsonObject, givenPatch: JsonObject, type: FieldType | undefined): JsonObject {
  const directive = getKey(givenPatch, DIRECTIVE)
  if (directive !== undefined) {
    if (directive === 'delete') return {}
    if (directive !== 'replace' && directive !== 'merge') throw unknownDirective(directive, givenPatch)
    if (directive === 'replace') return withoutDirectives(givenPatch) as JsonObject
  }
  const result = { ...document }
  const patch = { ...givenPatch }
  delete patch[DIRECTIVE]
  applyRetainKeys(result, patch)
  mergeOrderedLists(result, patch, type)
  for (const [key, value] of Object.entries(patch)) mergeKeyInto(result, key, value, type)
  return result
}

function mergeKeyInto(result: JsonObject, patchKey: string, value: unknown, type: FieldType | undefined): void {
  const deletes = patchKey.startsWith(DELETE_FROM_LIST)
  const key = deletes ? patchKey.slice(DELETE_FROM_LIST.length) : patchKey
  if (value === null) {
    delete result[key]
    return
  }
  const current = getKey(result, key)
  if (current === undefined || !sameShape(current, value)) {
    if (!deletes) setOwn(result, key, withoutDirectives(value))
  } else setOwn(result, key, mergeValue(current, value, key, { type, deletes }))
}

function mergeValue(
  current: unknown,
  value: unknown,
  key: string,
  { type, deletes }: { type: FieldType | undefined; deletes: boolean },
): unknown {
  if (isObject(current) && isObject(value)) {
    const field = fieldOf(type, key)
    return field?.patchStrategy.includes('replace') === true
      ? withoutDirectives(value)
      : mergeMap(current, value, field?.type ?? valueTypeOf(type))
  }
  if (!Array.isArray(current) || !Array.isArray(value)) return value
  return mergeListOf(current, value, fieldOf(type, key), deletes)
}

/** Lists are replaced unless the type says that they merge. */
function mergeListOf(current: unknown[], patch: unknown[], field: Field | undefined, deletes: boolean): unknown[] {
  if (field?.patchStrategy.includes('merge') !== true) return deletes ? without(current, patch) : patch
  return mergeList(current, patch, field, deletes)
}

function mergeList(current: unknown[], patch: unknown[], field: Field, deletes: boolean): unknown[] {
  if (current.length === 0 && patch.length === 0) return current
  const mergeKey = field.patchMergeKey ?? ''
  if (!isObject(current[0] ?? patch[0])) {
    if (deletes) return without(current, patch)
    const merged = [...new Set([...current, ...patch])]
    return orderElements(merged, patch, current, identifyBy(''))
  }
  if (mergeKey === '') throw new PatchError('rejected', `cannot merge lists without merge key for ${field.name}`)
  const special = splitSpecialItems(current, patch, mergeKey)
  const merged = mergeItems(special.kept, special.patch, field, mergeKey)
  return orderElements(merged, special.patch, special.kept, identifyBy(mergeKey))
}

/** Carries out items like {$patch: delete, name: a} and {$patch: replace}. */
function splitSpecialItems(
  current: unknown[],
  patch: unknown[],
  mergeKey: string,
): { kept: unknown[]; patch: JsonObject[] } {
  const removed = new Set<string>()
  let replaced = false
  const plain: JsonObject[] = []
  for (const item of patch) {
    if (!isObject(item)) throw new PatchError('rejected', 'invalid patch: items of a list are of different types')
    const directive = getKey(item, DIRECTIVE)
    if (directive === undefined) plain.push(item)
    else if (directive === 'delete') {
      const id = getKey(item, mergeKey)
      if (id === undefined) throw missingMergeKey(item, mergeKey)
      removed.add(goText(id))
    } else if (directive === 'replace') replaced = true
    else if (directive === 'merge')
      throw new PatchError('rejected', 'merging lists cannot yet be specified in the patch')
    else throw unknownDirective(directive, item)
  }
  const kept =
    removed.size === 0
      ? current
      : current.filter((other) => !isObject(other) || !removed.has(goText(getKey(other, mergeKey))))
  return replaced ? { kept: plain.map((item) => withoutDirectives(item)), patch: [] } : { kept, patch: plain }
}

function mergeItems(current: unknown[], patch: JsonObject[], field: Field, mergeKey: string): unknown[] {
  const merged = [...current]
  const at = new Map(current.map((item, i) => [identifyBy(mergeKey)(item), i]))
  const itemType = field.type.kind === 'list' ? field.type.item : undefined
  for (const item of patch) {
    const id = getKey(item, mergeKey)
    if (id === undefined || id === null) throw missingMergeKey(item, mergeKey)
    const index = at.get(goText(id))
    const known = index === undefined ? undefined : merged[index]
    if (index !== undefined && isObject(known)) merged[index] = mergeMap(known, item, itemType)
    else {
      at.set(goText(id), merged.length)
      merged.push(withoutDirectives(item))
    }
  }
  return merged
}

/** $setElementOrder/<list>: merges that list now, sets its order, and takes both keys out of the patch. */
function mergeOrderedLists(result: JsonObject, patch: JsonObject, type: FieldType | undefined): void {
  for (const [orderKey, order] of Object.entries(patch)) {
    if (!orderKey.startsWith(SET_ORDER)) continue
    delete patch[orderKey]
    const key = orderKey.slice(SET_ORDER.length)
    if (!Array.isArray(order)) throw new PatchError('rejected', 'invalid patch format of setElementOrder list')
    const field = fieldOf(type, key)
    const removals = getKey(patch, DELETE_FROM_LIST + key)
    const list = getKey(patch, key)
    if (list === null) continue
    delete patch[DELETE_FROM_LIST + key]
    delete patch[key]
    const merged = mergeBeforeOrdering(getKey(result, key), list, removals, field)
    if (merged === undefined) continue
    checkOrderList(list, order, field?.patchMergeKey ?? '')
    const before = getKey(result, key)
    setOwn(
      result,
      key,
      orderElements(merged, order, Array.isArray(before) ? before : [], identifyBy(field?.patchMergeKey ?? '')),
    )
  }
}

function mergeBeforeOrdering(
  current: unknown,
  list: unknown,
  removals: unknown,
  field: Field | undefined,
): unknown[] | undefined {
  const had = Array.isArray(current) ? current : undefined
  const kept = had && Array.isArray(removals) ? without(had, removals) : had
  if (!Array.isArray(list)) return kept
  return kept ? mergeListOf(kept, list, field, false) : (withoutDirectives(list) as unknown[])
}

/** Items of the patch must stand in its order list, in the same order. */
function checkOrderList(list: unknown, order: readonly unknown[], mergeKey: string): void {
  if (!Array.isArray(list)) return
  const identify = identifyBy(mergeKey)
  const plain = list.filter((item) => !isObject(item) || item[DIRECTIVE] === undefined)
  let at = 0
  for (const item of plain) {
    while (at < order.length && identify(order[at]) !== identify(item)) at++
    if (at === order.length)
      throw new PatchError(
        'rejected',
        `The order in patch list:\n${goText(plain)}\n doesn't match $setElementOrder list:\n${goText(order)}\n`,
      )
    at++
  }
}

/** Of scalars: the directive knows no others. */
function without(list: readonly unknown[], removals: readonly unknown[]): unknown[] {
  const removed = new Set(removals)
  return list.filter((item) => !removed.has(item))
}

function fieldOf(type: FieldType | undefined, key: string): Field | undefined {
  return type?.kind === 'object' ? type.type.byName.get(key) : undefined
}
function valueTypeOf(type: FieldType | undefined): FieldType | undefined {
  return type?.kind === 'map' ? type.value : undefined
}

function sameShape(a: unknown, b: unknown): boolean {
  return Array.isArray(a) === Array.isArray(b) && isObject(a) === isObject(b)
}
