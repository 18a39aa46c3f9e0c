/**
 * The bytes of cached objects in the forms that answers are put together from: encoded once, joined many times.
 * The JSON of an object is kept without kind and apiVersion: list items omit them, gets and watches prepend them.
 */
import { encodeJson } from '../api/codec/codec.ts'
import type { KubeObject } from '../api/meta.ts'
import { type ByteText, utf8ByteText } from '../lib/byte-text.ts'
import type { Item } from '../registry/list-reader.ts'
import { type Resource, apiVersionOf } from '../registry/resource.ts'

const JSON_FORM = 'json'

/** `{"metadata":...}`: as an item of a list. */
export function itemJson(item: Item): ByteText {
  return item.encoded(JSON_FORM, (object: KubeObject) => utf8ByteText(encodeJson(object)))
}

/** `{"kind":"ConfigMap","apiVersion":"v1",`: what itemJson's bytes go behind, without their brace. */
export function typePrefix(kind: string, apiVersion: string): string {
  return `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},`
}

/** A whole object. @param prefix ends with that of typePrefix(). @param tail stands behind the object. */
export function objectJson(item: Item, prefix: Uint8Array, tail: Uint8Array = NEWLINE): Uint8Array {
  const json = itemJson(item)
  const at = prefix.length - 1
  const bytes = Buffer.allocUnsafe(at + json.length + tail.length)
  bytes.write(json, at, 'latin1')
  // Its last byte over the object's brace.
  bytes.set(prefix)
  bytes.set(tail, at + json.length)
  return bytes
}
const NEWLINE = Buffer.from('\n')

/** The object as clients see it: kind and apiVersion first. */
export function typed(resource: Resource, object: KubeObject): KubeObject {
  return { kind: resource.kind, apiVersion: apiVersionOf(resource), ...object }
}
