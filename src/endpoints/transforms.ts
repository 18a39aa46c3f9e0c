/** What a client may ask for instead of the object itself: its metadata, or rows of a table. */
import type { Encoding } from '../api/codec/codec.ts'
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

/** What answers may be: an object, a list where it may be watched, a watch. */
export interface Offers {
  readonly object: Offer
  readonly list: Offer
  readonly watch: Offer
}
/** @param encodings of the kind. Transformed, its objects have all of them. */
export function offersOf(encodings: readonly Encoding[]): Offers {
  const of = (offer: Offer): Offer => ({ ...offer, untransformed: encodings })
  return { object: of(OBJECT_OFFER), list: of(LIST_OFFER), watch: of(WATCH_OFFER) }
}

/** Tables have cells of any type: there is no protobuf form of them. */
const OBJECT_OFFER: Offer = {
  representations: Object.values(MEDIA_TYPES),
  transforms: (as, encoding) =>
    KINDS.has(as.kind) &&
    as.group === 'meta.k8s.io' &&
    (as.version === 'v1' || as.version === 'v1beta1') &&
    !(as.kind === 'Table' && encoding === 'protobuf'),
}
/** The media types of paths that may be watched. */
const LIST_OFFER: Offer = {
  ...OBJECT_OFFER,
  representations: [
    ...Object.values(MEDIA_TYPES),
    `${MEDIA_TYPES.json};stream=watch`,
    `${MEDIA_TYPES.protobuf};stream=watch`,
  ],
}

/** YAML cannot be streamed. */
const WATCH_OFFER: Offer = { ...LIST_OFFER, encodings: ['json', 'protobuf'], stream: true }

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
