/** JSON merge patches (RFC 7396). The document is not changed; what the patch leaves alone is shared with it. */
import { setOwn } from '../../api/codec/json-exact-reader.ts'
import { getKey, isObject, type JsonObject } from '../../api/json-value.ts'
import { PatchError } from './patch-error.ts'

/** @throws PatchError for a patch that is no object: it would replace the whole. */
export function applyMergePatch(document: JsonObject, patch: unknown): JsonObject {
  if (!isObject(patch)) throw new PatchError('malformed', 'Invalid JSON Patch')
  return merge(document, patch)
}

function merge(target: unknown, patch: JsonObject): JsonObject {
  const result: JsonObject = isObject(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else setOwn(result, key, isObject(value) ? merge(getKey(result, key), value) : value)
  }
  return result
}
