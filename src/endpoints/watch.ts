/**
 * A watch: changes of a collection or of one object, as a stream that ends by itself.
 *
 * Owns:     one subscription of the watch cache and two timers, released when the exchange is over.
 * Not here: the bytes of events (watch-encoder.ts), the history (registry/watch-cache).
 */
import { StatusError, type Status } from '../api/status-error.ts'
import type { Handler } from '../http/filter.ts'
import { negotiate } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'
import { keyOf, listPrefix } from '../registry/keys.ts'
import { fromWatchCacheError, parseRevision } from '../registry/list-reader.ts'
import { WatchCacheError } from '../registry/watch-cache/watch-cache-error.ts'
import type { Scope as CacheScope, Subscription } from '../registry/watch-cache/subscriptions.ts'
import { type ListOptions, parseListOptions } from './list-options.ts'
import { predicateOf } from './predicate.ts'
import type { Scope } from './scope.ts'
import { parseIncludeObject } from './table.ts'
import { type WatchEncoder, watchEncoder } from './watch-encoder.ts'
import { type WatchSink, watchSink } from './watch-sink.ts'

const BOOKMARK_EVERY_MS = 60_000
/** A client that is about to be cut off learns how far it got. */
const BOOKMARK_BEFORE_END_MS = 2000

export function watchHandler(scope: Scope): Handler {
  return async (ctx) => {
    const form = negotiate(ctx, scope.forms.offers.watch)
    const options = parseListOptions(ctx, scope.resource, true)
    const encoder = watchEncoder(scope, form, parseIncludeObject(ctx.query))
    const after =
      options.resourceVersion === '' || options.resourceVersion === '0'
        ? 0
        : parseRevision(options.resourceVersion, 'watch')
    const matches = predicateOf(options, ctx.info.name)
    const sink = watchSink(ctx, encoder, scope.clock)
    if (!sink) return
    const stream = new WatchStream(ctx, { scope, options, encoder, sink })
    try {
      await prepare(scope, options, after)
      stream.start(after, matches)
    } catch (e) {
      const error = fromWatchCacheError(e)
      // What is wrong with the revision is told inside the stream: clients look for it there.
      if (e instanceof WatchCacheError && e.code !== 'not-ready' && error instanceof StatusError)
        stream.fail(error.toStatus())
      else throw error
    }
  }
}

/** Waits until the cache is where the watch is to begin. */
async function prepare(scope: Scope, options: ListOptions, after: number): Promise<void> {
  const { cache } = scope
  if (options.sendInitialEvents === true && options.resourceVersion === '' && cache.provesFreshness)
    await cache.reachCurrent()
  else await cache.reach(options.sendInitialEvents === true ? after : 0)
}

interface WatchOf {
  readonly scope: Scope
  readonly options: ListOptions
  readonly encoder: WatchEncoder
  readonly sink: WatchSink
}

class WatchStream {
  readonly #ctx: RequestContext
  readonly #scope: Scope
  readonly #options: ListOptions
  readonly #encoder: WatchEncoder
  readonly #sink: WatchSink
  #subscription: Subscription | undefined
  #paused = false

  constructor(ctx: RequestContext, o: WatchOf) {
    this.#ctx = ctx
    this.#scope = o.scope
    this.#options = o.options
    this.#encoder = o.encoder
    this.#sink = o.sink
  }

  /** @throws WatchCacheError before anything was answered. */
  start(after: number, matches: ReturnType<typeof predicateOf>): void {
    const { cache } = this.#scope
    const initial = this.#options.sendInitialEvents === true
    // A revision that is still to come: nothing to send until it does, as upstream.
    // From nowhere in particular and without the state first: from now on.
    const fromNow = after === 0 && this.#options.sendInitialEvents === false
    const from = fromNow ? cache.revision : Math.min(after, cache.revision)
    if (!initial && from < cache.oldestRevision) {
      throw new WatchCacheError('too-old', `too old resource version: ${from} (${cache.oldestRevision})`, {
        requested: from,
        available: cache.oldestRevision,
      })
    }
    if (this.#ctx.exchange.phase !== 'waiting') return
    this.#sink.open()
    this.#subscription = cache.subscribe(
      { scope: this.#cacheScope(), ...(initial ? {} : { after: from }), ...(matches ? { matches } : {}) },
      {
        event: (type, item) => this.#send(this.#encoder.event(type, item)),
        synced: (revision) => {
          if (initial && this.#options.allowWatchBookmarks) this.#send(this.#encoder.bookmark(String(revision), true))
        },
        end: () => this.#end(),
      },
    )
    this.#schedule()
    this.#ctx.exchange.onFinish(() => this.#subscription?.close())
  }

  /** A stream of one ERROR event. */
  fail(status: Status): void {
    if (this.#ctx.exchange.phase !== 'waiting') return
    this.#sink.open()
    this.#sink.write(this.#encoder.error(status))
    this.#sink.end()
  }

  #cacheScope(): CacheScope {
    const { resource } = this.#scope
    const { namespace, name } = this.#ctx.info
    if (name !== '' && (!resource.namespaced || namespace !== '')) return { key: keyOf(resource, namespace, name) }
    return { prefix: listPrefix(resource, namespace) }
  }

  #send(bytes: Uint8Array): boolean {
    const { exchange } = this.#ctx
    if (exchange.phase === 'finished') return true
    this.#scope.watchMetrics.events.inc()
    this.#scope.watchMetrics.sizes.observe(bytes.byteLength)
    if (this.#sink.write(bytes)) return true
    if (!this.#paused) {
      this.#paused = true
      this.#sink.onDrain(
        this.#ctx.guard(() => {
          this.#paused = false
          this.#subscription?.resume()
        }),
      )
    }
    return false
  }

  #schedule(): void {
    const { clock, random, minRequestTimeoutMs, trackWatch } = this.#scope
    const wanted = this.#options.timeoutSeconds ?? 0
    if (wanted < 0) return this.#end()
    const timeoutMs = wanted > 0 ? wanted * 1000 : minRequestTimeoutMs * (1 + random())
    const releases: (() => void)[] = []
    if (!this.#ctx.exchange.connection.inProcess) releases.push(trackWatch(() => this.#end()))
    if (timeoutMs > 0) releases.push(clock.after(timeoutMs, () => this.#end()))
    if (this.#options.allowWatchBookmarks) {
      let cancel = (): void => {}
      const again = (): void => {
        this.#bookmark()
        cancel = clock.after(BOOKMARK_EVERY_MS, again)
      }
      cancel = clock.after(BOOKMARK_EVERY_MS, again)
      releases.push(() => cancel())
      if (timeoutMs > BOOKMARK_BEFORE_END_MS)
        releases.push(clock.after(timeoutMs - BOOKMARK_BEFORE_END_MS, () => this.#bookmark()))
    }
    this.#ctx.exchange.onFinish(() => {
      for (const release of releases) release()
    })
  }

  #bookmark(): void {
    if (this.#subscription && !this.#paused)
      this.#send(this.#encoder.bookmark(String(this.#subscription.revision), false))
  }

  #end(): void {
    this.#subscription?.close()
    if (this.#ctx.exchange.phase === 'responded') this.#sink.end()
  }
}
