/** Protobuf answers joined from items that are encoded once. */
import { encodeMessage } from '../api/codec/protobuf-encode.ts'
import { frameProtobuf, joinListMessage, watchEventMessage, wrapProtobuf } from '../api/codec/protobuf-envelope.ts'
import type { KubeObject, ListMeta } from '../api/meta.ts'
import { metaType } from '../api/schema/meta-types.ts'
import { byteText, bytesOf } from '../lib/byte-text.ts'
import type { Item } from '../registry/list-reader.ts'
import { type Resource, apiVersionOf } from '../registry/resource.ts'

/** The message of an object, without the envelope: an item of a list. */
export function encodeRawItem(resource: Resource, item: Item): Uint8Array {
  return bytesOf(item.encoded('protobuf', (object: KubeObject) => byteText(encodeMessage(resource.type, object))))
}

export function encodeListBody(o: {
  apiVersion: string
  kind: string
  metadata: ListMeta
  items: readonly Uint8Array[]
}): Uint8Array {
  const metadata = encodeMessage(metaType('ListMeta'), o.metadata)
  return wrapProtobuf({ apiVersion: o.apiVersion, kind: o.kind, raw: joinListMessage(metadata, o.items) })
}

/** One frame of a watch: length, then the event whose object carries its own envelope. */
export function encodeWatchFrame(resource: Resource, type: string, raw: Uint8Array): Uint8Array {
  const object = wrapProtobuf({ apiVersion: apiVersionOf(resource), kind: resource.kind, raw })
  return frameProtobuf(watchEventMessage(type, object))
}
