/** The directives inside a strategic merge patch, and how a patch looks without them. */
import { setOwn } from '../../api/codec/json-exact-reader.ts'
import { goText, isObject, type JsonObject } from '../../api/json-value.ts'
import { PatchError } from './patch-error.ts'

export const DIRECTIVE = '$patch'
export const RETAIN_KEYS = '$retainKeys'
export const SET_ORDER = '$setElementOrder/'
export const DELETE_FROM_LIST = '$deleteFromPrimitiveList/'

/** @throws PatchError for a value that $patch does not have. */
export function unknownDirective(directive: unknown, map: JsonObject): PatchError {
  return new PatchError('rejected', `unknown patch type: ${goText(directive)} in map: ${goText(map)}`)
}

export function missingMergeKey(map: JsonObject, mergeKey: string): PatchError {
  return new PatchError('rejected', `map: ${goText(map)} does not contain declared merge key: ${mergeKey}`)
}

/** What a patch adds where nothing was: no directives, no nulls, no items that were to be deleted. */
export function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value))
    return value.filter((item) => !isObject(item) || item[DIRECTIVE] === undefined).map(withoutDirectives)
  if (!isObject(value)) return value
  const result: JsonObject = {}
  for (const [key, child] of Object.entries(value))
    if (child !== null && !isDirective(key)) setOwn(result, key, withoutDirectives(child))
  return result
}

function isDirective(key: string): boolean {
  return key === DIRECTIVE || key === RETAIN_KEYS || key.startsWith(SET_ORDER) || key.startsWith(DELETE_FROM_LIST)
}

/** Drops what $retainKeys does not list. @throws PatchError where the patch sets a key that it does not retain. */
export function applyRetainKeys(original: JsonObject, patch: JsonObject): void {
  const list = patch[RETAIN_KEYS]
  if (list === undefined) return
  delete patch[RETAIN_KEYS]
  const retained = new Set(Array.isArray(list) ? list : [])
  const stray = Object.entries(patch).some(
    ([key, value]) =>
      value !== null && !key.startsWith(SET_ORDER) && !key.startsWith(DELETE_FROM_LIST) && !retained.has(key),
  )
  if (!Array.isArray(list) || stray) throw new PatchError('rejected', 'invalid patch format of retainKeys')
  for (const key of Object.keys(original)) if (!retained.has(key)) delete original[key]
}
