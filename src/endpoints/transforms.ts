/** What a client may ask for instead of the object itself: its metadata, or rows of a table. */
import type { KubeObject, ListMeta } from '../api/meta.ts'
import { StatusError } from '../api/status-error.ts'
import type { Offer, Transform } from '../http/negotiation.ts'

export const META_GROUP_VERSION = 'meta.k8s.io/v1'
export const PARTIAL_MODEL = 'io.k8s.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata'
export const PARTIAL_LIST_MODEL = `${PARTIAL_MODEL}List`

const KINDS = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'])

export const TRANSFORM_OFFER: Offer = {
  transforms: (as) =>
    KINDS.has(as.kind) && as.group === 'meta.k8s.io' && (as.version === 'v1' || as.version === 'v1beta1'),
}

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
    items: objects.map((o) => ({ metadata: o.metadata })),
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
