/**
 * kubectl's annotation of what its client-side apply sent last. `kubectl apply --server-side` may take over such an
 * object: fields that still have the annotation's values are no conflict, and the annotation follows.
 * Source: apimachinery's lastAppliedManager and lastAppliedUpdater.
 */
import type { KubeObject } from '../../api/meta.ts'
import { getKey, isObject, type JsonObject } from '../../api/json-value.ts'
import { compare } from './compare.ts'
import type { FieldSet } from './field-set.ts'
import type { MergeShape } from '../../api/kinds/merge-shape.ts'
import { fieldsOf } from './owned-fields.ts'
import { parseJson } from '../../api/codec/json-reader.ts'
import { encodeJson } from '../../api/codec/json-writer.ts'
import { compareText } from './path-element.ts'

/** The one manager that this is for; others keep to the rules. */
export const KUBECTL = 'kubectl'
const ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration'
/** Bytes of all annotations' keys and values. Source: apimachinery's TotalAnnotationSizeLimitB. */
const MAX_ANNOTATIONS = 256 * 1024

/**
 * The fields that client-side apply set and no other manager changed since.
 *
 * @returns undefined where there is no annotation, or none of this version and form.
 */
export function lastAppliedFields(live: KubeObject, apiVersion: string, shape: MergeShape): FieldSet | undefined {
  const text = live.metadata.annotations?.[ANNOTATION]
  if (text === undefined) return undefined
  try {
    const applied = parseJson(text).value
    if (!isObject(applied) || applied['apiVersion'] !== apiVersion) return undefined
    const { modified, removed } = compare(applied, live, shape)
    return fieldsOf(applied, shape).difference(modified.union(removed))
  } catch {
    return undefined
  }
}

/** @returns the object with an annotation that says what was applied now; unchanged where it has none. */
export function followLastApplied<T extends KubeObject>(object: T, config: KubeObject): T {
  const { annotations } = object.metadata
  if (annotations?.[ANNOTATION] === undefined) return object
  const text = `${encodeJson(sorted(withoutAnnotation(config)))}\n`
  const next = { ...annotations, [ANNOTATION]: text }
  if (sizeOf(next) > MAX_ANNOTATIONS) next[ANNOTATION] = ''
  return { ...object, metadata: { ...object.metadata, annotations: next } }
}

function withoutAnnotation(config: KubeObject): KubeObject {
  const { annotations, managedFields: _none, ...metadata } = config.metadata
  if (!annotations) return { ...config, metadata }
  const { [ANNOTATION]: _text, ...others } = annotations
  return { ...config, metadata: { ...metadata, annotations: others } }
}

/** Keys in Go's order, in objects of all depths. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  const result: JsonObject = {}
  for (const key of Object.keys(value).toSorted(compareText)) result[key] = sorted(getKey(value, key))
  return result
}

function sizeOf(annotations: Readonly<Record<string, string>>): number {
  let size = 0
  for (const [key, value] of Object.entries(annotations)) size += Buffer.byteLength(key) + Buffer.byteLength(value)
  return size
}
