/** How items of sets and list maps are told apart. */
import { isObject } from '../../api/json-value.ts'
import type { ListShape } from '../../api/kinds/merge-shape.ts'
import { keyElement, valueElement } from './path-element.ts'

/** Why an item has no identity; the text is upstream's. */
export class ItemError extends Error {
  override readonly name = 'ItemError'
}

/** The step of an item. @throws ItemError */
export function itemElement(item: unknown, shape: ListShape): string {
  if (shape.relation === 'map') return mapItemElement(item, shape)
  if (item === null) throw new ItemError("associative list without keys has an element that's an explicit null")
  if (Array.isArray(item)) throw new ItemError("associative list without keys has an element that's a list type")
  if (isObject(item)) throw new ItemError("associative list without keys has an element that's a map type")
  return valueElement(item)
}

function mapItemElement(item: unknown, shape: ListShape): string {
  if (item === null) throw new ItemError('associative list with keys may not have a null element')
  if (!isObject(item)) throw new ItemError('associative list with keys may not have non-map elements')
  return keyElement(
    shape.keys.map(({ name, default: standIn }): readonly [string, unknown] => {
      const own = Object.hasOwn(item, name) ? item[name] : undefined
      const value = own === undefined ? standIn : own
      if (value === undefined)
        throw new ItemError(
          `associative list with keys has an element that omits key field ${JSON.stringify(name)} (and doesn't have default value)`,
        )
      return [name, value]
    }),
  )
}

/** The items of a list by their steps. */
export interface IndexedList {
  readonly items: readonly unknown[]
  /** The step of each item, in the list's order. */
  readonly elements: readonly string[]
  /** Positions by step: one, or several where items share a step. */
  readonly at: ReadonlyMap<string, number | readonly number[]>
}

/** @throws ItemError for an item without identity. O(n). */
export function indexList(items: readonly unknown[], shape: ListShape): IndexedList {
  const at = new Map<string, number | number[]>()
  const elements = items.map((item, i) => {
    const element = itemElement(item, shape)
    const before = at.get(element)
    if (before === undefined) at.set(element, i)
    else if (typeof before === 'number') at.set(element, [before, i])
    else before.push(i)
    return element
  })
  return { items, elements, at }
}

/** The one item of a step; undefined where there is none, or several. */
export function onlyItem(list: IndexedList, element: string): unknown {
  const at = list.at.get(element)
  return typeof at === 'number' ? list.items[at] : undefined
}
/** All items of a step. */
export function itemsAt(list: IndexedList, element: string): readonly unknown[] {
  const at = list.at.get(element)
  if (at === undefined) return []
  return typeof at === 'number' ? [list.items[at]] : at.map((i) => list.items[i])
}
