/**
 * The bytes of cached objects in the forms that answers are put together from: encoded once, joined many times.
 * The JSON of an object is kept without kind and apiVersion: list items omit them, gets and watches prepend them.
 */
import { encodeJson } from '../api/codec/codec.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Item } from '../registry/list-reader.ts'
import { type Resource, apiVersionOf } from '../registry/resource.ts'

const JSON_FORM = 'json'

/** `{"metadata":...}`: as an item of a list. */
export function itemJson(item: Item): Uint8Array {
  return item.encoded(JSON_FORM, (object: KubeObject) => Buffer.from(encodeJson(object)))
}

/** `{"kind":"ConfigMap","apiVersion":"v1",`: what itemJson's bytes go behind, without their brace. */
export function typePrefix(kind: string, apiVersion: string): string {
  return `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},`
}

/** A whole object with its newline. */
export function objectJson(item: Item, prefix: Uint8Array): Uint8Array {
  return Buffer.concat([prefix, itemJson(item).subarray(1), NEWLINE])
}
const NEWLINE = Buffer.from('\n')

/** The object as clients see it: kind and apiVersion first. */
export function typed(resource: Resource, object: KubeObject): KubeObject {
  return { kind: resource.kind, apiVersion: apiVersionOf(resource), ...object }
}
