/** Makes the KindVersion of a built-in kind from its table. */
import { decodeBody, decodeBodySteps, decodeProtobuf, type Encoding } from '../codec/codec.ts'
import { encodeMessage } from '../codec/protobuf-encode.ts'
import { conform, decodeTyped } from '../codec/typed-decode.ts'
import { formatGroupVersion } from '../group-version.ts'
import type { KubeObject } from '../meta.ts'
import type { ObjectType, TypeTable } from '../schema/type-table.ts'
import type { GroupVersionKind, KindVersion } from './kind-version.ts'
import type { TableShapes } from './table-shapes.ts'

const ENCODINGS: readonly Encoding[] = ['json', 'yaml', 'protobuf']

export interface TableKindOptions extends GroupVersionKind {
  readonly type: ObjectType
  /** All kinds: a body of a wrong one is named in the error. */
  readonly types: TypeTable
  /** Shared by all kinds of the tables. */
  readonly shapes: TableShapes
  readonly defaults?: ((object: KubeObject) => void) | undefined
}

export function tableKind({ group, version, kind, type, types, shapes, defaults }: TableKindOptions): KindVersion {
  const apiVersion = formatGroupVersion({ group, version })
  const expected = { apiVersion, kind }
  return {
    group,
    version,
    kind,
    apiVersion,
    listKind: `${kind}List`,
    encodings: ENCODINGS,
    decode: (bytes, encoding, reading) => decodeBodySteps(bytes, encoding, types, { ...expected, ...reading }),
    decodeStored: (bytes) => {
      const isProtobuf = bytes[0] === 0x6b && bytes[1] === 0x38 && bytes[2] === 0x73 && bytes[3] === 0
      const object = isProtobuf ? decodeProtobuf(types, bytes) : decodeBody(bytes, 'json', types, expected).object
      if (!object) throw new TypeError('its kind is not known')
      return object
    },
    fit: (value) => {
      const { object, problems } = decodeTyped(type, value)
      return { object: object as object as KubeObject, problems }
    },
    conform: (object) => conform(type, object),
    fillDefaults: (object) => defaults?.(object),
    encodeMessage: (object) => encodeMessage(type, object),
    merge: shapes.kind(type),
    strategicType: type,
    schema: type,
  }
}
