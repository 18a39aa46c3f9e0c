/**
 * What costs time with OpenAPI documents of others: reading, filtering, merging and writing them. Pure functions from
 * bytes to bytes, so that they run in a thread of their own.
 *
 * Callers: openapi-worker.ts in the thread; openapi-thread.ts hands work to it.
 */
import { encodeJson } from '../../../api/codec/codec.ts'
import { etagOf } from '../../../endpoints/document.ts'
import { convertV2ToV3 } from '../../../endpoints/openapi/convert-v2-to-v3.ts'
import { OpenApiProtobuf } from '../../../endpoints/openapi/document-protobuf.ts'
import { filterPaths, mergeV2 } from '../../../endpoints/openapi/merge-v2.ts'
import type { EncodedDocument } from '../../../endpoints/openapi/openapi-source.ts'
import type { Json } from '../../../endpoints/openapi/schemas.ts'
import { sharedCopy, textOf } from '../../../lib/shared-bytes.ts'
import { type Share, ownedPaths } from '../backends/document-source.ts'
import { readOpenApi, withPathsOf } from './read-openapi.ts'

/** What one server said. */
export interface Part {
  readonly body: Uint8Array
  readonly form: 'v3' | 'v2'
  /** Absent: all of it counts. */
  readonly share?: Share | undefined
}
interface GroupVersionParts {
  /** `apis/apps/v1`. */
  readonly key: string
  readonly parts: readonly Part[]
}

export const openApiWork = {
  /** The document of a group version; a backend speaks for its own alone. Version 2 is converted. */
  v3: ({ key, parts }: GroupVersionParts): EncodedDocument | undefined => {
    const documents = parts.flatMap(({ body, form, share }) => {
      const read = readOpenApi(textOf(body))
      const document =
        form === 'v3' ? withPathsOf(read, [`/${key}/`]) : convertV2ToV3(filterPaths(read, [`/${key}/`])).get(key)
      return document ? [{ share, document }] : []
    })
    const united = ownedPaths(documents, key, 'v3')
    return united && encoded(united)
  },
  /** The same of version 2, for a merge. */
  v2: ({ key, parts }: GroupVersionParts): EncodedDocument | undefined => {
    const documents = parts.map(({ body, share }) => ({
      share,
      document: filterPaths(readOpenApi(textOf(body)), [`/${key}/`]),
    }))
    const united = ownedPaths(documents, key, 'v2')
    return united && encoded(united)
  },
  /** As it is, if it can be read. */
  whole: (body: Uint8Array): EncodedDocument => encoded(readOpenApi(textOf(body))),
  /** What its paths begin with, few for all the paths of a group, each with one of them. */
  prefixes: (body: Uint8Array): Map<string, string> =>
    new Map(Object.keys(readOpenApi(textOf(body))['paths'] ?? {}).map((path) => [prefixOf(path), path])),
  /** Version 2 with what begins so, and with these paths, alone. */
  filtered: (o: {
    readonly body: Uint8Array
    readonly prefixes: readonly string[]
    readonly paths: readonly string[]
  }): EncodedDocument => encoded(filterPaths(readOpenApi(textOf(o.body)), o.prefixes, o.paths)),
  /** @param documents of version 2, best first. */
  merged: (documents: readonly Uint8Array[]): EncodedDocument | undefined => {
    const document = mergeV2(documents.map(parsed))
    return document && encoded(document)
  },
  protobuf: ({ bytes, version }: { bytes: Uint8Array; version: 2 | 3 }): Uint8Array =>
    sharedCopy(new OpenApiProtobuf(version).encode(parsed(bytes))),
}
export type OpenApiWork = typeof openApiWork
export type RunOpenApiWork = <K extends keyof OpenApiWork>(
  name: K,
  input: Parameters<OpenApiWork[K]>[0],
) => Promise<ReturnType<OpenApiWork[K]>>

const encoded = (document: Json): EncodedDocument => {
  const bytes = sharedCopy(Buffer.from(encodeJson(document)))
  return { bytes, etag: etagOf(bytes) }
}
const parsed = (bytes: Uint8Array): Json => JSON.parse(textOf(bytes)) as Json

function prefixOf(path: string): string {
  return /^\/apis\/[^/]+\//.exec(path)?.[0] ?? (path.startsWith('/api/') ? '/api/' : path)
}
