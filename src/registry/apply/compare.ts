/**
 * What a write changed: paths that were added, modified and removed. A value that was not there before is added with
 * all that is below it, which is why `labels` and list items are members of an updater's fields and structs that are
 * always there are not. Source: structured-merge-diff's Compare.
 */
import { isObject, jsonEqual } from '../../api/json-value.ts'
import { FieldSet } from './field-set.ts'
import { indexList, itemsAt, type IndexedList } from './list-items.ts'
import { type ListShape, type MapShape, type MergeShape, memberValue, shapeFor } from '../../api/kinds/merge-shape.ts'
import { fieldElement } from './path-element.ts'

export interface Changes {
  readonly added: FieldSet
  readonly modified: FieldSet
  readonly removed: FieldSet
}
type Kind = keyof Changes

/** What became of one value, and of what is below it. */
interface Verdict {
  readonly self: Kind | undefined
  readonly below: Changes | undefined
}
const SAME: Verdict = { self: undefined, below: undefined }

/** @throws ItemError for a list item without identity. O(n). */
export function compare(before: unknown, after: unknown, shape: MergeShape): Changes {
  return judge(before, after, shape).below ?? newChanges()
}

const newChanges = (): Changes => ({ added: new FieldSet(), modified: new FieldSet(), removed: new FieldSet() })

function put(changes: Changes, element: string, { self, below }: Verdict): void {
  changes.added.put(element, self === 'added', below?.added)
  changes.modified.put(element, self === 'modified', below?.modified)
  changes.removed.put(element, self === 'removed', below?.removed)
}

/** undefined means that there is no value; null is one. */
function judge(before: unknown, after: unknown, shape: MergeShape): Verdict {
  if (before === after) return SAME
  if (shape.kind === 'deduced') return judgeDeduced(before, after)
  if (shape.kind === 'map' && !shape.atomic) return judgeMap(before, after, shape)
  if (shape.kind === 'list' && shape.relation !== 'atomic') return judgeList(before, after, shape)
  return judgeWhole(before, after)
}

function judgeWhole(before: unknown, after: unknown): Verdict {
  const self = presence(before, after) ?? (jsonEqual(before, after) ? undefined : 'modified')
  return self ? { self, below: undefined } : SAME
}

function presence(before: unknown, after: unknown): 'added' | 'removed' | undefined {
  if (before === undefined) return after === undefined ? undefined : 'added'
  return after === undefined ? 'removed' : undefined
}

/**
 * An object that became something else is modified, and what was below it is gone; the other way round as well. null
 * has the form of the other side.
 */
function judgeDeduced(before: unknown, after: unknown): Verdict {
  const form = shapeFor({ kind: 'deduced' }, isObject(before) ? before : after)
  if (form.kind !== 'map') return judgeWhole(before, after)
  const verdict = judgeMap(before, after, form)
  const isOneKind = [before, after].every((value) => value === undefined || value === null || isObject(value))
  return isOneKind ? verdict : { self: 'modified', below: verdict.below }
}

function judgeMap(before: unknown, after: unknown, shape: MapShape): Verdict {
  if (isEmptyMap(before, shape) && isEmptyMap(after, shape)) return judgeWhole(before, after)
  const changes = newChanges()
  const judgeKey = (key: string): void => {
    const form = shape.member(key)
    if (!form) return
    const verdict = judge(memberValue(before, key, shape), memberValue(after, key, shape), form)
    if (verdict !== SAME) put(changes, fieldElement(key), verdict)
  }
  const own = isObject(before) ? before : {}
  for (const key of Object.keys(own)) judgeKey(key)
  for (const key of isObject(after) ? Object.keys(after) : []) if (!Object.hasOwn(own, key)) judgeKey(key)
  for (const key of shape.present.keys())
    if (!Object.hasOwn(own, key) && !(isObject(after) && Object.hasOwn(after, key))) judgeKey(key)
  return { self: presence(before, after), below: changes }
}

function isEmptyMap(value: unknown, shape: MapShape): boolean {
  if (!isObject(value)) return true
  return shape.present.size === 0 && Object.keys(value).length === 0
}

function judgeList(before: unknown, after: unknown, shape: ListShape): Verdict {
  const [old, now] = [itemsOf(before), itemsOf(after)]
  if (old.length === 0 && now.length === 0) return judgeWhole(before, after)
  const [oldList, nowList] = [indexList(old, shape), indexList(now, shape)]
  const changes = newChanges()
  const judgeElement = (element: string): void => {
    const verdict = judgeItems(itemsAt(oldList, element), itemsAt(nowList, element), shape)
    if (verdict !== SAME) put(changes, element, verdict)
  }
  for (const element of oldList.at.keys()) judgeElement(element)
  for (const element of onlyIn(nowList, oldList)) judgeElement(element)
  return { self: presence(before, after), below: changes }
}

/** Items that share a step are judged together, and not what is below them. */
function judgeItems(before: readonly unknown[], after: readonly unknown[], shape: ListShape): Verdict {
  if (before.length <= 1 && after.length <= 1) return judge(before[0], after[0], shape.item)
  if (before.length === 0) return { self: 'added', below: undefined }
  if (after.length === 0) return { self: 'removed', below: undefined }
  return jsonEqual(before, after) ? SAME : { self: 'modified', below: undefined }
}

const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function* onlyIn(list: IndexedList, other: IndexedList): Generator<string> {
  for (const element of list.at.keys()) if (!other.at.has(element)) yield element
}
