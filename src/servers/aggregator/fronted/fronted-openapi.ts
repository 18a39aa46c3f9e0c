/**
 * The OpenAPI documents of a fronted server: downloaded in the background, kept, and told as our own.
 *
 * Owns:     the last good documents. A version 3 document is downloaded again when its hash changes.
 * Callers:  fronted-delegate.ts; the OpenAPI endpoint merges `documents`.
 */
import type { Transport } from '../../../client/transport.ts'
import { filterPaths } from '../../../endpoints/openapi/merge-v2.ts'
import { nextTurn } from '../../../lib/next-turn.ts'
import { Publisher } from '../../../lib/published.ts'
import { readAll } from '../discovery-downloads.ts'
import type { RemoteOpenApi } from '../openapi-downloads.ts'
import { documentUrls, readOpenApi } from '../read-openapi.ts'

const AT_ONCE = 4
/** Of the one entry that holds version 2, which is a single document for all groups. */
const V2 = 'openapi/v2'

export class FrontedOpenApi {
  readonly documents = new Publisher<ReadonlyMap<string, RemoteOpenApi>>(new Map())
  readonly #transport: Transport
  readonly #serves: (path: string) => boolean

  /** @param o.serves asked for paths, such as `/apis/apps/v1` or `/logs/`. */
  constructor(o: { transport: Transport; serves: (path: string) => boolean }) {
    this.#transport = o.transport
    this.#serves = o.serves
  }

  /** @throws what went wrong; what was known stays. */
  async refresh(signal: AbortSignal): Promise<void> {
    const before = this.documents.value
    const index = await this.#get('/openapi/v3', signal)
    const urls = index.status === 200 ? documentUrls(index.body) : new Map<string, string>()
    const wanted = [...urls].filter(([key]) => this.#serves(`/${key}`))
    const next = new Map<string, RemoteOpenApi>()
    const queue = wanted.values()
    const worker = async (): Promise<void> => {
      for (const [key, url] of queue) {
        const known = before.get(key)
        next.set(key, known?.url === url && url.includes('?hash=') ? known : await this.#v3(key, url, signal))
        await nextTurn()
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    const v2 = await this.#v2(before.get(V2), signal)
    if (v2) next.set(V2, v2)
    if (next.size === before.size && [...next].every(([key, made]) => before.get(key) === made)) return
    this.documents.publish(next)
  }

  async #v3(key: string, url: string, signal: AbortSignal): Promise<RemoteOpenApi> {
    const { status, body } = await this.#get(url, signal)
    if (status !== 200) throw new Error(`${url}: bad status ${status}`)
    return { key, tag: url, url, v3: readOpenApi(body), v2: undefined, v2Etag: '' }
  }
  async #v2(known: RemoteOpenApi | undefined, signal: AbortSignal): Promise<RemoteOpenApi | undefined> {
    const { status, body, etag } = await this.#get('/openapi/v2', signal, known?.v2Etag)
    if (status === 304 && known) return known
    if (status !== 200) return undefined
    const document = readOpenApi(body)
    const prefixes = new Set(
      Object.keys(document['paths'] ?? {})
        .filter(this.#serves)
        .map(prefixOf),
    )
    const v2 = filterPaths(document, [...prefixes])
    return { key: V2, tag: etag, url: undefined, v3: undefined, v2, v2Etag: etag }
  }

  async #get(
    path: string,
    signal: AbortSignal,
    knownEtag = '',
  ): Promise<{ status: number; body: string; etag: string }> {
    const headers = { accept: 'application/json', ...(knownEtag === '' ? {} : { 'if-none-match': knownEtag }) }
    const response = await this.#transport({ method: 'GET', path, headers, signal })
    const body = await readAll(response)
    if (response.status >= 500) throw new Error(`${path}: bad status ${response.status}`)
    return { status: response.status, body, etag: response.headers['etag'] ?? '' }
  }
}

/** Few of them stand for all the paths of a group. */
function prefixOf(path: string): string {
  return /^\/apis\/[^/]+\//.exec(path)?.[0] ?? (path.startsWith('/api/') ? '/api/' : path)
}
