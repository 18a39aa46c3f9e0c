/**
 * What a server knows of the form of one kind in one version: how it is read, fitted, defaulted, written and described.
 * Resolved when a route is made; nothing in a request looks a form up by name.
 *
 * Makers:   table-kind.ts, by the tables of the built-in kinds; a structural schema is another.
 * Callers:  endpoints/, registry/, servers/. None of them knows which maker it was.
 */
import type { DecodedBody, Encoding, Reading } from '../codec/codec.ts'
import type { KubeObject } from '../meta.ts'
import type { SchemaSource } from '../schema/schema-source.ts'
import type { ObjectType } from '../schema/type-table.ts'
import type { MergeShape } from './merge-shape.ts'

export interface GroupVersionKind {
  /** '' for the core group. */
  readonly group: string
  readonly version: string
  readonly kind: string
}
export interface FittedObject {
  readonly object: KubeObject
  /** `unknown field "spec.foo"` ..., in the object's order. */
  readonly problems: readonly string[]
}

export interface KindVersion extends GroupVersionKind {
  /** `apps/v1`, or `v1` for the core group. */
  readonly apiVersion: string
  /** `DeploymentList`. */
  readonly listKind: string
  /** Encodings in which it can be asked for and sent. */
  readonly encodings: readonly Encoding[]
  /**
   * A request's body, a step at a time: between two steps other requests may have their turn. A body of another kind is
   * told so, one of another version is decoded and tells its own apiVersion. Not defaulted.
   *
   * @throws DecodeError
   */
  decode(bytes: Uint8Array, encoding: Encoding, reading: Reading): Generator<void, DecodedBody>
  /** What was stored, in whatever encoding. Not defaulted. @throws what the decoders throw. */
  decodeStored(bytes: Uint8Array): KubeObject
  /** What a patch, a webhook or a conversion made, in this version's form. @throws TypeMismatchError */
  fit(value: object): FittedObject
  /** Drops what this form writes no more: fields that are empty and were not given. */
  conform(object: KubeObject): KubeObject
  /** Changes the object, which the caller has to itself. Once or twice makes no difference. */
  fillDefaults(object: KubeObject): void
  /** The protobuf message without its envelope. @throws Error where protobuf is not among the encodings. */
  readonly encodeMessage: (object: object) => Uint8Array
  /** How lists and maps merge: for apply and for who owns which field. */
  readonly merge: MergeShape
  /** How strategic merge patches merge it; undefined: they are not taken (415). */
  readonly strategicType: ObjectType | undefined
  /** For OpenAPI documents. */
  readonly schema: SchemaSource
}
