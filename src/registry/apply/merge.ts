/**
 * Merges a configuration into an object. Neither is changed; what stays the same is shared with the object, so an
 * object that is returned is the one that was given. Source: structured-merge-diff's Merge.
 */
import { setOwn } from '../../api/codec/json-exact-reader.ts'
import { getKey, isObject, type JsonObject, jsonEqual } from '../../api/json-value.ts'
import { indexList, onlyItem } from './list-items.ts'
import { type ListShape, type MapShape, type MergeShape, shapeFor } from '../../api/kinds/merge-shape.ts'

/** @throws ItemError for a list item without identity. O(n). */
export function merge(live: unknown, config: unknown, shape: MergeShape): unknown {
  if (config === undefined || config === live) return live
  const form = shapeFor(shape, config ?? live)
  if (form.kind === 'map' && !form.atomic && (hasKeys(live) || hasKeys(config)))
    return mergeMap(isObject(live) ? live : undefined, isObject(config) ? config : {}, form)
  if (form.kind === 'list' && form.relation !== 'atomic' && (hasItems(live) || hasItems(config)))
    return mergeList(itemsOf(live), itemsOf(config), form)
  return jsonEqual(live, config) ? live : config
}

function mergeMap(live: JsonObject | undefined, config: JsonObject, shape: MapShape): JsonObject {
  let result = live
  for (const key of Object.keys(config)) {
    const form = shape.member(key)
    if (!form) continue
    const before = live && getKey(live, key)
    const after = merge(before, config[key], form)
    if (after === before) continue
    if (result === live) result = { ...live }
    setOwn(result!, key, after)
  }
  return result ?? {}
}

/**
 * The configuration's items keep their order; the object's other items stay where they are, before the next item that
 * both have in that order.
 */
function mergeList(live: readonly unknown[], config: readonly unknown[], shape: ListShape): readonly unknown[] {
  const [liveList, configList] = [indexList(live, shape), indexList(config, shape)]
  const shared = configList.elements.filter((element) => liveList.at.has(element))
  const merged: unknown[] = []
  let taken = 0
  let next = 0
  const take = (): void => {
    const element = configList.elements[taken]!
    merged.push(merge(onlyItem(liveList, element), config[taken], shape.item))
    if (element === shared[next]) next++
    taken++
  }
  for (const [i, element] of liveList.elements.entries()) {
    if (!configList.at.has(element)) merged.push(live[i])
    else if (element === shared[next]) {
      while (configList.elements[taken] !== element) take()
      take()
    }
  }
  while (taken < config.length) take()
  const isSame = merged.length === live.length && merged.every((item, i) => item === live[i])
  return isSame ? live : merged
}

const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const hasKeys = (value: unknown): boolean => isObject(value) && Object.keys(value).length > 0
const hasItems = (value: unknown): boolean => Array.isArray(value) && value.length > 0
