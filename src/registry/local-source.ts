/**
 * Gives an informer its objects straight from a watch cache: the very objects that the cache holds, without a request,
 * and without bytes that are written and parsed again.
 *
 * Owns:     one subscription of the cache while it runs.
 * Callers:  app/run/wire-informers.ts, for resources that this process serves from its storage.
 *
 *   waiting for the cache --ready--> following --relisted, slow--> following, from the whole state
 *                                    following --closed, aborted--> ended
 */
import type { KubeObject } from '../api/meta.ts'
import type { ObjectRange, ObjectSink, ObjectSource } from '../client/object-source.ts'
import { Backoff } from '../lib/backoff.ts'
import { type Clock, sleep } from '../lib/clock.ts'
import { untilAborted } from '../lib/deferred.ts'
import type { Logger } from '../observability/logger.ts'
import { keyOf, listPrefix } from './keys.ts'
import type { Resource } from './resource.ts'
import type { EndReason, Scope, Subscription } from './watch-cache/subscriptions.ts'
import type { WatchCache } from './watch-cache/watch-cache.ts'

export interface LocalSourceOptions {
  readonly resource: Resource
  readonly cache: WatchCache<KubeObject>
  /** An object of the cache in the resource's version. The same object where the cache holds that version: a copy would be held twice. */
  readonly view: (object: KubeObject) => KubeObject
  readonly range: ObjectRange
  readonly clock: Clock
  readonly log: Logger
}

/** Between two tries after the sink failed, which is a fault of the program. */
const RETRY = { baseMs: 100, maxMs: 30_000 }

/** Its objects have no kind and apiVersion, as items of a list have none. */
export class LocalSource implements ObjectSource<KubeObject> {
  readonly #o: LocalSourceOptions

  constructor(o: LocalSourceOptions) {
    this.#o = o
  }

  async run(sink: ObjectSink<KubeObject>, signal: AbortSignal): Promise<void> {
    const { cache, clock, log, resource } = this.#o
    const backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
    cache.start()
    await Promise.race([cache.ready, untilAborted(signal)])
    while (!signal.aborted) {
      const { reason, error } = await this.#follow(sink, signal)
      if (reason === 'closed') return
      if (reason !== 'failed') continue
      const delayMs = backoff.next('')
      log.error('an informer could not take an object', { resource: resource.resource, delayMs, error })
      await sleep(clock, delayMs, signal).catch(() => {})
    }
  }

  /** @returns why the subscription ended; 'closed' also when the signal is aborted. */
  async #follow(sink: ObjectSink<KubeObject>, signal: AbortSignal): Promise<{ reason: EndReason; error?: unknown }> {
    const { cache, view } = this.#o
    let initial: KubeObject[] | undefined = []
    let subscription: Subscription | undefined
    const ended = new Promise<{ reason: EndReason; error?: unknown }>((resolve) => {
      subscription = cache.subscribe(
        { scope: this.#scope() },
        {
          event: (type, item) => {
            if (initial) initial.push(view(item.object))
            else sink.apply(type, view(item.object))
            return true
          },
          synced: () => {
            const items = initial!
            initial = undefined
            sink.replace(items)
          },
          end: (reason, error) => resolve({ reason, error }),
        },
      )
    })
    const aborted = untilAborted(signal).then(() => ({ reason: 'closed' as const }))
    try {
      return await Promise.race([ended, aborted])
    } finally {
      subscription?.close()
    }
  }

  #scope(): Scope {
    const { resource, range } = this.#o
    if (range.name !== undefined) return { key: keyOf(resource, range.namespace ?? '', range.name) }
    return { prefix: listPrefix(resource, range.namespace ?? '') }
  }
}
