/**
 * Asks backends what they offer: the aggregated document once per server, the legacy one where that says nothing.
 *
 * Owns:     one document per server, shared by the APIServices that lead to it.
 * Callers:  discovery-manager.ts, which keeps what was last known.
 */
import { pathOf } from '../../../api/group-version.ts'
import type { Transport, TransportResponse } from '../../../client/transport.ts'
import type { ResourceDiscovery } from '../../../endpoints/discovery-types.ts'
import type { Clock } from '../../../lib/clock.ts'
import { sharedConcat } from '../../../lib/shared-bytes.ts'
import type { Backend } from '../backends/backend.ts'
import { type DocumentSource, ownedResources } from '../backends/document-source.ts'
import { readAggregated, readResourceList } from './read-discovery.ts'

const FETCH_TIMEOUT_MS = 5000
/** A document that is so young, and younger than the last change, answers for the other APIServices of its server. */
const SHARED_MS = 30_000
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
export const ACCEPT_V2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

interface ServerDocument {
  readonly etag: string | undefined
  /** Monotonic ms, of before the request. */
  readonly fetchedMs: number
  /** `group/version` to resources. */
  readonly versions: ReadonlyMap<string, readonly ResourceDiscovery[]>
}
/** What one group version of a backend was found to be. */
export type Offer =
  | { readonly kind: 'resources'; readonly resources: readonly ResourceDiscovery[] }
  /** The backend answers, and what it says is not the group version that is registered. */
  | { readonly kind: 'mismatch'; readonly reason: string; readonly message: string }
  | { readonly kind: 'failed'; readonly error: unknown }

export interface DownloadRequest {
  readonly backend: Backend
  readonly group: string
  readonly version: string
  /** Monotonic ms: an older document is not good enough. */
  readonly notBeforeMs: number
  readonly signal: AbortSignal
}

type SourceRequest = Omit<DownloadRequest, 'backend'> & { readonly source: DocumentSource }

export class DiscoveryDownloads {
  readonly #clock: Clock
  readonly #transportTo: (source: DocumentSource) => Transport
  readonly #documents = new Map<string, ServerDocument>()
  /** Downloads under way. A caller that asks meanwhile waits for the same answer. */
  readonly #asking = new Map<string, { startedMs: number; document: Promise<ServerDocument | undefined> }>()

  constructor(o: { clock: Clock; transportTo: (source: DocumentSource) => Transport }) {
    this.#clock = o.clock
    this.#transportTo = o.transportTo
  }
  /** Documents kept. */
  get size(): number {
    return this.#documents.size
  }
  keepOnly(backends: Iterable<Backend>): void {
    const used = new Set([...backends].flatMap((b) => b.sources.map((s) => s.documentKey)))
    for (const key of this.#documents.keys()) if (!used.has(key)) this.#documents.delete(key)
  }

  /** Never rejects. Where one of several servers cannot be asked, nothing new is known of the group version. */
  async fetch({ backend, ...o }: DownloadRequest): Promise<Offer> {
    const { sources } = backend
    const offers = await Promise.all(sources.map((source) => this.#fetchFrom({ ...o, source })))
    const resources: ResourceDiscovery[][] = []
    for (const offer of offers) {
      if (offer.kind !== 'resources') return offer
      resources.push([...offer.resources])
    }
    return {
      kind: 'resources',
      resources: ownedResources(sources.map((source, i) => ({ source, resources: resources[i]! }))),
    }
  }
  async #fetchFrom(o: SourceRequest): Promise<Offer> {
    const timeout = new AbortController()
    const cancel = this.#clock.after(FETCH_TIMEOUT_MS, () => timeout.abort(new Error('context deadline exceeded')))
    const request = { ...o, signal: AbortSignal.any([o.signal, timeout.signal]) }
    try {
      const document = await this.#documentOf(request)
      const listed = document?.versions.get(`${o.group}/${o.version}`)
      // Servers that add a group version by hand often list it in the legacy form alone.
      return listed ? { kind: 'resources', resources: listed } : await this.#legacy(request)
    } catch (error) {
      return { kind: 'failed', error }
    } finally {
      cancel()
    }
  }

  /** @returns undefined where the backend has no aggregated discovery. */
  #documentOf({ source, notBeforeMs, signal }: SourceRequest): Promise<ServerDocument | undefined> {
    const key = source.documentKey
    const known = this.#documents.get(key)
    const nowMs = this.#clock.monotonicMs()
    if (known && known.fetchedMs > notBeforeMs && nowMs - known.fetchedMs < SHARED_MS) return Promise.resolve(known)
    const asking = this.#asking.get(key)
    if (asking && asking.startedMs >= notBeforeMs) return asking.document
    const mine = { startedMs: nowMs, document: this.#download(source, key, signal) }
    this.#asking.set(key, mine)
    const done = (): void => {
      if (this.#asking.get(key) === mine) this.#asking.delete(key)
    }
    mine.document.then(done, done)
    return mine.document
  }

  async #download(source: DocumentSource, key: string, signal: AbortSignal): Promise<ServerDocument | undefined> {
    const known = this.#documents.get(key)
    const fetchedMs = this.#clock.monotonicMs()
    const headers: Record<string, string> = {
      accept: ACCEPT_V2,
      ...(known?.etag === undefined ? {} : { 'if-none-match': known.etag }),
    }
    const response = await this.#transportTo(source)({ method: 'GET', path: '/apis', headers, signal })
    const body = await readAll(response)
    if (response.status === 304 && known) {
      const renewed = { ...known, fetchedMs }
      this.#documents.set(key, renewed)
      return renewed
    }
    if (response.status === 503) throw new Error('the backend is unavailable')
    if (response.status !== 200 || !isAggregated(response.headers['content-type'])) return undefined
    const document: ServerDocument = { etag: response.headers['etag'], fetchedMs, versions: readAggregated(body) }
    this.#documents.set(key, document)
    return document
  }

  async #legacy({ source, group, version, signal }: SourceRequest): Promise<Offer> {
    const path = pathOf({ group, version })
    const headers = { accept: 'application/json' }
    const response = await this.#transportTo(source)({ method: 'GET', path, headers, signal })
    const body = await readAll(response)
    if (response.status === 404) return mismatch('GroupVersionNotFound', `${path}: the backend answers 404`)
    if (response.status !== 200) throw new Error(`${path}: bad status ${response.status}`)
    try {
      const list = readResourceList(body, group, version)
      const expected = group === '' ? version : `${group}/${version}`
      if (list.groupVersion !== undefined && list.groupVersion !== expected)
        return mismatch('OtherGroupVersion', `${path}: the backend's document is of ${list.groupVersion}`)
      return { kind: 'resources', resources: list.resources }
    } catch (e) {
      return mismatch('InvalidDocument', `${path}: the backend's document cannot be read: ${(e as Error).message}`)
    }
  }
}

const mismatch = (reason: string, message: string): Offer => ({ kind: 'mismatch', reason, message })

export function isAggregated(contentType: string | undefined): boolean {
  const type = contentType ?? ''
  return (
    type.startsWith('application/json') &&
    /[;\s]g=apidiscovery\.k8s\.io/.test(type) &&
    /[;\s]v=v2(;|$)/.test(type) &&
    /[;\s]as=APIGroupDiscoveryList/.test(type)
  )
}

export async function readAll(response: TransportResponse): Promise<string> {
  return Buffer.concat((await readChunks(response)).chunks).toString('utf8')
}
/** A copy in memory that threads share. */
export async function readShared(response: TransportResponse): Promise<Uint8Array> {
  const { chunks, size } = await readChunks(response)
  return sharedConcat(chunks, size)
}
async function readChunks(response: TransportResponse): Promise<{ chunks: Uint8Array[]; size: number }> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.byteLength
    if (size > MAX_DOCUMENT_BYTES) throw new Error(`the document is larger than ${MAX_DOCUMENT_BYTES} bytes`)
    chunks.push(chunk)
  }
  return { chunks, size }
}
