/**
 * Keeps what each backend offers in memory, so that discovery is never answered by asking a backend.
 *
 * Owns:     one document per service, shared by the APIServices that name it, and what was last known of each group version.
 * Callers:  wire-aggregator runs it as a controller over the names of APIServices; aggregator.ts publishes `groups`.
 *
 * A backend that cannot be asked keeps its last known resources, marked Stale.
 */
import { isDeepStrictEqual } from 'node:util'
import type { APIService } from '../../api/apiservice.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../client/controller.ts'
import type { Informer } from '../../client/informer.ts'
import type { Transport, TransportResponse } from '../../client/transport.ts'
import type { WorkQueue } from '../../client/work-queue.ts'
import { sortGroups } from '../../endpoints/discovery.ts'
import type { GroupDiscovery, ResourceDiscovery, VersionDiscovery } from '../../endpoints/discovery-types.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import { Deferred } from '../../lib/deferred.ts'
import { Publisher, type Published } from '../../lib/published.ts'
import type { Logger } from '../../observability/logger.ts'
import type { APIServiceTable } from './apiservice-table.ts'
import type { AvailabilityView } from './availability-view.ts'
import type { Backend } from './backend.ts'
import { readAggregated, readResourceList } from './read-discovery.ts'

const REFRESH_MS = 60_000
const FETCH_TIMEOUT_MS = 5000
/** How long the server waits for its backends' documents before it is ready all the same. */
const INITIAL_PASS_MS = 2000
const RETRY = { baseMs: 500, maxMs: 60_000 }
const MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
export const ACCEPT_V2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

interface ServiceDocument {
  readonly etag: string | undefined
  /** Monotonic ms, of before the request. */
  readonly fetchedMs: number
  /** `group/version` to resources. */
  readonly versions: ReadonlyMap<string, readonly ResourceDiscovery[]>
}
interface Known {
  readonly resources: readonly ResourceDiscovery[]
  readonly freshness: 'Current' | 'Stale'
}

export interface DiscoveryManagerOptions {
  readonly informer: Informer<APIService>
  readonly table: Published<APIServiceTable>
  readonly queue: WorkQueue
  readonly view: AvailabilityView
  readonly transportTo: (backend: Backend) => Transport
  readonly clock: Clock
  readonly log: Logger
}

export class DiscoveryManager implements Reconciler {
  /** Of remote group versions only. */
  readonly groups = new Publisher<readonly GroupDiscovery[]>([])
  /** Every remote group version that was stored at the start has an entry, fresh or stale. */
  readonly initiated = new Deferred()
  readonly #o: DiscoveryManagerOptions
  readonly #backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
  readonly #documents = new Map<string, ServiceDocument>()
  /** By service: who asks meanwhile waits for the same answer. */
  readonly #asking = new Map<string, { startedMs: number; document: Promise<ServiceDocument | undefined> }>()
  readonly #known = new Map<string, Known>()
  readonly #dirtyMs = new Map<string, number>()
  #pending: Set<string> | undefined
  #publishing = false

  constructor(o: DiscoveryManagerOptions) {
    this.#o = o
    const wake = (a: APIService): void => this.#wake(a.metadata.name!)
    o.informer.addHandler({
      added: wake,
      updated: (before, after) => {
        if (before.metadata.uid !== after.metadata.uid || !isDeepStrictEqual(before.spec, after.spec)) wake(after)
      },
      deleted: wake,
    })
    // It became reachable: what it offers may be news.
    o.view.subscribe((name) => this.#wake(name))
  }

  /** Call once when the table is complete. A backend that does not answer holds up readiness only for a while. */
  begin(): void {
    this.#pending = new Set(
      [...this.#o.table.value.entries].filter((e) => e.backend).map((e) => e.apiService.metadata.name!),
    )
    for (const name of this.#pending) {
      if (!this.#known.has(name)) this.#known.set(name, { resources: [], freshness: 'Stale' })
      this.#o.queue.add(name)
    }
    if (this.#pending.size === 0) return this.initiated.resolve()
    this.#publish()
    const cancel = this.#o.clock.after(INITIAL_PASS_MS, () => this.initiated.resolve())
    void this.initiated.promise.then(cancel)
  }

  #wake(name: string): void {
    this.#dirtyMs.set(name, this.#o.clock.monotonicMs())
    this.#o.queue.add(name)
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const apiService = this.#o.informer.lister.get(name)
    const { group = '', version = '', service } = apiService?.spec ?? {}
    if (!apiService || !service) {
      this.#forget(name)
      return DONE
    }
    const backend = this.#o.table.value.get(group, version)?.backend
    if (!backend) return { kind: 'requeue', afterMs: 20 }
    const resources = await this.#fetch(backend, name, group, version, signal)
    if (signal.aborted) return DONE
    const before = this.#known.get(name)
    this.#known.set(
      name,
      resources ? { resources, freshness: 'Current' } : { resources: before?.resources ?? [], freshness: 'Stale' },
    )
    this.#settle(name)
    this.#publishSoon()
    if (!resources) return { kind: 'requeue', afterMs: this.#backoff.next(name) }
    this.#backoff.forget(name)
    return { kind: 'requeue', afterMs: REFRESH_MS }
  }

  #forget(name: string): void {
    this.#dirtyMs.delete(name)
    this.#backoff.forget(name)
    const used = new Set([...this.#o.table.value.entries].flatMap((e) => (e.backend ? [serviceKey(e.backend)] : [])))
    for (const key of this.#documents.keys()) if (!used.has(key)) this.#documents.delete(key)
    if (this.#known.delete(name)) this.#publishSoon()
    this.#settle(name)
  }
  #settle(name: string): void {
    this.#pending?.delete(name)
    if (this.#pending?.size === 0) this.initiated.resolve()
  }

  /** @returns undefined where the backend could not be asked. */
  async #fetch(
    backend: Backend,
    name: string,
    group: string,
    version: string,
    signal: AbortSignal,
  ): Promise<readonly ResourceDiscovery[] | undefined> {
    const timeout = new AbortController()
    const cancel = this.#o.clock.after(FETCH_TIMEOUT_MS, () => timeout.abort(new Error('context deadline exceeded')))
    const both = AbortSignal.any([signal, timeout.signal])
    try {
      const document = await this.#documentOf(backend, name, both)
      const listed = document?.versions.get(`${group}/${version}`)
      // Servers that add a group version by hand often list it in the legacy form alone.
      return listed ?? (await this.#legacy(backend, group, version, both))
    } catch (error) {
      if (!signal.aborted) this.#o.log.verbose?.('discovery of a backend failed', { apiService: name, error })
      return undefined
    } finally {
      cancel()
    }
  }

  /** @returns undefined where the backend has no aggregated discovery. */
  #documentOf(backend: Backend, name: string, signal: AbortSignal): Promise<ServiceDocument | undefined> {
    const key = serviceKey(backend)
    const known = this.#documents.get(key)
    const nowMs = this.#o.clock.monotonicMs()
    const dirtyMs = this.#dirtyMs.get(name) ?? 0
    if (known && known.fetchedMs > dirtyMs && nowMs - known.fetchedMs < REFRESH_MS / 2) return Promise.resolve(known)
    const asking = this.#asking.get(key)
    if (asking && asking.startedMs >= dirtyMs) return asking.document
    const mine = { startedMs: nowMs, document: this.#download(backend, key, signal) }
    this.#asking.set(key, mine)
    const done = (): void => {
      if (this.#asking.get(key) === mine) this.#asking.delete(key)
    }
    mine.document.then(done, done)
    return mine.document
  }

  async #download(backend: Backend, key: string, signal: AbortSignal): Promise<ServiceDocument | undefined> {
    const known = this.#documents.get(key)
    const fetchedMs = this.#o.clock.monotonicMs()
    const headers: Record<string, string> = {
      accept: ACCEPT_V2,
      ...(known?.etag === undefined ? {} : { 'if-none-match': known.etag }),
    }
    const response = await this.#o.transportTo(backend)({ method: 'GET', path: '/apis', headers, signal })
    const body = await readAll(response)
    if (response.status === 304 && known) {
      const renewed = { ...known, fetchedMs }
      this.#documents.set(key, renewed)
      return renewed
    }
    if (response.status === 503) throw new Error('the backend is unavailable')
    if (response.status !== 200 || !isAggregated(response.headers['content-type'])) return undefined
    const document: ServiceDocument = { etag: response.headers['etag'], fetchedMs, versions: readAggregated(body) }
    this.#documents.set(key, document)
    return document
  }

  async #legacy(
    backend: Backend,
    group: string,
    version: string,
    signal: AbortSignal,
  ): Promise<readonly ResourceDiscovery[]> {
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    const response = await this.#o.transportTo(backend)({
      method: 'GET',
      path,
      headers: { accept: 'application/json' },
      signal,
    })
    const body = await readAll(response)
    if (response.status !== 200) throw new Error(`${path}: bad status ${response.status}`)
    return readResourceList(body, group, version)
  }

  /** Once per turn of the event loop: many backends answer at once at the start. */
  #publishSoon(): void {
    if (this.#publishing) return
    this.#publishing = true
    setImmediate(() => {
      this.#publishing = false
      this.#publish()
    })
  }

  #publish(): void {
    const groups = new Map<string, VersionDiscovery[]>()
    for (const { apiService, group, version } of this.#o.table.value.entries) {
      const known = this.#known.get(apiService.metadata.name!)
      if (!known) continue
      const list = groups.get(group) ?? []
      groups.set(group, list)
      const { groupPriorityMinimum, versionPriority } = apiService.spec
      list.push({ version, ...known, groupPriority: groupPriorityMinimum, versionPriority })
    }
    this.groups.publish(sortGroups([...groups].map(([group, versions]) => ({ group, versions }))))
  }
}

const serviceKey = (backend: Backend): string => backend.documentKey

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
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    size += chunk.byteLength
    if (size > MAX_DOCUMENT_BYTES) throw new Error(`the document is larger than ${MAX_DOCUMENT_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
