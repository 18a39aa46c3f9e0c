/** Objects to stored bytes and back, in kube-apiserver's form: no resourceVersion in them, it is the revision. */
import { encodeJson } from '../api/codec/codec.ts'
import { wrapProtobuf } from '../api/codec/protobuf-envelope.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import { type Revision, StorageError } from '../storage/storage.ts'

/** Promises only where a converter has to be waited for. */
export interface ObjectCodec {
  encode(object: KubeObject): Uint8Array | Promise<Uint8Array>
  /** The object without kind and apiVersion, defaulted, its resourceVersion set. @throws StorageError corrupt. */
  decode(bytes: Uint8Array, revision: Revision): KubeObject | Promise<KubeObject>
}
/** Of a kind that this process converts itself. */
export interface SyncObjectCodec extends ObjectCodec {
  encode(object: KubeObject): Uint8Array
  decode(bytes: Uint8Array, revision: Revision): KubeObject
}

export function objectCodec(form: KindVersion, storedAs: 'protobuf' | 'json'): SyncObjectCodec {
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
    decode: (bytes, revision) => readable(form, storedObject(form, bytes), revision),
  }
}

/** @throws StorageError corrupt. */
export function storedObject(form: KindVersion, bytes: Uint8Array): KubeObject {
  try {
    return form.decodeStored(bytes)
  } catch (e) {
    throw new StorageError('corrupt', `a stored ${form.kind} cannot be decoded`, { cause: e })
  }
}

/** A stored object as the server handles it: without kind and apiVersion, defaulted, its resourceVersion set. */
export function readable(form: KindVersion, stored: KubeObject, revision: Revision): KubeObject {
  const { kind: _k, apiVersion: _a, ...object } = stored
  object.metadata = { ...object.metadata, resourceVersion: String(revision) }
  form.fillDefaults(object)
  return object
}
