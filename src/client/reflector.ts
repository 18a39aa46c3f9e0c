/**
 * Mirrors a resource of a server: one list, then watches that go on from the last revision seen, for ever.
 *
 * Callers:  app/run/wire-informers.ts, for informers of resources that this process does not serve itself.
 *
 *   listing --> watching --ended or broken--> watching, from the last revision
 *      ^------- 410: the revision is too old -------'
 */
import type { KubeList, KubeObject } from '../api/meta.ts'
import { StatusError } from '../api/status-error.ts'
import { Backoff } from '../lib/backoff.ts'
import { type Clock, sleep } from '../lib/clock.ts'
import type { Logger } from '../observability/logger.ts'
import type { ListOptions, WatchEvent, WatchOptions } from './client.ts'
import type { ObjectRange, ObjectSink, ObjectSource } from './object-source.ts'

/** The part of a ResourceClient that a reflector needs. */
export interface ListWatch<T> {
  list(o: ListOptions): Promise<KubeList<T>>
  watch(o: WatchOptions): AsyncIterable<WatchEvent<T>>
}
export interface ReflectorOptions<T> {
  readonly server: ListWatch<T>
  readonly clock: Clock
  readonly log: Logger
  /** Narrows what is mirrored. */
  readonly range?: ObjectRange
  /** From 0 to 1; spreads the watches' ends. Default Math.random. */
  readonly random?: () => number
}

/** Source of the figures: client-go's tools/cache/reflector.go. */
const RETRY = { baseMs: 800, maxMs: 30_000 }
const WATCH_SECONDS = 5 * 60
const PAGE = 500

export class Reflector<T extends KubeObject> implements ObjectSource<T> {
  readonly #o: ReflectorOptions<T>
  readonly #scope: Pick<ListOptions, 'namespace' | 'fieldSelector'>
  readonly #backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
  #revision: string | undefined
  /** The first list may be of any age; after a 410 it must be the latest. */
  #anyAge = true

  constructor(o: ReflectorOptions<T>) {
    this.#o = o
    const { namespace, name } = o.range ?? {}
    this.#scope = {
      ...(namespace !== undefined && { namespace }),
      ...(name !== undefined && { fieldSelector: `metadata.name=${name}` }),
    }
  }

  async run(sink: ObjectSink<T>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#revision === undefined) await this.#list(sink, signal)
        await this.#watch(sink, signal)
      } catch (error) {
        if (signal.aborted) return
        await this.#pause(error, signal)
      }
    }
  }

  async #list(sink: ObjectSink<T>, signal: AbortSignal): Promise<void> {
    const items: T[] = []
    let page: KubeList<T>
    let place: Pick<ListOptions, 'continue' | 'limit' | 'resourceVersion'> = this.#anyAge
      ? { resourceVersion: '0' }
      : { limit: PAGE }
    this.#anyAge = false
    do {
      page = await this.#o.server.list({ ...this.#scope, ...place, signal })
      for (const item of page.items) items.push(item)
      place = { limit: PAGE, continue: page.metadata.continue ?? '' }
    } while (page.metadata.continue)
    sink.replace(items)
    this.#revision = page.metadata.resourceVersion ?? ''
    this.#backoff.forget('')
  }

  async #watch(sink: ObjectSink<T>, signal: AbortSignal): Promise<void> {
    const { server, random = Math.random } = this.#o
    const timeoutSeconds = Math.floor(WATCH_SECONDS * (1 + random()))
    const resourceVersion = this.#revision!
    const startMs = this.#o.clock.monotonicMs()
    let events = 0
    const options = { ...this.#scope, resourceVersion, timeoutSeconds, allowWatchBookmarks: true, signal }
    for await (const { type, object } of server.watch(options)) {
      if (signal.aborted) return
      events++
      if (type !== 'BOOKMARK') sink.apply(type, object)
      this.#revision = object.metadata.resourceVersion ?? this.#revision!
      this.#backoff.forget('')
    }
    // A server that ends watches at once must not be asked in a tight loop.
    if (events === 0 && this.#o.clock.monotonicMs() - startMs < 1000) throw new Error('the watch ended at once')
  }

  async #pause(error: unknown, signal: AbortSignal): Promise<void> {
    const asked = error instanceof StatusError ? (error.details?.retryAfterSeconds ?? 0) * 1000 : 0
    const watchExpired = this.#revision !== undefined && isExpired(error)
    if (watchExpired) this.#revision = undefined
    const delayMs = watchExpired ? 0 : Math.max(asked, this.#backoff.next(''))
    this.#o.log.debug?.('a list or watch failed', { delayMs, error })
    if (delayMs > 0) await sleep(this.#o.clock, delayMs, signal).catch(() => {})
  }
}

function isExpired(error: unknown): boolean {
  return error instanceof StatusError && (error.code === 410 || error.reason === 'Expired' || error.reason === 'Gone')
}
