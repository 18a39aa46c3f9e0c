/**
 * Hands changes to watches, synchronously and without a buffer per watch: a watch is a place in the shared history.
 * One that is paused stays where it is and reads on from there; it is ended once history has dropped its next event.
 *
 *   initial --all sent--> following --sink says false--> paused --resume()--> following
 *      any --close(), too slow, or the cache lists anew--> ended
 */
import type { Revision } from '../../storage/storage.ts'
import type { CacheEvent, CacheItem, EventType, Predicate } from './cache-item.ts'
import type { History } from './history.ts'
import type { BoundWatchCacheMetrics } from './watch-cache-metrics.ts'

/** All keys with a prefix, or one key. */
export type Scope = { readonly prefix: string } | { readonly key: string }

/** Where a watch's events go. Called synchronously; one that throws ends its own watch and no other. */
export interface Sink<T> {
  /** @returns false to be left alone until Subscription.resume(): this event was still taken. */
  event(type: EventType, item: CacheItem<T>): boolean
  /** All initial events were given, the state is that of this revision. */
  synced(revision: Revision): void
  /** No more calls. 'slow': history has moved on; 'relisted': the cache lost the history; 'closed': the cache is;
   *  'failed': the sink threw, see error. */
  end(reason: EndReason, error?: unknown): void
}
export type EndReason = 'slow' | 'relisted' | 'closed' | 'failed'

export interface Subscription {
  /** Everything up to this revision was given to the sink: the revision for a bookmark. */
  readonly revision: Revision
  /** After the sink said false: it takes more now. */
  resume(): void
  /** The sink is not called again. */
  close(): void
}

export interface Start<T> {
  readonly scope: Scope
  readonly matches: Predicate<T> | undefined
  /** Sent as ADDED first; then the events after the sequence number. */
  readonly initial: readonly CacheItem<T>[] | undefined
  readonly sequence: number
  readonly revision: Revision
}

export class Subscriptions<T> {
  readonly #history: History<T>
  readonly #metrics: BoundWatchCacheMetrics
  readonly #currentRevision: () => Revision
  readonly #byKey = new Map<string, Set<Follower<T>>>()
  readonly #byPrefix = new Map<string, Set<Follower<T>>>()
  #size = 0

  constructor(history: History<T>, metrics: BoundWatchCacheMetrics, currentRevision: () => Revision) {
    this.#history = history
    this.#metrics = metrics
    this.#currentRevision = currentRevision
  }
  get size(): number {
    return this.#size
  }

  add(start: Start<T>, sink: Sink<T>): Subscription {
    const [groups, name] = this.#groupOf(start.scope)
    const group = groups.get(name) ?? new Set()
    groups.set(name, group)
    const leave = (): void => {
      if (!group.delete(follower)) return
      this.#size--
      this.#metrics.watches.add(-1)
      if (group.size === 0 && groups.get(name) === group) groups.delete(name)
    }
    const follower = new Follower(start, sink, {
      history: this.#history,
      metrics: this.#metrics,
      currentRevision: this.#currentRevision,
      leave,
    })
    group.add(follower)
    this.#size++
    this.#metrics.watches.add(1)
    follower.resume()
    return follower
  }

  /** Call when the whole batch is in the history. O(watches of that key, and distinct prefixes). */
  dispatch(sequence: number): void {
    const event = this.#history.at(sequence)
    for (const follower of this.#byKey.get(event.key) ?? []) follower.offer(event, sequence)
    for (const [prefix, group] of this.#byPrefix) {
      if (event.key.startsWith(prefix)) for (const follower of group) follower.offer(event, sequence)
    }
  }

  endAll(reason: EndReason): void {
    for (const groups of [this.#byKey, this.#byPrefix]) {
      for (const group of groups.values()) for (const follower of group) follower.end(reason)
    }
  }

  #groupOf(scope: Scope): [Map<string, Set<Follower<T>>>, string] {
    return 'key' in scope ? [this.#byKey, scope.key] : [this.#byPrefix, scope.prefix]
  }
}

interface Surroundings<T> {
  readonly history: History<T>
  readonly metrics: BoundWatchCacheMetrics
  readonly currentRevision: () => Revision
  leave(): void
}

class Follower<T> implements Subscription {
  readonly #scope: Scope
  readonly #matches: Predicate<T> | undefined
  readonly #sink: Sink<T>
  readonly #around: Surroundings<T>
  #initial: readonly CacheItem<T>[] | undefined
  #nextInitial = 0
  /** The next event to look at. */
  #sequence: number
  /** While not following: the revision reached. */
  #reached: Revision
  #state: 'paused' | 'reading' | 'following' | 'ended' = 'paused'

  constructor(start: Start<T>, sink: Sink<T>, around: Surroundings<T>) {
    this.#scope = start.scope
    this.#matches = start.matches
    this.#sink = sink
    this.#around = around
    this.#initial = start.initial
    this.#sequence = start.sequence
    this.#reached = start.revision
  }
  get revision(): Revision {
    return this.#state === 'following' ? Math.max(this.#reached, this.#around.currentRevision()) : this.#reached
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'reading'
    try {
      if (this.#sendInitial()) this.#readHistory()
    } catch (error) {
      this.end('failed', error)
    }
  }

  /** A new event, in the history already; one that resume() read there is not given again. */
  offer(event: CacheEvent<T>, sequence: number): void {
    if (this.#state === 'following') {
      if (sequence < this.#sequence) return
      this.#sequence = sequence + 1
      try {
        this.#give(event)
      } catch (error) {
        this.end('failed', error)
      }
    } else if (this.#sequence < this.#around.history.first) this.#endSlow()
  }

  close(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#around.leave()
  }

  end(reason: EndReason, error?: unknown): void {
    if (this.#state === 'ended') return
    this.close()
    this.#sink.end(reason, error)
  }

  /** @returns false when the sink paused or closed on the way. */
  #sendInitial(): boolean {
    if (!this.#initial) return true
    while (this.#nextInitial < this.#initial.length) {
      const item = this.#initial[this.#nextInitial++]!
      this.#around.metrics.initEvents.inc()
      if (!this.#sink.event('ADDED', item)) return this.#pause()
      if (this.#state !== 'reading') return false
    }
    this.#initial = undefined
    this.#sink.synced(this.#reached)
    return this.#state === 'reading'
  }

  #readHistory(): void {
    const { history } = this.#around
    if (this.#sequence < history.first) return this.#endSlow()
    while (this.#state === 'reading' && this.#sequence < history.end) {
      const event = history.at(this.#sequence++)
      if (this.#inScope(event.key)) this.#give(event)
      else this.#reached = this.#wholeRevision(event)
    }
    if (this.#state === 'reading') this.#state = 'following'
  }

  #give(event: CacheEvent<T>): void {
    const seen = event.seenBy(this.#matches)
    const takesMore = !seen || this.#sink.event(seen.type, seen.item)
    this.#reached = this.#wholeRevision(event)
    if (!takesMore) this.#pause()
  }

  /** An event's revision is reached only with the last of its events. */
  #wholeRevision(event: CacheEvent<T>): Revision {
    const { history } = this.#around
    const next = this.#sequence < history.end ? history.at(this.#sequence) : undefined
    return next?.revision === event.revision ? this.#reached : Math.max(this.#reached, event.revision)
  }

  #pause(): false {
    if (this.#state !== 'ended') this.#state = 'paused'
    return false
  }

  #endSlow(): void {
    this.#around.metrics.terminated.inc()
    this.end('slow')
  }

  #inScope(key: string): boolean {
    return 'key' in this.#scope ? key === this.#scope.key : key.startsWith(this.#scope.prefix)
  }
}
