/** Objects to stored bytes and back, in kube-apiserver's form: no resourceVersion in them, it is the revision. */
import { decodeBody, decodeProtobuf, encodeJson, encodeProtobuf } from '../api/codec/codec.ts'
import type { KubeObject } from '../api/meta.ts'
import type { TypeTable } from '../api/schema/type-table.ts'
import { type Revision, StorageError } from '../storage/storage.ts'
import { type Resource, apiVersionOf } from './resource.ts'

export interface ObjectCodec {
  encode(object: KubeObject): Uint8Array
  /** The object without kind and apiVersion, its resourceVersion set. @throws StorageError corrupt. */
  decode(bytes: Uint8Array, revision: Revision): KubeObject
}

export function objectCodec(r: Resource, types: TypeTable): ObjectCodec {
  const apiVersion = apiVersionOf(r)
  const encode = (object: KubeObject): Uint8Array => {
    const { resourceVersion: _r, selfLink: _s, ...metadata } = object.metadata
    const { kind: _k, apiVersion: _a, ...rest } = object
    const stored = { kind: r.kind, apiVersion, ...rest, metadata }
    return r.storedAs === 'protobuf'
      ? encodeProtobuf(types, r.type.model, stored)
      : Buffer.from(`${encodeJson(stored)}\n`)
  }
  const parse = (bytes: Uint8Array): KubeObject => {
    const isProtobuf = bytes[0] === 0x6b && bytes[1] === 0x38 && bytes[2] === 0x73 && bytes[3] === 0
    const object = isProtobuf
      ? decodeProtobuf(types, bytes)
      : decodeBody(bytes, 'json', types, { apiVersion, kind: r.kind }).object
    if (!object) throw new TypeError('its kind is not known')
    return object
  }
  return {
    encode,
    decode: (bytes, revision) => {
      let parsed: KubeObject
      try {
        parsed = parse(bytes)
      } catch (e) {
        throw new StorageError('corrupt', `a stored ${r.kind} cannot be decoded`, { cause: e })
      }
      const { kind: _k, apiVersion: _a, ...object } = parsed
      object.metadata = { ...object.metadata, resourceVersion: String(revision) }
      return object
    },
  }
}
