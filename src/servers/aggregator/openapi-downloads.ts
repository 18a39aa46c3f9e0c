/**
 * The OpenAPI documents of the backends, fetched in the background and kept: a request never waits for a backend.
 *
 * Owns:     the last good document of each remote group version, v3 and v2.
 * Callers:  wire-aggregator runs it as a controller over the names of APIServices; openapi-endpoint.ts reads it.
 */
import { isDeepStrictEqual } from 'node:util'
import type { APIService } from '../../api/apiservice.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../client/controller.ts'
import type { Informer } from '../../client/informer.ts'
import type { Transport } from '../../client/transport.ts'
import type { WorkQueue } from '../../client/work-queue.ts'
import { convertV2ToV3 } from '../../endpoints/openapi/convert-v2-to-v3.ts'
import { filterPaths } from '../../endpoints/openapi/merge-v2.ts'
import type { Json } from '../../endpoints/openapi/schemas.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import { Publisher, type Published } from '../../lib/published.ts'
import type { Logger } from '../../observability/logger.ts'
import { type APIServiceTable, onNewBackend } from './apiservice-table.ts'
import type { AvailabilityView } from './availability-view.ts'
import type { ConditionWriter } from './condition-writer.ts'
import { type DocumentSource, ownedPaths } from './document-source.ts'
import { readAll } from './discovery-downloads.ts'
import { documentUrl, readOpenApi, withPathsOf } from './read-openapi.ts'

const REFRESH_MS = 60_000
/** Until a backend that publishes none is asked again. */
const NONE_REFRESH_MS = 3_600_000
const NO_OPENAPI = 'NoOpenAPI'
const RETRY = { baseMs: 1000, maxMs: 60_000 }
const DOWNLOAD_TIMEOUT_MS = 60_000

export interface RemoteOpenApi {
  /** `apis/apps/v1`. */
  readonly key: string
  readonly v3: Json | undefined
  readonly v2: Json | undefined
  /** Of the sources, to see that nothing changed. */
  readonly tag: string
  /** Of the version 3 document; undefined where there is none. */
  readonly url: string | undefined
  /** Empty: the backend gives none. */
  readonly v2Etag: string
}

export interface OpenApiDownloadOptions {
  readonly informer: Pick<Informer<APIService>, 'lister' | 'addHandler'>
  readonly table: Published<APIServiceTable>
  readonly queue: WorkQueue
  readonly view: AvailabilityView
  readonly conditions: Pick<ConditionWriter, 'want' | 'wantFalse'>
  readonly transportTo: (source: Pick<DocumentSource, 'direct'>) => Transport
  /** Version 3 of what this process serves of a group version. @param key `apis/apps/v1`. */
  readonly local: (key: string) => Json | undefined
  readonly clock: Clock
  readonly log: Logger
}

export class OpenApiDownloads implements Reconciler {
  /** By name of the APIService. A new map with each change. */
  readonly documents = new Publisher<ReadonlyMap<string, RemoteOpenApi>>(new Map())
  readonly #o: OpenApiDownloadOptions
  readonly #backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)

  constructor(o: OpenApiDownloadOptions) {
    this.#o = o
    const wake = (a: APIService): void => void o.queue.add(a.metadata.name!)
    o.informer.addHandler({
      added: wake,
      updated: (before, after) => {
        if (before.metadata.uid !== after.metadata.uid || !isDeepStrictEqual(before.spec, after.spec)) wake(after)
      },
      deleted: wake,
    })
    o.view.subscribe((name) => o.queue.add(name))
    onNewBackend(o.table, wake)
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { group = '', version = '', service } = this.#o.informer.lister.get(name)?.spec ?? {}
    const backend = this.#o.table.value.get(group, version)?.backend
    const isLocal = !backend || (!backend.isRemote && backend.sources.length === 1)
    if ((!service && isLocal) || backend?.policy.openApi === false) {
      this.#set(name, undefined)
      this.#backoff.forget(name)
      return DONE
    }
    // A backend that is down is asked again when its availability changes.
    if (!backend?.available) return { kind: 'requeue', afterMs: this.#backoff.next(name) }
    const key = group === '' ? `api/${version}` : `apis/${group}/${version}`
    const timeout = new AbortController()
    const cancel = this.#o.clock.after(DOWNLOAD_TIMEOUT_MS, () => timeout.abort())
    try {
      this.#set(
        name,
        await this.#downloadAll(
          backend.sources,
          key,
          this.documents.value.get(name),
          AbortSignal.any([signal, timeout.signal]),
        ),
      )
      this.#backoff.forget(name)
      return { kind: 'requeue', afterMs: this.#tellNone(name) ? NONE_REFRESH_MS : REFRESH_MS }
    } catch (error) {
      this.#o.log.verbose?.('the OpenAPI document of a backend could not be fetched; the last good one stays', {
        apiService: name,
        error,
      })
      return { kind: 'requeue', afterMs: this.#backoff.next(name) }
    } finally {
      cancel()
    }
  }

  /** A backend without any document is asked seldom, and says so once. @returns whether it is one. */
  #tellNone(name: string): boolean {
    const apiService = this.#o.informer.lister.get(name)
    const known = this.documents.value.get(name)
    const isNone = known !== undefined && !known.v3 && !known.v2
    if (!apiService) return isNone
    const { conditions } = this.#o
    if (isNone)
      conditions.want(apiService, {
        type: NO_OPENAPI,
        status: 'True',
        reason: 'NotFound',
        message: 'the backend publishes no OpenAPI: kubectl explain and validation know nothing of its kinds',
      })
    else
      conditions.wantFalse(apiService, {
        type: NO_OPENAPI,
        reason: 'Published',
        message: 'the backend publishes OpenAPI',
      })
    return isNone
  }
  /** Where several servers share the group version: of each the paths of its own resources. */
  async #downloadAll(
    sources: readonly DocumentSource[],
    key: string,
    known: RemoteOpenApi | undefined,
    signal: AbortSignal,
  ): Promise<RemoteOpenApi> {
    const [only] = sources
    if (sources.length === 1) return this.#download(this.#o.transportTo(only!), key, known, signal)
    const found = await Promise.all(
      sources.map(async (source) => {
        const document = source.isLocal
          ? { key, tag: 'local', url: undefined, v2Etag: '', v2: undefined, v3: this.#o.local(key) }
          : await this.#download(this.#o.transportTo(source), key, undefined, signal)
        return { source, document }
      }),
    )
    const tag = found.map(({ document }) => document.tag).join(' ')
    if (known?.tag === tag) return known
    const merged = (form: 'v3' | 'v2'): Json | undefined =>
      ownedPaths(
        found.flatMap(({ source, document: d }) => (d[form] ? [{ source, document: d[form] }] : [])),
        key,
        form,
      )
    return { key, tag, url: undefined, v2Etag: '', v3: merged('v3'), v2: merged('v2') }
  }
  async #download(
    transport: Transport,
    key: string,
    known: RemoteOpenApi | undefined,
    signal: AbortSignal,
  ): Promise<RemoteOpenApi> {
    const get = async (path: string, etag = ''): Promise<{ status: number; body: string; etag: string }> => {
      const headers = { accept: 'application/json', ...(etag === '' ? {} : { 'if-none-match': etag }) }
      const response = await transport({ method: 'GET', path, headers, signal })
      const body = await readAll(response)
      const isNews = response.status === 200 || response.status === 404
      if (!isNews && (etag === '' || response.status !== 304)) throw new Error(`${path}: bad status ${response.status}`)
      return { status: response.status, body, etag: response.headers['etag'] ?? '' }
    }
    const root = await get('/openapi/v3')
    const url = root.status === 200 ? documentUrl(root.body, key) : undefined
    const v2 = await get('/openapi/v2', known?.url === url ? known?.v2Etag : '')
    if (v2.status === 304) return known!
    const tag = `${url ?? ''} ${v2.etag === '' ? v2.body.length : v2.etag}`
    if (known?.tag === tag) return known
    const prefixes = [`/${key}/`]
    const v2Document = v2.status === 200 ? filterPaths(readOpenApi(v2.body), prefixes) : undefined
    const made = { key, tag, url, v2Etag: v2.etag, v2: v2Document }
    if (url !== undefined) {
      const document = await get(url)
      // A backend speaks for its own group version alone.
      if (document.status === 200) return { ...made, v3: withPathsOf(readOpenApi(document.body), prefixes) }
    }
    return { ...made, v3: v2Document && convertV2ToV3(v2Document).get(key) }
  }

  #set(name: string, document: RemoteOpenApi | undefined): void {
    const before = this.documents.value.get(name)
    if (before?.tag === document?.tag) return
    const next = new Map(this.documents.value)
    if (document) next.set(name, document)
    else next.delete(name)
    this.documents.publish(next)
  }
}
