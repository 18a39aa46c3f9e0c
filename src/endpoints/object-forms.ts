/**
 * How cached objects are seen and written in one served version. Bytes are made once per object, version and encoding, and
 * joined many times. The JSON of an object is kept without kind and apiVersion: list items omit them, gets and watches
 * prepend them.
 *
 * Callers: scopes have one each; the endpoints ask it.
 */
import { encodeJson } from '../api/codec/codec.ts'
import type { Conversion } from '../api/kinds/kind.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import { type ByteText, byteText, utf8ByteText } from '../lib/byte-text.ts'
import type { Item } from '../registry/list-reader.ts'
import type { Form } from '../registry/watch-cache/cache-item.ts'
import { type Offers, offersOf } from './transforms.ts'

export class ObjectForms {
  readonly version: KindVersion
  /** In which forms answers with objects of this version can be asked for. */
  readonly offers: Offers
  readonly #conversion: Conversion | undefined
  readonly #json: Form<KubeObject>
  readonly #message: Form<KubeObject>

  constructor(version: KindVersion, conversion: Conversion | undefined) {
    this.version = version
    this.offers = offersOf(version.encodings)
    this.#conversion = conversion
    this.#json = { encode: (object) => utf8ByteText(encodeJson(this.view(object))) }
    this.#message = { encode: (object) => byteText(version.encodeMessage(this.view(object))) }
  }

  /** A stored object in this version, without kind and apiVersion. The given one is not changed, and may be the answer. */
  view(object: KubeObject): KubeObject {
    return this.#conversion === undefined ? object : this.version.conform(this.#conversion.fromHub(object))
  }
  /** The way back. */
  toHub(object: KubeObject): KubeObject {
    return this.#conversion === undefined ? object : this.#conversion.toHub(object)
  }
  /** The same object as it comes back: what this version cannot say of the hub is gone, what the hub adds is there. */
  settled(object: KubeObject): KubeObject {
    return this.#conversion === undefined ? object : this.view(this.toHub(object))
  }
  /** As clients see it: kind and apiVersion first. */
  typed(object: KubeObject): KubeObject {
    const { kind, apiVersion } = this.version
    return { kind, apiVersion, ...this.view(object) }
  }

  /** `{"metadata":...}`: as an item of a list. */
  itemJson(item: Item): ByteText {
    return item.encoded(this.#json)
  }
  /** The protobuf message without its envelope: an item of a list. */
  itemMessage(item: Item): ByteText {
    return item.encoded(this.#message)
  }
  /** A whole object. @param prefix ends with that of typePrefix(). @param tail stands behind the object. */
  objectJson(item: Item, prefix: Uint8Array, tail: Uint8Array = NEWLINE): Uint8Array {
    const json = this.itemJson(item)
    const at = prefix.length - 1
    const bytes = Buffer.allocUnsafe(at + json.length + tail.length)
    bytes.write(json, at, 'latin1')
    // Its last byte over the object's brace.
    bytes.set(prefix)
    bytes.set(tail, at + json.length)
    return bytes
  }
}
const NEWLINE = Buffer.from('\n')

/** `{"kind":"ConfigMap","apiVersion":"v1",`: what itemJson's bytes go behind, without their brace. */
export function typePrefix({ kind, apiVersion }: Pick<KindVersion, 'kind' | 'apiVersion'>): string {
  return `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},`
}
