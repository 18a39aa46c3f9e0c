/**
 * JSON patches (RFC 6902) with the limits and the leniencies of Kubernetes' library: replacing a missing key
 * adds it, negative indices count from the end, the root cannot be replaced.
 *
 * The document is not changed: containers on the way to a change are copied, each once for the whole patch.
 */
import { MAX_DEPTH } from '../../api/codec/json-scan.ts'
import { setOwn } from '../../api/codec/json-exact-reader.ts'
import { getKey, isObject, jsonEqual, type JsonObject } from '../../api/json-value.ts'
import { PatchError } from './patch-error.ts'

const MAX_OPERATIONS = 10_000
/** Of what all `copy` operations copy together. */
const MAX_COPIED_BYTES = 3 * 1024 * 1024

/** @param patch decoded from the body. @throws PatchError */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch))
    throw new PatchError(
      'malformed',
      `json: cannot unmarshal ${typeName(patch)} into Go value of type []handlers.jsonPatchOp`,
    )
  if (patch.length > MAX_OPERATIONS)
    throw new PatchError(
      'too-large',
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    )
  const patcher = new Patcher(document)
  for (const operation of patch) patcher.apply(operation)
  return patcher.document
}

class Patcher {
  document: unknown
  /** Containers that belong to this patch alone and may be changed in place. */
  readonly #owned = new WeakSet<object>()
  #copiedBytes = 0

  constructor(document: unknown) {
    this.document = document
  }

  apply(operation: unknown): void {
    if (!isObject(operation)) throw failed('an operation is not an object')
    const path = pointerOf(operation, 'path')
    const value = getKey(operation, 'value') ?? null
    switch (getKey(operation, 'op')) {
      case 'add':
        return this.#add(path, value)
      case 'remove':
        this.#remove(path)
        return
      case 'replace':
        return this.#replace(path, value)
      case 'move':
        return this.#add(path, this.#remove(pointerOf(operation, 'from')))
      case 'copy':
        return this.#add(path, this.#copyOf(this.#read(pointerOf(operation, 'from'))))
      case 'test':
        if (!jsonEqual(this.#readOrNull(path), value)) throw failed('a test failed')
        return
      default:
        throw failed('an operation is not known')
    }
  }

  #add(path: readonly string[], value: unknown): void {
    const parent = this.#writableParent(path)
    const key = path.at(-1)!
    if (!Array.isArray(parent)) return setOwn(parent, key, value)
    const index = key === '-' ? parent.length : indexOf(key, parent.length + 1)
    parent.splice(index, 0, value)
  }

  #remove(path: readonly string[]): unknown {
    const parent = this.#writableParent(path)
    const key = path.at(-1)!
    if (Array.isArray(parent)) return parent.splice(indexOf(key, parent.length), 1)[0]
    if (!Object.hasOwn(parent, key)) throw failed('nothing to remove')
    const value = parent[key]
    delete parent[key]
    return value
  }

  #replace(path: readonly string[], value: unknown): void {
    const parent = this.#writableParent(path)
    const key = path.at(-1)!
    if (Array.isArray(parent)) parent[indexOf(key, parent.length)] = value
    else setOwn(parent, key, value)
  }

  /** What stands there. Of an object's missing key: undefined. */
  #lookUp(path: readonly string[]): unknown {
    let value = this.document
    path.forEach((key, i) => {
      if (Array.isArray(value)) value = value[indexOf(key, value.length)]
      else if (isObject(value)) value = getKey(value, key)
      else throw failed('the path leads through a value')
      if (value === undefined && i < path.length - 1) throw failed('the path leads nowhere')
    })
    return value
  }
  #read(path: readonly string[]): unknown {
    const value = this.#lookUp(path)
    if (value === undefined) throw failed('the path leads nowhere')
    return value
  }
  /** A missing key equals null in a test. */
  #readOrNull(path: readonly string[]): unknown {
    return this.#lookUp(path) ?? null
  }

  #writableParent(path: readonly string[]): unknown[] | JsonObject {
    let parent = this.#own(this.document)
    this.document = parent
    for (const key of path.slice(0, -1)) {
      const child = this.#own(Array.isArray(parent) ? parent[indexOf(key, parent.length)] : getKey(parent, key))
      if (Array.isArray(parent)) parent[indexOf(key, parent.length)] = child
      else setOwn(parent, key, child)
      parent = child
    }
    return parent
  }

  #own(value: unknown): unknown[] | JsonObject {
    if (!Array.isArray(value) && !isObject(value)) throw failed('the path leads through a value')
    if (this.#owned.has(value)) return value
    const copy = Array.isArray(value) ? [...value] : copyObject(value)
    this.#owned.add(copy)
    return copy
  }

  /** Not shared with the original: both may be changed by later operations. */
  #copyOf(value: unknown): unknown {
    const text = JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? JSON.rawJSON(String(v)) : v))
    this.#copiedBytes += Buffer.byteLength(text)
    if (this.#copiedBytes > MAX_COPIED_BYTES) throw failed('too much is copied')
    return structuredClone(value)
  }
}

/** Keeps `__proto__` an ordinary key, as spreading does. */
function copyObject(value: JsonObject): JsonObject {
  return { ...value }
}

function pointerOf(operation: JsonObject, name: 'path' | 'from'): string[] {
  const pointer = getKey(operation, name)
  if (typeof pointer !== 'string' || !pointer.startsWith('/')) throw failed(`${name} is no pointer`)
  const parts = pointer.slice(1).split('/', MAX_DEPTH + 1)
  if (parts.length > MAX_DEPTH) throw failed(`${name} is deeper than a document`)
  return parts.map(unescape)
}

const ESCAPE = /~[01]/g
function unescape(part: string): string {
  return part.includes('~') ? part.replace(ESCAPE, (escape) => (escape === '~1' ? '/' : '~')) : part
}

function indexOf(key: string, length: number): number {
  if (!/^-?[0-9]+$/.test(key)) throw failed('an index is no number')
  const index = Number(key) < 0 ? Number(key) + length : Number(key)
  if (index < 0 || index >= length) throw failed('an index is out of range')
  return index
}

function failed(why: string): PatchError {
  return new PatchError('failed', why)
}

function typeName(value: unknown): string {
  if (isObject(value)) return 'object'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
