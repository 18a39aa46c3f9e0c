import { frameProtobuf, watchEventMessage, wrapProtobuf } from '../api/codec/protobuf-envelope.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'

/** One frame of a watch: length, then the event whose object carries its own envelope. */
export function encodeWatchFrame({ apiVersion, kind }: KindVersion, type: string, raw: Uint8Array): Uint8Array {
  return frameProtobuf(watchEventMessage(type, wrapProtobuf({ apiVersion, kind, raw })))
}
