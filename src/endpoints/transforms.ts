/** What a client may ask for instead of the object itself: its metadata, or rows of a table. */
import { encodeMessage } from '../api/codec/protobuf-encode.ts'
import type { KubeObject, ListMeta } from '../api/meta.ts'
import { metaType } from '../api/schema/meta-types.ts'
import { StatusError } from '../api/status-error.ts'
import { MEDIA_TYPES, type Offer, type Transform } from '../http/negotiation.ts'

export const META_GROUP_VERSION = 'meta.k8s.io/v1'
/** Protobuf messages without their envelopes. */
export const PARTIAL_MESSAGE = (object: object): Uint8Array => encodeMessage(metaType('PartialObjectMetadata'), object)
export const PARTIAL_LIST_MESSAGE = (object: object): Uint8Array =>
  encodeMessage(metaType('PartialObjectMetadataList'), object)

const KINDS = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'])

/** Tables have cells of any type: there is no protobuf form of them. */
export const TRANSFORM_OFFER: Offer = {
  representations: Object.values(MEDIA_TYPES),
  transforms: (as, encoding) =>
    KINDS.has(as.kind) &&
    as.group === 'meta.k8s.io' &&
    (as.version === 'v1' || as.version === 'v1beta1') &&
    !(as.kind === 'Table' && encoding === 'protobuf'),
}
/** Of paths that may be watched. */
export const LIST_OFFER: Offer = {
  ...TRANSFORM_OFFER,
  representations: [
    ...Object.values(MEDIA_TYPES),
    `${MEDIA_TYPES.json};stream=watch`,
    `${MEDIA_TYPES.protobuf};stream=watch`,
  ],
}

/** YAML cannot be streamed. */
export const WATCH_OFFER: Offer = { ...LIST_OFFER, encodings: ['json', 'protobuf'], stream: true }

export function transformVersion(as: Transform): string {
  return `meta.k8s.io/${as.version}`
}

export function partialMetadata(object: KubeObject, apiVersion = META_GROUP_VERSION): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion, metadata: object.metadata }
}
export function partialMetadataList(
  objects: readonly KubeObject[],
  metadata: ListMeta,
  apiVersion = META_GROUP_VERSION,
): object {
  return {
    kind: 'PartialObjectMetadataList',
    apiVersion,
    metadata,
    items: objects.map((o) => partialMetadata(o, apiVersion)),
  }
}

/** @throws StatusError 406 for a list form of one object, or the other way round. */
export function checkTransform(as: Transform | undefined, given: 'object' | 'list', kind: string): void {
  if (as?.kind === 'PartialObjectMetadata' && given === 'list') {
    throw new StatusError(
      406,
      'NotAcceptable',
      `you requested PartialObjectMetadata, but the requested object is a list (*${kind}List)`,
    )
  }
  if (as?.kind === 'PartialObjectMetadataList' && given === 'object') {
    throw new StatusError(
      406,
      'NotAcceptable',
      `you requested PartialObjectMetadataList, but the requested object is not a list (*${kind})`,
    )
  }
}
