/** What OpenAPI documents are made of: the resources of a group version as the servers describe them. */
import type { Encoding } from '../../api/codec/codec.ts'
import type { SchemaSource } from '../../api/schema/schema-source.ts'

export interface DescribedSubresource {
  readonly name: string
  readonly verbs: readonly string[]
  readonly kind: string
  readonly type: SchemaSource
}
export interface DescribedResource {
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  /** As discovery lists them. */
  readonly verbs: readonly string[]
  readonly type: SchemaSource
  /** Left out: those of built-in kinds, JSON, YAML and protobuf. */
  readonly encodings?: readonly Encoding[]
  /** Whether strategic merge patches are taken. Left out: they are. */
  readonly strategicPatch?: boolean
  readonly subresources?: readonly DescribedSubresource[]
}
export interface DescribedGroupVersion {
  /** '' for the core group. */
  readonly group: string
  readonly version: string
  readonly resources: readonly DescribedResource[]
}
export interface DocumentInfo {
  readonly title: string
  readonly version: string
}
