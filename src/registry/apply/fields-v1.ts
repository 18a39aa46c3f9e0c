/**
 * FieldsV1, the JSON of a field set: steps as keys, `.` for a path that is a member besides what is below it.
 * Source: structured-merge-diff's serialization; the order of keys is its own.
 */
import { setOwn } from '../../api/codec/json-exact-reader.ts'
import { isObject, type JsonObject } from '../../api/json-value.ts'
import { FieldSet } from './field-set.ts'
import { readElement, sortElements } from './path-element.ts'

/** Steps of one path. An object's own depth is bounded by its decoder; no form in use comes near this. */
const MAX_DEPTH = 1000
const SELF = '.'

export function writeFieldsV1(set: FieldSet): JsonObject {
  return writeNode(set, false)
}

function writeNode(set: FieldSet | undefined, member: boolean): JsonObject {
  const json: JsonObject = {}
  if (!set) return json
  if (member) json[SELF] = {}
  for (const element of sortElements(set.elements()))
    setOwn(json, element, writeNode(set.below(element), set.hasMember(element)))
  return json
}

/** @throws Error for what is no FieldsV1, or is deeper than 1,000 steps. */
export function readFieldsV1(json: unknown): FieldSet {
  return readNode(json, 0).below
}

function readNode(json: unknown, depth: number): { member: boolean; below: FieldSet } {
  if (depth > MAX_DEPTH) throw new Error('exceeded max depth')
  if (json === null || json === undefined) return { member: true, below: FieldSet.EMPTY }
  if (!isObject(json)) throw new Error('fields must be objects')
  const below = new FieldSet()
  const keys = Object.keys(json)
  for (const key of keys) {
    if (key === SELF) continue
    const element = readElement(key)
    const node = readNode(json[key], depth + 1)
    if (element !== undefined) below.put(element, node.member, node.below)
  }
  return { member: keys.length === 0 || Object.hasOwn(json, SELF), below }
}
