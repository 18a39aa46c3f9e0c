/**
 * One step of a path to a field, in the text that FieldsV1 writes for it:
 *
 *   f:name              the field or key `name`
 *   k:{"port":80}       the item of a list map with these keys, sorted by name
 *   v:"a"               the item of a set
 *   i:3                 the item at this index
 *
 * Equal steps have equal texts. Source: structured-merge-diff's serialization of path elements.
 */
import { parseJson } from '../../api/codec/json-reader.ts'
import { encodeJson } from '../../api/codec/json-writer.ts'
import { goQuote } from '../../api/go-format.ts'
import { isObject, jsonEqual } from '../../api/json-value.ts'

export const fieldElement = (name: string): string => `f:${name}`
export const valueElement = (value: unknown): string =>
  typeof value === 'string' ? `v:${JSON.stringify(value)}` : `v:${encodeJson(value)}`

/** @param entries keys and values, sorted by key. */
export function keyElement(entries: readonly (readonly [string, unknown])[]): string {
  const fields = entries.map(([name, value]) => {
    const text = typeof value === 'string' ? JSON.stringify(value) : encodeJson(value)
    return `${JSON.stringify(name)}:${text}`
  })
  return `k:{${fields.join(',')}}`
}

/**
 * Brings the text of a step into the one form that this folder compares.
 * @returns undefined for a kind of step that is not known, which readers skip.
 * @throws Error for a text that is none.
 */
export function readElement(text: string): string | undefined {
  if (text[1] !== ':') throw new Error('missing colon')
  const rest = text.slice(2)
  switch (text[0]) {
    case 'f':
      return text
    case 'v':
      return valueElement(parseJson(rest).value)
    case 'k': {
      const keys = parseJson(rest).value
      if (!isObject(keys)) throw new Error('keys must be an object')
      return keyElement(Object.entries(keys).toSorted(([a], [b]) => compareText(a, b)))
    }
    case 'i':
      if (!/^-?[0-9]{1,18}$/.test(rest)) throw new Error('index must be a number')
      return `i:${BigInt(rest)}`
    default:
      return undefined
  }
}

/** As error texts show it: `.name`, `[port=80,protocol="TCP"]`, `[="a"]`, `[3]`. */
export function elementText(element: string): string {
  const rest = element.slice(2)
  switch (element[0]) {
    case 'f':
      return `.${rest}`
    case 'k': {
      const keys = Object.entries(parseJson(rest).value as object)
      return `[${keys.map(([name, value]) => `${name}=${scalarText(value)}`).join(',')}]`
    }
    case 'v':
      return `[=${scalarText(parseJson(rest).value)}]`
    default:
      return `[${rest}]`
  }
}

function scalarText(value: unknown): string {
  if (typeof value === 'string') return goQuote(value)
  return value === null || typeof value === 'object' ? '' : String(value as number | bigint | boolean)
}

/** A step with what its order depends on, read once. */
interface Sortable {
  readonly element: string
  readonly rank: number
  readonly content: unknown
}
const RANKS = 'fkvi'
const LONG_NUMBER = /[0-9]{16}/

/** The engine's own reader is faster, and exact but for long numbers. */
function contentOf(text: string): unknown {
  return LONG_NUMBER.test(text) ? parseJson(text).value : JSON.parse(text)
}

/** Sorts steps as FieldsV1 has them: fields, list maps' items, set items, indexes. O(n log n). */
export function sortElements(elements: Iterable<string>): string[] {
  const sortable = Array.from(elements, (element): Sortable => {
    const rest = element.slice(2)
    const content = element[0] === 'f' ? rest : contentOf(rest)
    return { element, rank: RANKS.indexOf(element[0]!), content }
  })
  return sortable.sort((a, b) => a.rank - b.rank || compareContent(a, b)).map(({ element }) => element)
}

function compareContent(a: Sortable, b: Sortable): number {
  return a.rank === 0 ? compareText(a.content as string, b.content as string) : compareValues(a.content, b.content)
}

/** Order of JSON values: numbers, texts, booleans, lists, objects, null. */
function compareValues(a: unknown, b: unknown): number {
  const rank = rankOf(a) - rankOf(b)
  if (rank !== 0) return rank
  if (typeof a === 'string') return compareText(a, b as string)
  if (typeof a === 'number' || typeof a === 'bigint' || typeof a === 'boolean') {
    const other = b as typeof a
    return a < other ? -1 : a > other ? 1 : 0
  }
  if (Array.isArray(a)) return compareLists(a, b as unknown[])
  return isObject(a) ? compareObjects(a, b as Record<string, unknown>) : 0
}

function compareLists(a: readonly unknown[], b: readonly unknown[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = compareValues(a[i], b[i])
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareObjects(a: Record<string, unknown>, b: Record<string, unknown>): number {
  const keysA = Object.keys(a).toSorted(compareText)
  const keysB = Object.keys(b).toSorted(compareText)
  for (let i = 0; i < keysA.length && i < keysB.length; i++) {
    const order = compareText(keysA[i]!, keysB[i]!)
    if (order !== 0) return order
    if (!jsonEqual(a[keysA[i]!], b[keysB[i]!])) return compareValues(a[keysA[i]!], b[keysB[i]!])
  }
  return keysA.length - keysB.length
}

function rankOf(value: unknown): number {
  if (typeof value === 'number' || typeof value === 'bigint') return 0
  if (typeof value === 'string') return 1
  if (typeof value === 'boolean') return 2
  if (Array.isArray(value)) return 3
  return isObject(value) ? 4 : 5
}

/** By the bytes of UTF-8, which differs from JavaScript's order where surrogates are. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (x !== y) return utf8Rank(x) - utf8Rank(y)
  }
  return a.length - b.length
}
const utf8Rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit)
