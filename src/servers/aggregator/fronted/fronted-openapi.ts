/**
 * The OpenAPI documents of a fronted server in one version: downloaded while clients read them, and told as our own.
 *
 * Owns:     the last good documents. A version 3 document is downloaded again when its hash changes.
 * Callers:  fronted-delegate.ts; the OpenAPI endpoint merges `documents`.
 */
import type { Transport } from '../../../client/transport.ts'
import { Deferred } from '../../../lib/deferred.ts'
import { Publisher } from '../../../lib/published.ts'
import { textOf } from '../../../lib/shared-bytes.ts'
import { readShared } from '../discovery/discovery-downloads.ts'
import { INDEX, readListed } from '../openapi/listed-document.ts'
import type { ReadDocuments, RemoteDocument } from '../../../endpoints/openapi/openapi-source.ts'
import type { RunOpenApiWork } from '../openapi/openapi-work.ts'
import { documentUrls } from '../openapi/read-openapi.ts'

const AT_ONCE = 4
/** The key of the one entry of version 2, a single document for all groups. */
const V2 = 'openapi/v2'

interface Downloaded extends RemoteDocument {
  /** Its URL in version 3, its ETag in version 2. */
  readonly validator: string
}
export interface FrontedOpenApiOptions {
  readonly version: 'v3' | 'v2'
  readonly transport: Transport
  /** Asked for paths, such as `/apis/apps/v1` or `/logs/`. */
  readonly serves: (path: string) => boolean
  readonly run: RunOpenApiWork
}

export class FrontedOpenApi implements ReadDocuments {
  readonly documents = new Publisher<ReadonlyMap<string, Downloaded>>(new Map())
  readonly #o: FrontedOpenApiOptions
  #reading = new Deferred()
  #asked = new Deferred()

  constructor(o: FrontedOpenApiOptions) {
    this.#o = o
  }
  /** Resolves while a client reads. */
  get wanted(): Promise<void> {
    return this.#reading.promise
  }
  begin(): Promise<unknown> {
    this.#reading.resolve()
    return this.#asked.promise
  }
  /** It is looked at every few seconds anyway. */
  again(): void {}
  end(): void {
    if (this.#reading.settled) this.#reading = new Deferred()
    this.#asked.resolve()
    this.#asked = new Deferred()
    if (this.documents.value.size > 0) this.documents.publish(new Map())
  }

  /** @throws what went wrong; what was known stays. */
  async refresh(signal: AbortSignal): Promise<void> {
    try {
      const before = this.documents.value
      const next = this.#o.version === 'v3' ? await this.#v3(before, signal) : await this.#v2(before.get(V2), signal)
      const isSame = next.size === before.size && [...next].every(([key, made]) => before.get(key) === made)
      if (this.#reading.settled && !isSame) this.documents.publish(next)
    } finally {
      this.#asked.resolve()
    }
  }

  async #v3(before: ReadonlyMap<string, Downloaded>, signal: AbortSignal): Promise<Map<string, Downloaded>> {
    const index = await this.#get(INDEX, signal)
    const urls = index.status === 200 ? documentUrls(textOf(index.body)) : new Map<string, string>()
    const next = new Map<string, Downloaded>()
    const queue = [...urls].filter(([key]) => this.#o.serves(`/${key}`)).values()
    const worker = async (): Promise<void> => {
      for (const [key, url] of queue) {
        const known = before.get(key)
        const isSame = known?.validator === url && url.includes('?hash=')
        const found = isSame ? known : await this.#one(key, url, signal)
        if (found) next.set(key, found)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, worker))
    return next
  }
  async #one(key: string, url: string, signal: AbortSignal): Promise<Downloaded | undefined> {
    const found = await readListed({ key, url, get: (path) => this.#get(path, signal) })
    if (!found) return undefined
    return { key, validator: found.isCertain ? found.url : '', document: await this.#o.run('whole', found.body) }
  }
  async #v2(known: Downloaded | undefined, signal: AbortSignal): Promise<Map<string, Downloaded>> {
    const { status, body, etag } = await this.#get('/openapi/v2', signal, known?.validator)
    if (status === 304 && known) return new Map([[V2, known]])
    if (status !== 200) return new Map()
    const all = await this.#o.run('prefixes', body)
    const served = [...all].filter(([, path]) => this.#o.serves(path))
    const prefixes = served.flatMap(([prefix, path]) => (prefix === path ? [] : [prefix]))
    const paths = served.flatMap(([prefix, path]) => (prefix === path ? [path] : []))
    const document = await this.#o.run('filtered', { body, prefixes, paths })
    return new Map([[V2, { key: V2, validator: etag, document }]])
  }

  async #get(
    path: string,
    signal: AbortSignal,
    knownEtag = '',
  ): Promise<{ status: number; body: Uint8Array; etag: string }> {
    const headers = { accept: 'application/json', ...(knownEtag === '' ? {} : { 'if-none-match': knownEtag }) }
    const response = await this.#o.transport({ method: 'GET', path, headers, signal })
    const body = await readShared(response)
    if (response.status >= 500) throw new Error(`${path}: bad status ${response.status}`)
    return { status: response.status, body, etag: response.headers['etag'] ?? '' }
  }
}
