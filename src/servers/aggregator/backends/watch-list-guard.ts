/**
 * Keeps clients that stream lists from waiting for ever. Some backends accept sendInitialEvents=true and never send
 * the bookmark that ends the initial events; informers of client-go then hang without an error.
 *
 * Owns:     what was learned of each resource of each backend, until the backend changes or for an hour.
 * Callers:  backend.ts, for each watch of a client.
 *
 *   unknown --bookmark--> conforming: its streams are not looked at any more
 *      `--silence, or a trickle--> missing: the stream ends with an ERROR event, later ones are refused before they start
 *
 * What is told is what a server without the feature says; clients take it for: list, then watch. Bookmarks are never
 * made up, dropped or changed: only the backend knows when the initial state is whole.
 */
import type { Transform } from 'node:stream'
import { encodeJson, encodeProtobuf } from '../../../api/codec/codec.ts'
import { frameProtobuf, watchEventMessage } from '../../../api/codec/protobuf-envelope.ts'
import { fieldError } from '../../../api/field-error.ts'
import { metaTypes } from '../../../api/schema/meta-types.ts'
import { type StatusError, invalid } from '../../../api/status-error.ts'
import type { HeaderList, Outcome } from '../../../http/exchange.ts'
import { headerValue } from '../../../http/header-list.ts'
import type { RequestContext } from '../../../http/request-context.ts'
import { STATUS_TYPE } from '../../../http/write-status.ts'
import type { Cancel, Clock } from '../../../lib/clock.ts'
import type { Counter, Family, MetricsRecorder } from '../../../observability/metrics.ts'
import type { AnswerTap } from '../../../proxy/forward.ts'
import { type WatchForm, inflaterOf, InitialEventsScanner, watchFormOf } from './initial-events-scanner.ts'

/** client-go waits for ever, and users look at what hangs for 5 s. */
export const defaultBookmarkTimeoutMs = 4000
/** The least number of bytes of initial events within the timeout. Less is a trickle of changes, not a list over a slow link. */
const LIST_PACE_BYTES = 65_536
/** The number of streams that a backend must end without the bookmark: once it may have been on its way down. */
const ENDS_TO_BELIEVE = 2
const REMEMBER_MS = 3_600_000
/** How long a backend that did not begin to answer is remembered: some send no head before the first event, others are just slow now. */
const SUSPECT_MS = 60_000
const MAX_INFLATING_BYTES = 1_048_576
const MAX_RESOURCES = 10_000

interface Learned {
  conforming: boolean | undefined
  ends: number
  untilMs: number
}
export interface WatchListGuardOptions {
  readonly clock: Clock
  readonly metrics: MetricsRecorder
  /** Default 4 s; 0 turns the guard off. */
  readonly timeoutMs?: number
}
export class WatchListGuard {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #missing: Family<Counter>
  readonly #refused: Family<Counter>
  /** By APIService, then by target and resource. */
  readonly #learned = new Map<string, Map<string, Learned>>()
  #size = 0

  constructor(o: WatchListGuardOptions) {
    this.#clock = o.clock
    this.#timeoutMs = o.timeoutMs ?? defaultBookmarkTimeoutMs
    const labels = ['group', 'version', 'resource']
    this.#missing = o.metrics.counter({
      name: 'portico_watchlist_missing_bookmark_total',
      help: 'Streamed lists whose backend never ended the initial events.',
      labels,
    })
    this.#refused = o.metrics.counter({
      name: 'portico_watchlist_refused_total',
      help: 'Streamed lists refused because the backend is known not to end the initial events.',
      labels,
    })
  }
  /** Resources that something is known of. */
  get size(): number {
    return this.#size
  }
  /** Forgets what was learned of a backend that was replaced or came back. */
  forget(apiService: string): void {
    this.#size -= this.#learned.get(apiService)?.size ?? 0
    this.#learned.delete(apiService)
  }

  /**
   * @returns undefined where there is nothing to watch.
   * @throws StatusError 422 where the backend is known not to end initial events.
   */
  enter(ctx: RequestContext, apiService: string, target: string): AnswerTap | undefined {
    if (ctx.info.verb !== 'watch' || this.#timeoutMs === 0 || !asksForBookmark(ctx.query)) return undefined
    const learned = this.#of(apiService, `${target} ${ctx.info.resource}`)
    if (learned?.conforming === undefined) return learned && this.#watch(ctx, learned)
    if (learned.conforming) return undefined
    this.#refused.with(...labelsOf(ctx)).inc()
    throw unsupported()
  }

  /** Made where it is missing. @returns undefined where there is no room: the stream goes unwatched. */
  #of(apiService: string, key: string): Learned | undefined {
    let ofBackend = this.#learned.get(apiService)
    const known = ofBackend?.get(key)
    const nowMs = this.#clock.monotonicMs()
    if (known && (known.conforming === undefined || nowMs < known.untilMs)) return known
    if (!known && this.#size >= MAX_RESOURCES) return undefined
    if (!known) this.#size++
    if (!ofBackend) {
      ofBackend = new Map()
      this.#learned.set(apiService, ofBackend)
    }
    const made = { conforming: undefined, ends: 0, untilMs: 0 }
    ofBackend.set(key, made)
    return made
  }

  #watch(ctx: RequestContext, learned: Learned): AnswerTap {
    return new WatchedStream(ctx, this.#clock, this.#timeoutMs, (found) => {
      if (found === 'end' && ++learned.ends < ENDS_TO_BELIEVE) return
      if (learned.conforming === undefined || found === 'bookmark') learned.conforming = found === 'bookmark'
      learned.untilMs = this.#clock.monotonicMs() + (found === 'no-head' ? SUSPECT_MS : REMEMBER_MS)
      if (found === 'bookmark') return
      this.#missing.with(...labelsOf(ctx)).inc()
      ctx.log.warn('a backend does not end the initial events of a watch; clients are told to list instead', {
        group: ctx.info.apiGroup,
        resource: ctx.info.resource,
      })
    })
  }
}

type Found = 'bookmark' | 'silence' | 'no-head' | 'end'

/** A stream until its bookmark, its end, or too long with too little. */
class WatchedStream implements AnswerTap {
  readonly #ctx: RequestContext
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #tell: (found: Found) => void
  readonly #startedMs: number
  #scanner: InitialEventsScanner | undefined
  /** Inflates a body that is compressed although it was asked for plain. */
  #inflater: Transform | undefined
  /** Bytes of initial events when the time under way began. */
  #seenBytes = 0
  #cancel: Cancel | undefined
  #over = false

  constructor(ctx: RequestContext, clock: Clock, timeoutMs: number, tell: (found: Found) => void) {
    this.#ctx = ctx
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#tell = tell
    this.#startedMs = clock.monotonicMs()
    this.#arm()
    ctx.exchange.onFinish((outcome) => this.#ended(outcome))
  }

  answered(status: number, headers: HeaderList): void {
    if (this.#over) return
    const form = watchFormOf(headerValue(headers, 'content-type') ?? '')
    if (status !== 200 || !form) return this.#stop()
    const inflater = inflaterOf(headerValue(headers, 'content-encoding'))
    if (!inflater) return this.#stop()
    this.#scanner = new InitialEventsScanner(form)
    this.#arm()
    if (inflater === 'plain') return
    this.#inflater = inflater.on('data', (chunk: Buffer) => this.#scan(chunk)).on('error', () => this.#stop())
  }
  data(chunk: Buffer): void {
    if (this.#over || !this.#scanner) return
    if (!this.#inflater) return this.#scan(chunk)
    // A body that inflates to more than can be looked at is no list that a client waits for.
    if (!this.#inflater.write(chunk) && this.#inflater.writableLength > MAX_INFLATING_BYTES) this.#stop()
  }
  blocked(isBlocked: boolean): void {
    if (this.#over) return
    if (isBlocked) this.#cancel?.()
    else this.#arm()
  }

  #scan(chunk: Buffer): void {
    if (this.#over || !this.#scanner) return
    if (this.#scanner.push(chunk)) {
      this.#stop()
      return this.#tell('bookmark')
    }
    if (this.#scanner.initialBytes - this.#seenBytes >= LIST_PACE_BYTES) this.#arm()
  }
  #arm(): void {
    this.#seenBytes = this.#scanner?.initialBytes ?? 0
    this.#cancel?.()
    this.#cancel = this.#clock.after(this.#timeoutMs, () => this.#silent())
  }
  #stop(): void {
    this.#over = true
    this.#cancel?.()
    this.#inflater?.destroy()
  }
  #silent(): void {
    this.#stop()
    const { exchange } = this.#ctx
    this.#tell(this.#scanner ? 'silence' : 'no-head')
    if (!this.#scanner) this.#ctx.fail(unsupported())
    else if (this.#scanner.atBoundary && !this.#inflater) exchange.end(errorEvent(this.#scanner.form))
    else exchange.abort(new Error('the initial events of a watch did not end'))
  }
  #ended({ kind, status }: Outcome): void {
    if (this.#over) return
    this.#stop()
    // A stream that the client wanted to be short says nothing.
    const wasLong = this.#clock.monotonicMs() - this.#startedMs >= this.#timeoutMs
    const isShort = !wasLong && hasShortTimeout(this.#ctx, this.#timeoutMs)
    if (kind === 'complete' && status === 200 && !isShort) this.#tell('end')
  }
}

/** Without bookmarks there is nothing to mark the end with. */
function asksForBookmark(query: URLSearchParams): boolean {
  return isTrue(query.get('sendInitialEvents')) && isTrue(query.get('allowWatchBookmarks'))
}
const isTrue = (text: string | null): boolean => text !== null && !/^(false|0)$/i.test(text)

function hasShortTimeout({ query }: RequestContext, timeoutMs: number): boolean {
  const seconds = query.get('timeoutSeconds')
  return seconds !== null && Number(seconds) * 1000 <= timeoutMs
}

/** The answer of a server without the feature, the only one that all clients take for "list instead". */
function unsupported(): StatusError {
  return invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [
    fieldError.forbidden(
      'sendInitialEvents',
      'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled',
    ),
  ])
}

function errorEvent(form: WatchForm): Uint8Array {
  const status = unsupported().toStatus()
  if (form === 'protobuf')
    return frameProtobuf(watchEventMessage('ERROR', encodeProtobuf(metaTypes(), STATUS_TYPE, status)))
  return Buffer.from(`${encodeJson({ type: 'ERROR', object: status })}\n`)
}

const labelsOf = ({ info }: RequestContext): [string, string, string] => [info.apiGroup, info.apiVersion, info.resource]
