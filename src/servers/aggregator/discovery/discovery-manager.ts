/**
 * Keeps what each backend offers in memory, so that discovery is never answered by asking a backend.
 *
 * Owns:     what was last known of each remote group version, also across restarts (discovery-cache.ts).
 * Callers:  app/ runs it as a controller over the names of APIServices; aggregator.ts publishes `groups`.
 * Not here: how a backend is asked (discovery-downloads.ts).
 *
 * A backend that cannot be asked keeps its last known resources, marked Stale; a policy may have it otherwise.
 */
import { isDeepStrictEqual } from 'node:util'
import type { APIService } from '../../../api/apiservice.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import type { Informer } from '../../../client/informer.ts'
import type { Transport } from '../../../client/transport.ts'
import { onSpecChange } from '../../../client/on-spec-change.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import { sortGroups } from '../../../endpoints/discovery.ts'
import type { GroupDiscovery, ResourceDiscovery, VersionDiscovery } from '../../../endpoints/discovery-types.ts'
import { Backoff } from '../../../lib/backoff.ts'
import type { Clock } from '../../../lib/clock.ts'
import { Deferred } from '../../../lib/deferred.ts'
import { Publisher, type Published } from '../../../lib/published.ts'
import type { Logger } from '../../../observability/logger.ts'
import { type APIServiceTable, onNewBackend } from '../registrations/apiservice-table.ts'
import type { AvailabilityView } from '../registrations/availability-view.ts'
import type { ConditionWriter } from '../registrations/condition-writer.ts'
import type { CachedDiscovery, DiscoveryCache } from './discovery-cache.ts'
import type { DocumentSource } from '../backends/document-source.ts'
import { DiscoveryDownloads, type Offer } from './discovery-downloads.ts'

const REFRESH_MS = 60_000
/** How long the server waits for the documents of backends it knows nothing of, before it is ready all the same. */
const INITIAL_PASS_MS = 1500
const RETRY = { baseMs: 500, maxMs: 60_000 }
const MISMATCH = 'DiscoveryMismatch'
const NOTHING: Known = { resources: [], isCurrent: false, goodAtMs: undefined }

export interface Known {
  readonly resources: readonly ResourceDiscovery[]
  readonly isCurrent: boolean
  /** Ms since the epoch, when the backend last said so. */
  readonly goodAtMs: number | undefined
}
/** While a backend is unavailable: as it was last, marked Stale; not at all; or 503 and an empty list, marked Stale. */
export type OnUnavailable = 'ServeStale' | 'Omit' | 'Fail'

export interface DiscoveryManagerOptions {
  readonly informer: Pick<Informer<APIService>, 'lister' | 'addHandler'>
  readonly table: Published<APIServiceTable>
  readonly queue: WorkQueue
  readonly view: AvailabilityView
  readonly conditions: Pick<ConditionWriter, 'want' | 'wantFalse'>
  readonly cache: DiscoveryCache
  readonly onUnavailable: (apiService: APIService) => OnUnavailable
  readonly transportTo: (source: Pick<DocumentSource, 'direct'>) => Transport
  readonly clock: Clock
  readonly log: Logger
}

export class DiscoveryManager implements Reconciler {
  /** The groups of remote group versions only. */
  readonly groups = new Publisher<readonly GroupDiscovery[]>([])
  /** Every remote group version that was stored at the start has an entry, fresh or stale. */
  readonly initiated = new Deferred()
  readonly #o: DiscoveryManagerOptions
  readonly #downloads: DiscoveryDownloads
  readonly #backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
  /** By name of the APIService. */
  readonly #known = new Map<string, Known>()
  readonly #dirtyMs = new Map<string, number>()
  /** `group/version` of those that are left out of all lists. */
  #omitted: ReadonlySet<string> = new Set()
  #pending: Set<string> | undefined
  #publishing = false

  constructor(o: DiscoveryManagerOptions) {
    this.#o = o
    this.#downloads = new DiscoveryDownloads(o)
    const wake = (a: APIService): void => this.#wake(a.metadata.name!)
    onSpecChange(o.informer, wake)
    o.view.subscribe((name) => {
      this.#publishSoon()
      // It became reachable: what it offers may be news.
      this.#wake(name)
    })
    o.table.subscribe(() => this.#publishSoon())
    onNewBackend(o.table, wake)
  }
  /** Entries kept, of all kinds. */
  get size(): number {
    return this.#known.size + this.#dirtyMs.size + this.#downloads.size
  }
  /** Whether a group version is to be seen in no list now. */
  isOmitted(group: string, version: string): boolean {
    return this.#omitted.has(`${group}/${version}`)
  }
  /** What is known of an APIService: when its backend last told, and whether that holds now. */
  state(name: string): Known {
    return this.#known.get(name) ?? NOTHING
  }

  /**
   * Call once when the table is complete, before the controller runs. What the cache knows holds up nothing; a backend
   * that is not in it holds up readiness for a while.
   */
  async begin(): Promise<void> {
    const cached = await this.#o.cache.load()
    this.#pending = new Set()
    for (const { apiService, backend, group, version } of this.#o.table.value.entries) {
      if (!backend) continue
      const name = apiService.metadata.name!
      const found = cached.get(name)
      if (found?.group === group && found.version === version)
        this.#known.set(name, { resources: found.resources, isCurrent: false, goodAtMs: found.goodAtMs })
      else {
        this.#known.set(name, NOTHING)
        this.#pending.add(name)
      }
      this.#o.queue.add(name)
    }
    this.#publish()
    if (this.#pending.size === 0) return this.initiated.resolve()
    const cancel = this.#o.clock.after(INITIAL_PASS_MS, () => this.initiated.resolve())
    void this.initiated.promise.then(cancel)
  }

  #wake(name: string): void {
    this.#dirtyMs.set(name, this.#o.clock.monotonicMs())
    this.#o.queue.add(name)
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const apiService = this.#o.informer.lister.get(name)
    if (!apiService) {
      this.#forget(name)
      return DONE
    }
    const { group = '', version = '', service } = apiService.spec
    const backend = this.#o.table.value.get(group, version)?.backend
    // Where routes take single resources elsewhere, the rest is told by this process.
    if (!backend || (!backend.isRemote && backend.sources.length === 1)) {
      this.#forget(name)
      // The table is a step behind.
      return service && !backend ? { kind: 'requeue', afterMs: 20 } : DONE
    }
    const notBeforeMs = this.#dirtyMs.get(name) ?? 0
    const offer = await this.#downloads.fetch({ backend, group, version, notBeforeMs, signal })
    if (signal.aborted || this.#o.informer.lister.get(name)?.metadata.uid !== apiService.metadata.uid) return DONE
    this.#learn(apiService, offer)
    this.#settle(name)
    if (offer.kind !== 'resources') return { kind: 'requeue', afterMs: this.#backoff.next(name) }
    this.#backoff.forget(name)
    return { kind: 'requeue', afterMs: REFRESH_MS }
  }

  #learn(apiService: APIService, offer: Offer): void {
    const name = apiService.metadata.name!
    const before = this.#known.get(name) ?? NOTHING
    if (offer.kind === 'resources') {
      const same = isDeepStrictEqual(before.resources, offer.resources)
      const resources = same ? before.resources : offer.resources
      this.#known.set(name, { resources, isCurrent: true, goodAtMs: this.#o.clock.now() })
      this.#o.cache.change(() => this.#cached(), { onlyTimes: same && before.goodAtMs !== undefined })
      if (!same || !before.isCurrent) this.#publishSoon()
    } else {
      const error = offer.kind === 'failed' ? offer.error : offer.message
      this.#o.log.verbose?.('discovery of a backend failed', { apiService: name, error })
      if (before.isCurrent || !this.#known.has(name)) this.#publishSoon()
      this.#known.set(name, { ...before, isCurrent: false })
    }
    this.#tellMismatch(apiService, offer)
  }

  /** A backend that cannot be asked leaves the condition as it is. */
  #tellMismatch(apiService: APIService, offer: Offer): void {
    if (offer.kind === 'failed') return
    if (offer.kind === 'mismatch') {
      const { reason, message } = offer
      return this.#o.conditions.want(apiService, { type: MISMATCH, status: 'True', reason, message })
    }
    const message = "the backend's own discovery holds the group version"
    this.#o.conditions.wantFalse(apiService, { type: MISMATCH, reason: 'GroupVersionFound', message })
  }

  #forget(name: string): void {
    this.#dirtyMs.delete(name)
    this.#backoff.forget(name)
    this.#downloads.keepOnly([...this.#o.table.value.entries].flatMap((e) => e.backend ?? []))
    if (this.#known.delete(name)) {
      this.#publishSoon()
      this.#o.cache.change(() => this.#cached(), { onlyTimes: false })
    }
    this.#settle(name)
  }
  #settle(name: string): void {
    this.#pending?.delete(name)
    if (this.#pending?.size === 0) this.initiated.resolve()
  }

  *#cached(): Generator<CachedDiscovery> {
    for (const { apiService, group, version } of this.#o.table.value.entries) {
      const name = apiService.metadata.name!
      const { resources, goodAtMs } = this.#known.get(name) ?? NOTHING
      if (goodAtMs !== undefined) yield { name, group, version, goodAtMs, resources }
    }
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
    const omitted = new Set<string>()
    for (const { apiService, group, version } of this.#o.table.value.entries) {
      const known = this.#known.get(apiService.metadata.name!)
      if (!known) continue
      const isUp = this.#o.view.isAvailable(apiService)
      const policy = isUp ? 'ServeStale' : this.#o.onUnavailable(apiService)
      if (policy === 'Omit') {
        omitted.add(`${group}/${version}`)
        continue
      }
      const list = groups.get(group) ?? []
      groups.set(group, list)
      const { groupPriorityMinimum, versionPriority } = apiService.spec
      list.push({
        version,
        resources: policy === 'Fail' ? [] : known.resources,
        freshness: isUp && known.isCurrent ? 'Current' : 'Stale',
        goodAtMs: known.goodAtMs,
        groupPriority: groupPriorityMinimum,
        versionPriority,
      })
    }
    this.#omitted = omitted
    this.groups.publish(sortGroups([...groups].map(([group, versions]) => ({ group, versions }))))
  }
}
