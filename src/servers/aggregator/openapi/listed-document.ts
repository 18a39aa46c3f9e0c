/**
 * Reads a version 3 document by the URL that an index names, also while the server is rolled out: its replicas name
 * other hashes, and answer a foreign one with a redirect or not at all.
 *
 * Callers: openapi-downloads.ts and fronted/fronted-openapi.ts, which own the requests.
 */
import { textOf } from '../../../lib/shared-bytes.ts'
import { documentUrl } from './read-openapi.ts'

export const INDEX = '/openapi/v3'

export interface Answered {
  readonly status: number
  readonly body: Uint8Array
}
export interface ListedDocument {
  /** As the index names it; without its hash where the document may be another one than that: `isCertain`. */
  readonly url: string
  readonly isCertain: boolean
  readonly body: Uint8Array
}

/**
 * @param o.url of the document with this key, as the index told just now. The index is read once more at once, and
 *   then the document is asked for without a hash, as whichever replica answers has it.
 * @returns undefined where there is none. @throws Error for an answer that says neither.
 */
export async function readListed(o: {
  readonly key: string
  readonly url: string
  readonly get: (path: string) => Promise<Answered>
}): Promise<ListedDocument | undefined> {
  const { key, get } = o
  const found = await get(o.url)
  if (found.status === 200) return { url: o.url, isCertain: true, body: found.body }
  const index = await get(INDEX)
  const url = index.status === 200 ? documentUrl(textOf(index.body), key) : undefined
  if (url === undefined) return undefined
  const again = await get(url)
  if (again.status === 200) return { url, isCertain: true, body: again.body }
  const plain = url.split('?')[0]!
  const { status, body } = await get(plain)
  if (status === 200) return { url: plain, isCertain: false, body }
  if (status === 404) return undefined
  throw new Error(`${plain}: bad status ${status}`)
}
