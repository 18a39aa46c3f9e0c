/**
 * Checks an applied configuration against its form: names that the form does not have, values of the wrong type,
 * items without identity or with the same one. Texts are upstream's.
 */
import { goText, isObject } from '../../api/json-value.ts'
import { ItemError, itemElement } from './list-items.ts'
import {
  type ListShape,
  type MapShape,
  type MergeShape,
  type ScalarShape,
  shapeFor,
} from '../../api/kinds/merge-shape.ts'
import { elementText, fieldElement } from './path-element.ts'

/** One text for all that is wrong with a value; undefined when it fits. */
export function formProblem(value: unknown, shape: MergeShape): string | undefined {
  const problems: string[] = []
  check(value, shape, { path: '', problems })
  if (problems.length > 1) return `errors:\n${problems.map((text) => `  ${text}`).join('\n')}`
  return problems[0]
}

interface Place {
  readonly path: string
  readonly problems: string[]
}

function report({ path, problems }: Place, text: string): void {
  problems.push(path === '' ? text : `${path}: ${text}`)
}

function check(value: unknown, shape: MergeShape, place: Place): void {
  if (value === null) return
  const form = shapeFor(shape, value)
  if (form.kind === 'scalar') checkScalar(value, form, place)
  else if (form.kind === 'map') checkMap(value, form, place)
  else checkList(value, form, place)
}

function checkScalar(value: unknown, { type }: ScalarShape, place: Place): void {
  if (type === 'string' && typeof value !== 'string')
    report(place, `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`)
  if (type === 'boolean' && typeof value !== 'boolean') report(place, `expected boolean, got &{${goText(value)}}`)
  if (type === 'numeric' && typeof value !== 'number' && typeof value !== 'bigint')
    report(place, `expected numeric (int or float), got ${goType(value)}`)
}

/** A name that the form does not have ends the check of its object, as upstream does. */
function checkMap(value: unknown, shape: MapShape, place: Place): void {
  if (!isObject(value)) return report(place, `expected map, got &{${goText(value)}}`)
  for (const key of Object.keys(value)) {
    const below = { path: place.path + elementText(fieldElement(key)), problems: place.problems }
    const form = shape.member(key)
    if (!form) return report(below, 'field not declared in schema')
    check(value[key], form, below)
  }
}

/** An item without identity ends the check of its list, as upstream does. */
function checkList(value: unknown, shape: ListShape, place: Place): void {
  if (!Array.isArray(value)) return report(place, `expected list, got &{${goText(value)}}`)
  const seen = new Set<string>()
  for (const [i, item] of value.entries()) {
    const element = shape.relation === 'atomic' ? `i:${i}` : elementOf(item, i, shape, place)
    if (element === undefined) return
    if (seen.has(element)) report(place, `duplicate entries for key ${elementText(element)}`)
    seen.add(element)
    // The text of a place is made only where something below can be wrong.
    if (isPlainItem(item, shape.item)) continue
    check(item, shape.item, { path: place.path + elementText(element), problems: place.problems })
  }
}

const isPlainItem = (item: unknown, shape: MergeShape): boolean =>
  shape.kind === 'scalar' && (shape.type === 'untyped' || shape.type === typeof item)

function elementOf(item: unknown, index: number, shape: ListShape, place: Place): string | undefined {
  try {
    return itemElement(item, shape)
  } catch (error) {
    if (!(error instanceof ItemError)) throw error
    report(place, `element ${index}: ${error.message}`)
    return undefined
  }
}

/** As Go's %#v prints the value. */
function goSyntax(value: unknown): string {
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`
  if (isObject(value)) {
    const entries = Object.keys(value).toSorted()
    return `map[string]interface {}{${entries.map((key) => `${JSON.stringify(key)}:${goSyntax(value[key])}`).join(', ')}}`
  }
  if (value === null) return 'interface {}(nil)'
  return typeof value === 'string' ? JSON.stringify(value) : String(value as number | bigint | boolean)
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}'
  if (isObject(value)) return 'map[string]interface {}'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
