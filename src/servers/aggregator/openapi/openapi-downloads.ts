/**
 * The OpenAPI documents of the backends in one version, fetched while clients read them: a reader waits for backends at
 * most once, and never for one that is down.
 *
 * Owns:     the last good document of each remote group version.
 * Callers:  app/run/aggregator-controllers.ts runs one per version over the names of APIServices; openapi-endpoint.ts reads.
 */
import type { APIService } from '../../../api/apiservice.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import type { Informer } from '../../../client/informer.ts'
import type { Transport } from '../../../client/transport.ts'
import { onSpecChange } from '../../../client/on-spec-change.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import { Backoff } from '../../../lib/backoff.ts'
import type { Clock } from '../../../lib/clock.ts'
import { Deferred } from '../../../lib/deferred.ts'
import { Publisher } from '../../../lib/published.ts'
import { textOf } from '../../../lib/shared-bytes.ts'
import { Turns } from '../../../lib/turns.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { AvailabilityView } from '../registrations/availability-view.ts'
import type { Backend } from '../backends/backend.ts'
import type { ConditionWriter } from '../registrations/condition-writer.ts'
import { readShared } from '../discovery/discovery-downloads.ts'
import type { DocumentSource } from '../backends/document-source.ts'
import type { ReadDocuments, RemoteDocument } from '../../../endpoints/openapi/openapi-source.ts'
import type { Part, RunOpenApiWork } from './openapi-work.ts'
import { INDEX, readListed } from './listed-document.ts'
import { documentUrl } from './read-openapi.ts'

const REFRESH_MS = 60_000
/** What a reader is given was looked at no longer ago than this when the reader before came: news show within 10 s. */
const FRESH_MS = 8_000
/** How often readers make us look which that are. */
const LOOK_MS = 1_000
/** Until a backend that publishes none is asked again. */
const NONE_REFRESH_MS = 3_600_000
const NO_OPENAPI = 'NoOpenAPI'
const RETRY = { baseMs: 1000, maxMs: 60_000 }
const DOWNLOAD_TIMEOUT_MS = 60_000
/** All at once would have the main thread take in more per turn of its event loop than others should wait for. */
const AT_ONCE = 4
/** A backend that takes longer is no longer counted. */
const TURN_MS = 250

interface Downloaded extends RemoteDocument {
  /** What tells that a server has nothing newer; empty: nothing does. */
  readonly validator: string
}
type Answer = { readonly kind: 'same' | 'none' } | { readonly kind: 'part'; readonly part: Part; validator: string }

export interface DescribedBackend extends Pick<Backend, 'available' | 'isRemote' | 'sources'> {
  readonly policy: Pick<Backend['policy'], 'openApi'>
}
export interface OpenApiDownloadOptions {
  readonly version: 'v3' | 'v2'
  readonly informer: Pick<Informer<APIService>, 'lister' | 'addHandler'>
  readonly backendOf: (group: string, version: string) => DescribedBackend | undefined
  /** Calls back with each APIService whose backend is another one. */
  readonly onNewBackend: (changed: (apiService: APIService) => void) => void
  readonly queue: WorkQueue
  readonly view: Pick<AvailabilityView, 'subscribe'>
  readonly conditions: Pick<ConditionWriter, 'want' | 'wantFalse'>
  readonly transportTo: (source: Pick<DocumentSource, 'direct'>) => Transport
  /** What this process serves of a group version, JSON. @param key `apis/apps/v1`. */
  readonly local: (key: string) => Uint8Array | undefined
  readonly run: RunOpenApiWork
  readonly clock: Clock
  readonly log: Logger
}

export class OpenApiDownloads implements Reconciler, ReadDocuments {
  /** By name of the APIService. A new map with each change. */
  readonly documents = new Publisher<ReadonlyMap<string, Downloaded>>(new Map())
  readonly #o: OpenApiDownloadOptions
  readonly #turns: Turns
  readonly #backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
  /** Backends without any document -> monotonic ms until which they are not asked again. Outlives the readers. */
  readonly #none = new Map<string, number>()
  /** Not asked yet since the first reader came; undefined: no client reads. */
  #unasked: Set<string> | undefined
  #allAsked = new Deferred()
  /** Monotonic ms when each document was looked at last. */
  readonly #lookedAtMs = new Map<string, number>()
  #sweptMs = 0

  constructor(o: OpenApiDownloadOptions) {
    this.#o = o
    this.#turns = new Turns({ atOnce: AT_ONCE, maxMs: TURN_MS, clock: o.clock })
    const changed = (name: string): void => {
      this.#none.delete(name)
      if (this.#unasked) o.queue.add(name)
    }
    const wake = (a: APIService): void => changed(a.metadata.name!)
    onSpecChange(o.informer, wake)
    o.view.subscribe(changed)
    o.onNewBackend(wake)
  }

  begin(): Promise<unknown> {
    this.#unasked = new Set(this.#o.informer.lister.list().map((a) => a.metadata.name!))
    this.#allAsked = new Deferred()
    for (const name of this.#unasked) this.#o.queue.add(name)
    this.#asked('')
    return this.#allAsked.promise
  }
  again(): void {
    const nowMs = this.#o.clock.monotonicMs()
    if (nowMs - this.#sweptMs < LOOK_MS) return
    this.#sweptMs = nowMs
    for (const [name, atMs] of this.#lookedAtMs) if (nowMs - atMs >= FRESH_MS) this.#o.queue.add(name)
  }
  end(): void {
    this.#lookedAtMs.clear()
    this.#unasked = undefined
    this.#allAsked.resolve()
    if (this.documents.value.size > 0) this.documents.publish(new Map())
  }
  #asked(name: string): void {
    this.#unasked?.delete(name)
    if (this.#unasked?.size === 0) this.#allAsked.resolve()
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    if (!this.#unasked) return DONE
    try {
      return await this.#refresh(name, signal)
    } finally {
      this.#asked(name)
    }
  }
  async #refresh(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { group = '', version = '', service } = this.#o.informer.lister.get(name)?.spec ?? {}
    const backend = this.#o.backendOf(group, version)
    const isLocal = !backend || (!backend.isRemote && backend.sources.length === 1)
    if ((!service && isLocal) || backend?.policy.openApi === false) {
      this.#set(name, undefined)
      this.#lookedAtMs.delete(name)
      this.#backoff.forget(name)
      return DONE
    }
    const noneForMs = (this.#none.get(name) ?? 0) - this.#o.clock.monotonicMs()
    if (noneForMs > 0) return { kind: 'requeue', afterMs: noneForMs }
    // A backend that is down is asked again when its availability changes.
    if (!backend?.available) return { kind: 'requeue', afterMs: this.#backoff.next(name) }
    const key = group === '' ? `api/${version}` : `apis/${group}/${version}`
    using _turn = await this.#turns.take()
    const timeout = new AbortController()
    const cancel = this.#o.clock.after(DOWNLOAD_TIMEOUT_MS, () => timeout.abort())
    try {
      const known = this.documents.value.get(name)
      const ending = AbortSignal.any([signal, timeout.signal])
      const found = await this.#download(backend.sources, { key, known, signal: ending })
      this.#set(name, found)
      this.#backoff.forget(name)
      if (this.#unasked && found.document) this.#lookedAtMs.set(name, this.#o.clock.monotonicMs())
      else this.#lookedAtMs.delete(name)
      if (found.document) this.#none.delete(name)
      else this.#none.set(name, this.#o.clock.monotonicMs() + NONE_REFRESH_MS)
      if (this.#o.version === 'v3') this.#tellNone(name, !found.document)
      return { kind: 'requeue', afterMs: found.document ? REFRESH_MS : NONE_REFRESH_MS }
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

  /** A backend without any document is asked seldom, and says so once. */
  #tellNone(name: string, isNone: boolean): void {
    const apiService = this.#o.informer.lister.get(name)
    if (!apiService) return
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
  }

  /** Where several servers share the group version: of each the paths of its own resources. */
  async #download(sources: readonly DocumentSource[], o: Wanted): Promise<Downloaded> {
    const alone = sources.length === 1
    const answers = await Promise.all(
      sources.map(async (source): Promise<Answer> => {
        const answer = source.isLocal
          ? this.#ownPart(o.key)
          : await this.#ask(this.#o.transportTo(source), alone ? o : { ...o, known: undefined })
        const share = alone ? undefined : source.share
        return answer.kind === 'part' ? { ...answer, part: { ...answer.part, share } } : answer
      }),
    )
    const [first] = answers
    if (first?.kind === 'same') return o.known!
    const parts = answers.flatMap((a) => (a.kind === 'part' ? [a.part] : []))
    const validator = alone && first?.kind === 'part' ? first.validator : ''
    const document = parts.length === 0 ? undefined : await this.#o.run(this.#o.version, { key: o.key, parts })
    return { key: o.key, validator, document }
  }
  #ownPart(key: string): Answer {
    const body = this.#o.version === 'v3' ? this.#o.local(key) : undefined
    return body ? { kind: 'part', part: { body, form: 'v3' }, validator: '' } : { kind: 'none' }
  }
  async #ask(transport: Transport, { key, known, signal }: Wanted): Promise<Answer> {
    const get = async (path: string, etag = ''): Promise<{ status: number; body: Uint8Array; etag: string }> => {
      const headers = { accept: 'application/json', ...(etag === '' ? {} : { 'if-none-match': etag }) }
      const response = await transport({ method: 'GET', path, headers, signal })
      const body = await readShared(response)
      // A redirect leads to the document of another hash.
      const isTold = [200, 301, 302, 307, 308, 404].includes(response.status)
      if (!isTold && (etag === '' || response.status !== 304)) throw new Error(`${path}: bad status ${response.status}`)
      return { status: response.status, body, etag: response.headers['etag'] ?? '' }
    }
    if (this.#o.version === 'v3') {
      const index = await get(INDEX)
      const url = index.status === 200 ? documentUrl(textOf(index.body), key) : undefined
      // The hash in it is of the document.
      if (url?.includes('?hash=') && url === known?.validator) return { kind: 'same' }
      const found = url === undefined ? undefined : await readListed({ key, url, get })
      if (found) {
        const validator = found.isCertain ? found.url : ''
        return { kind: 'part', part: { body: found.body, form: 'v3' }, validator }
      }
    }
    const etag = known?.document && !known.validator.startsWith('/') ? known.validator : ''
    const { status, body, etag: validator } = await get('/openapi/v2', etag)
    if (status === 304) return { kind: 'same' }
    return status === 200 ? { kind: 'part', part: { body, form: 'v2' }, validator } : { kind: 'none' }
  }

  #set(name: string, found: Downloaded | undefined): void {
    if (!this.#unasked) return
    const before = this.documents.value.get(name)
    if (before === found) return
    const isNews = before?.key !== found?.key || before?.document?.etag !== found?.document?.etag
    const next = new Map(this.documents.value)
    // The same object for the same bytes: what was made of it holds.
    if (found) next.set(name, isNews ? found : { ...found, document: before?.document })
    else next.delete(name)
    this.documents.publish(next)
  }
}

interface Wanted {
  readonly key: string
  readonly known: Downloaded | undefined
  readonly signal: AbortSignal
}
