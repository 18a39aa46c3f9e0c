/** Objects to stored bytes and back, in kube-apiserver's form: no resourceVersion in them, it is the revision. */
import { encodeJson } from '../api/codec/codec.ts'
import { wrapProtobuf } from '../api/codec/protobuf-envelope.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import { type Revision, StorageError } from '../storage/storage.ts'

export interface ObjectCodec {
  encode(object: KubeObject): Uint8Array
  /** The object without kind and apiVersion, defaulted, its resourceVersion set. @throws StorageError corrupt. */
  decode(bytes: Uint8Array, revision: Revision): KubeObject
}

export function objectCodec(form: KindVersion, storedAs: 'protobuf' | 'json'): ObjectCodec {
  const { kind, apiVersion } = form
  return {
    encode: (object) => {
      const { resourceVersion: _r, selfLink: _s, ...metadata } = object.metadata
      const { kind: _k, apiVersion: _a, ...rest } = object
      const stored = { kind, apiVersion, ...rest, metadata }
      return storedAs === 'protobuf'
        ? wrapProtobuf({ apiVersion, kind, raw: form.encodeMessage(stored) })
        : Buffer.from(`${encodeJson(stored)}\n`)
    },
    decode: (bytes, revision) => {
      let parsed: KubeObject
      try {
        parsed = form.decodeStored(bytes)
      } catch (e) {
        throw new StorageError('corrupt', `a stored ${kind} cannot be decoded`, { cause: e })
      }
      const { kind: _k, apiVersion: _a, ...object } = parsed
      object.metadata = { ...object.metadata, resourceVersion: String(revision) }
      form.fillDefaults(object)
      return object
    },
  }
}
