/**
 * How far an engine is that keeps its own history, how much of it is forgotten, and the watches over it.
 *
 * Owns:     the watch hub. Released by close(); every call is refused after it.
 * Callers:  memory/ and embedded/, which move `current` and `compacted`.
 */
import type { Clock } from '../lib/clock.ts'
import { type Batch, type Revision, StorageError, type StorageEvent } from './storage.ts'
import { type EventLog, WatchHub } from './watch-hub.ts'

export class KeptHistory implements EventLog {
  current: Revision
  /** Reads at an older revision, and watches after one, are refused. */
  compacted: Revision
  readonly eventsAfter: EventLog['eventsAfter']
  readonly #hub: WatchHub
  #closed = false

  constructor(o: Pick<EventLog, 'current' | 'compacted' | 'eventsAfter'> & { readonly clock: Clock }) {
    this.current = o.current
    this.compacted = o.compacted
    this.eventsAfter = o.eventsAfter
    this.#hub = new WatchHub(this, o.clock)
  }
  get isClosed(): boolean {
    return this.#closed
  }

  /** @param at what a read asks for. @throws StorageError unavailable, future, compacted. */
  refuse(at?: Revision): void {
    if (this.#closed) throw new StorageError('unavailable', 'the storage is closed')
    if (at === undefined) return
    this.refuseFuture(at)
    if (at < this.compacted)
      throw new StorageError('compacted', `revision ${at} has been compacted`, { compactedTo: this.compacted })
  }
  /** @throws StorageError future. */
  refuseFuture(at: Revision): void {
    if (at <= this.current) return
    throw new StorageError('future', `revision ${at} is not reached yet, the current one is ${this.current}`)
  }

  watch(prefix: string, o: { after: Revision; signal: AbortSignal }): AsyncIterable<Batch> {
    return this.#hub.watch(prefix, o)
  }
  requestProgress(prefix: string): void {
    this.#hub.requestProgress(prefix)
  }
  /** Call when `current` includes the events. */
  committed(events: readonly StorageEvent[]): void {
    this.#hub.committed(events)
  }
  close(): void {
    this.#closed = true
    this.#hub.close()
  }
}
