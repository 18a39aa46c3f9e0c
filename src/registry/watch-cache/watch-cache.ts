/**
 * The current objects of one resource and their latest changes, kept up to date from the storage: what gets, lists
 * and watches are served from.
 *
 * Owns:     one list and one watch of the storage, from the first use or start() on; released by [Symbol.asyncDispose].
 * Callers:  registry/ and endpoints/, which turn WatchCacheError into a Status.
 * Not here: selectors (a Predicate), encoding (CacheItem.encoded), bookmarks' timing (endpoints/watch).
 *
 *   idle --start()--> filling --> watching --unavailable--> (back-off) --> watching
 *                        ^------- compacted ------'
 */
import { Backoff } from '../../lib/backoff.ts'
import { type Cancel, type Clock, sleep } from '../../lib/clock.ts'
import { Deferred } from '../../lib/deferred.ts'
import type { Logger } from '../../observability/logger.ts'
import { type Batch, type Revision, type Storage, StorageError } from '../../storage/storage.ts'
import { askForProgress, type Filled, fill } from './cache-fill.ts'
import type { CacheItem, Decode, Predicate, Restamp } from './cache-item.ts'
import { CacheState } from './cache-state.ts'
import { type CorruptKey, Decoder, hasValue, type Items, RETRY } from './decoder.ts'
import { History, KEPT_MS, MOST_EVENTS } from './history.ts'
import type { ListQuery, Page } from './item-index.ts'
import { RevisionGate } from './revision-gate.ts'
import { type Scope, type Sink, type Subscription, Subscriptions } from './subscriptions.ts'
import { WatchCacheError } from './watch-cache-error.ts'
import type { BoundWatchCacheMetrics } from './watch-cache-metrics.ts'

export interface WatchCacheOptions<T> {
  readonly storage: Storage
  /** Of all keys of the resource; ends with `/`. */
  readonly prefix: string
  /** A key whose value is Undecodable is left out of lists and listed in `corrupt`. */
  readonly decode: Decode<T>
  readonly restamp: Restamp<T>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: BoundWatchCacheMetrics
  /** Most events of history. Default 102,400; fewer when they are older than 75 s. */
  readonly historyLimit?: number
}

export interface CacheList<T> extends Page<T> {
  readonly revision: Revision
}
/** What a read needs: nothing for any state; else at least a revision, or exactly one. */
export interface ReadOptions {
  readonly minRevision?: Revision
  readonly signal?: AbortSignal
}

/** Source: Kubernetes v1.35, cacher: blockTimeout. */
const WAIT_MS = 3000
/** Of all resources, when the cache is filled: what a minute brings at 500 writes a second. */
const MOST_REPLAYED = 30_000

export class WatchCache<T> implements AsyncDisposable {
  readonly #o: WatchCacheOptions<T>
  readonly #gate: RevisionGate
  readonly #history: History<T>
  readonly #subscriptions: Subscriptions<T>
  readonly #abort = new AbortController()
  readonly #decoder: Decoder<T>
  readonly #ready = new Deferred()
  #state: CacheState<T>
  #running: Promise<void> | undefined
  #startedMs = 0
  #cancelTrim: Cancel | undefined

  constructor(o: WatchCacheOptions<T>) {
    this.#o = o
    this.#decoder = new Decoder(o, this.#abort.signal)
    this.#state = new CacheState(o.restamp)
    this.#gate = new RevisionGate(o.clock)
    this.#history = new History(o.historyLimit ?? MOST_EVENTS)
    this.#subscriptions = new Subscriptions(this.#history, o.metrics, () => this.#gate.current)
    o.metrics.capacity.set(o.historyLimit ?? MOST_EVENTS)
  }

  /** Begins to fill the cache; reads do so by themselves. */
  start(): void {
    if (this.#running) return
    this.#startedMs = this.#o.clock.monotonicMs()
    this.#running = this.#run(this.#abort.signal)
  }
  /** Resolves after the first list. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }
  get isReady(): boolean {
    return this.#ready.settled
  }
  /** Everything of this resource up to this revision is here. */
  get revision(): Revision {
    return this.#gate.current
  }
  /** The oldest revision that a watch can start after, or an exact list be of. */
  get oldestRevision(): Revision {
    return this.#history.completeAfter
  }
  get size(): number {
    return this.#state.index.size
  }
  get watchers(): number {
    return this.#subscriptions.size
  }
  /** False: a read that must be up to date has to ask the storage itself. */
  get provesFreshness(): boolean {
    return this.#o.storage.freshness !== 'unproven'
  }
  /** Keys whose value cannot be decoded, under a prefix. */
  corrupt(prefix: string): CorruptKey[] {
    return [...this.#state.corrupt.values()].filter((c) => c.key.startsWith(prefix))
  }

  /** The item now, without waiting for anything. */
  peek(key: string): CacheItem<T> | undefined {
    return this.#state.index.get(key)
  }

  /** @throws WatchCacheError too-large, not-ready. */
  async get(key: string, o: ReadOptions = {}): Promise<{ item: CacheItem<T> | undefined; revision: Revision }> {
    await this.reach(o.minRevision ?? 0, o.signal)
    return { item: this.#state.index.get(key), revision: this.#gate.current }
  }

  /** @param o.exact the state as it was then. @throws WatchCacheError too-large, too-old (of exact), not-ready. */
  async list(prefix: string, o: ReadOptions & ListQuery<T> & { exact?: Revision } = {}): Promise<CacheList<T>> {
    await this.reach(o.exact ?? o.minRevision ?? 0, o.signal)
    if (o.exact === undefined) return { ...this.#state.index.list(prefix, o), revision: this.#gate.current }
    this.#refuseOld(o.exact)
    return { ...this.#state.index.listAt(prefix, o.exact, this.#history, o), revision: o.exact }
  }

  /** Waits up to 3 s for the first list, and up to 3 s for a revision. @throws WatchCacheError too-large, not-ready. */
  async reach(revision: Revision, signal?: AbortSignal): Promise<void> {
    const { signal: closed } = this.#abort
    if (closed.aborted) throw this.#notReady()
    if (this.isReady && revision <= this.#gate.current) return
    const either = signal ? AbortSignal.any([signal, closed]) : closed
    const startMs = this.#o.clock.monotonicMs()
    try {
      if (!this.isReady) await this.#untilReady(either)
      await this.#gate.wait(revision, WAIT_MS, either)
    } catch (e) {
      // Its resource is served no more: what comes next finds that out.
      throw closed.aborted ? this.#notReady() : e
    } finally {
      this.#o.metrics.readWaitSeconds.observe((this.#o.clock.monotonicMs() - startMs) / 1000)
    }
  }

  /**
   * Waits until the cache has everything that was written before the call; a read after it is linearizable.
   * Only where provesFreshness. @throws WatchCacheError too-large, not-ready; StorageError.
   */
  async reachCurrent(signal?: AbortSignal): Promise<Revision> {
    const revision = await this.#o.storage.currentRevision()
    if (this.isReady && revision <= this.#gate.current) return revision
    const stop = askForProgress(this.#o)
    try {
      await this.reach(revision, signal)
      this.#o.metrics.consistentRead(true)
      return revision
    } catch (error) {
      this.#o.metrics.consistentRead(false)
      throw error
    } finally {
      stop()
    }
  }

  /**
   * Follows changes. Call when the cache is ready; to follow from a revision of the future, reach() it first.
   * @param o.after changes after this revision; absent: the current objects as ADDED, then Sink.synced, then changes.
   * @throws WatchCacheError too-old, not-ready.
   */
  subscribe(o: { scope: Scope; after?: Revision; matches?: Predicate<T> }, sink: Sink<T>): Subscription {
    if (!this.isReady) throw this.#notReady()
    const revision = o.after ?? this.#gate.current
    this.#refuseOld(revision)
    const initial = o.after === undefined ? this.#initial(o.scope, o.matches) : undefined
    const sequence = this.#history.sequenceAfter(revision)
    return this.#subscriptions.add({ scope: o.scope, matches: o.matches, initial, sequence, revision }, sink)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    this.#cancelTrim?.()
    this.#subscriptions.endAll('closed')
    await this.#running
  }

  #initial(scope: Scope, matches: Predicate<T> | undefined): readonly CacheItem<T>[] {
    if ('prefix' in scope) return this.#state.index.list(scope.prefix, matches ? { matches } : {}).items
    const item = this.#state.index.get(scope.key)
    return item && (!matches || matches(item)) ? [item] : []
  }

  #refuseOld(revision: Revision): void {
    const oldest = this.#history.completeAfter
    if (revision >= oldest) return
    const message = `too old resource version: ${revision} (${oldest})`
    throw new WatchCacheError('too-old', message, { requested: revision, available: oldest })
  }

  /** Source of the wait that clients are told: Kubernetes v1.35, cacher: exp(0.06 * downtime in s), 1 to 30. */
  #notReady(): WatchCacheError {
    const downSeconds = this.#running ? (this.#o.clock.monotonicMs() - this.#startedMs) / 1000 : 0
    const retryAfterSeconds = Math.ceil(Math.min(30, Math.max(1, Math.exp(0.06 * downSeconds))))
    return new WatchCacheError('not-ready', 'storage is (re)initializing', { retryAfterSeconds })
  }

  async #untilReady(signal: AbortSignal): Promise<void> {
    this.start()
    const stop = new AbortController()
    const either = AbortSignal.any([signal, stop.signal])
    const tooLong = sleep(this.#o.clock, WAIT_MS, either).then(() => {
      throw this.#notReady()
    })
    try {
      await Promise.race([this.#ready.promise, tooLong])
    } finally {
      tooLong.catch(() => {}) // stopped below: nobody else waits for it
      stop.abort()
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
    let listed = false
    while (!signal.aborted) {
      try {
        if (!listed) await this.#refill(signal)
        listed = true
        for await (const batch of this.#o.storage.watch(this.#o.prefix, { after: this.#gate.current, signal })) {
          backoff.forget('')
          const items = this.#decoder.items(batch.events.filter(hasValue))
          this.#apply(batch, items instanceof Promise ? await items : items)
        }
      } catch (error) {
        if (signal.aborted) return
        if (listed && error instanceof StorageError && error.code === 'compacted') listed = false
        else await this.#backOff(error, backoff.next(''), signal)
      }
    }
  }

  async #backOff(error: unknown, delayMs: number, signal: AbortSignal): Promise<void> {
    this.#o.log.warn('the watch cache lost its storage', { prefix: this.#o.prefix, delayMs, error })
    await sleep(this.#o.clock, delayMs, signal).catch(() => {})
  }

  /** Reads everything anew. Watches end, since what they have not seen yet may be lost; they can resume in the new history. */
  async #refill(signal: AbortSignal): Promise<void> {
    const { storage, prefix, restamp, clock, metrics } = this.#o
    metrics.initializations.inc()
    try {
      const mostRevisions = Math.min(MOST_REPLAYED, this.#o.historyLimit ?? MOST_REPLAYED)
      const o = { storage, prefix, decoder: this.#decoder, restamp, clock, mostRevisions }
      this.#replace(await fill(o, signal))
    } catch (error) {
      metrics.initializationErrors.inc()
      throw error
    }
  }

  #replace({ state, revision, events, completeAfter }: Filled<T>): void {
    this.#state = state
    this.#history.reset(completeAfter)
    for (const event of events) this.#history.append(event, this.#o.clock.monotonicMs())
    this.#advance(revision)
    this.#subscriptions.endAll('relisted')
    this.#trim()
    this.#ready.resolve()
  }

  /** @param items of the events that have a value, in their order. */
  #apply(batch: Batch, items: Items<T>): void {
    const first = this.#history.end
    let next = 0
    for (const event of batch.events) {
      this.#o.metrics.received.inc()
      const change = this.#state.apply(event, hasValue(event) ? items[next++] : undefined)
      if (change) this.#history.append(change, this.#o.clock.monotonicMs())
    }
    this.#advance(batch.revision)
    for (let s = first; s < this.#history.end; s++) {
      this.#o.metrics.dispatched.inc()
      this.#subscriptions.dispatch(s)
    }
    this.#trim()
  }
  /** Again when what is left is too old: after a burst, nothing may come for hours that would ask for it. */
  #trim(): void {
    this.#history.trim(this.#o.clock.monotonicMs())
    if (this.#cancelTrim || !this.#history.ages || this.#abort.signal.aborted) return
    this.#cancelTrim = this.#o.clock.after(KEPT_MS + 1, () => {
      this.#cancelTrim = undefined
      this.#trim()
    })
  }

  #advance(revision: Revision): void {
    this.#gate.move(revision)
    this.#o.metrics.revision.set(revision)
  }
}
