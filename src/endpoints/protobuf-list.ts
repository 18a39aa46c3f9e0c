/** Protobuf answers joined from items that are encoded once. */
import { encodeMessage } from '../api/codec/protobuf-encode.ts'
import { frameProtobuf, joinListMessage, watchEventMessage, wrapProtobuf } from '../api/codec/protobuf-envelope.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { ListMeta } from '../api/meta.ts'
import { metaType } from '../api/schema/meta-types.ts'

export function encodeListBody(version: KindVersion, metadata: ListMeta, items: readonly Uint8Array[]): Uint8Array {
  const raw = joinListMessage(encodeMessage(metaType('ListMeta'), metadata), items)
  return wrapProtobuf({ apiVersion: version.apiVersion, kind: version.listKind, raw })
}

/** One frame of a watch: length, then the event whose object carries its own envelope. */
export function encodeWatchFrame({ apiVersion, kind }: KindVersion, type: string, raw: Uint8Array): Uint8Array {
  return frameProtobuf(watchEventMessage(type, wrapProtobuf({ apiVersion, kind, raw })))
}
