/**
 * Fills a watch cache. The storage is listed as it was at the oldest revision that it still keeps, within limits, and what
 * changed since is read as a watch reads it: the changes become the cache's history, so that a watch that resumes after a
 * restart of this process finds them. Where that cannot be, the storage is listed as it is.
 *
 *   list at an old revision --changed since--> catch up --> filled
 *        |                 \--unchanged---------------------^  ^
 *        +--compacted, or the storage falls silent--> list now +
 *
 * Callers: watch-cache.ts, at first and whenever it has lost its place.
 */
import type { Cancel, Clock } from '../../lib/clock.ts'
import { nextTurn } from '../../lib/next-turn.ts'
import { type Batch, type Revision, type Storage, StorageError } from '../../storage/storage.ts'
import type { CacheEvent, Restamp } from './cache-item.ts'
import { CacheState } from './cache-state.ts'
import { type Decoder, hasValue } from './decoder.ts'

export interface FillOptions<T> {
  readonly storage: Storage
  readonly prefix: string
  readonly decoder: Decoder<T>
  readonly restamp: Restamp<T>
  readonly clock: Clock
  /** Most revisions, of all resources together, that are caught up with. */
  readonly mostRevisions: number
}
/** The state at a revision, and every change after an earlier one. */
export interface Filled<T> {
  readonly state: CacheState<T>
  readonly revision: Revision
  readonly events: readonly CacheEvent<T>[]
  readonly completeAfter: Revision
}

const PAGE = 500
/** Decoded in one turn of the event loop. With a collection of garbage on top, which no step can keep away, it stays short. */
const DECODED_AT_ONCE = 250
/** Catching up is given up when nothing has come for so long. */
const SILENCE_MS = 2000
/** Source: Kubernetes v1.35, cacher: progressRequestPeriod. */
const PROGRESS_EVERY_MS = 100

/** @throws StorageError; the signal's reason. */
export async function fill<T>(o: FillOptions<T>, signal: AbortSignal): Promise<Filled<T>> {
  return (await replayed(o, signal)) ?? listed(o, signal)
}

/** @returns what stops asking. */
export function askForProgress({
  storage,
  prefix,
  clock,
}: Pick<FillOptions<never>, 'storage' | 'prefix' | 'clock'>): Cancel {
  let cancel: Cancel
  const ask = (): void => {
    storage.requestProgress(prefix)
    cancel = clock.after(PROGRESS_EVERY_MS, ask)
  }
  ask()
  return () => cancel()
}

async function listed<T>(o: FillOptions<T>, signal: AbortSignal): Promise<Filled<T>> {
  const { state, revision } = await stateAt(o, undefined, signal)
  return { state, revision, events: [], completeAfter: revision }
}

/** @returns undefined where the storage does not keep that much, or cannot tell how far a watch has come. */
async function replayed<T>(o: FillOptions<T>, signal: AbortSignal): Promise<Filled<T> | undefined> {
  const { storage } = o
  const current = await storage.currentRevision()
  const from = Math.max(1, await storage.oldestRevision(), current - o.mostRevisions)
  if (from >= current || storage.freshness === 'unproven') return undefined
  try {
    const { state, unchanged } = await stateAt(o, from, signal)
    if (unchanged) return { state, revision: current, events: [], completeAfter: from }
    const caughtUp = await catchUp(o, state, { from, to: current }, signal)
    return caughtUp && { state, completeAfter: from, ...caughtUp }
  } catch (error) {
    if (error instanceof StorageError && error.code === 'compacted') return undefined
    throw error
  }
}

async function stateAt<T>(
  o: FillOptions<T>,
  wanted: Revision | undefined,
  signal: AbortSignal,
): Promise<{ state: CacheState<T>; revision: Revision; unchanged: boolean }> {
  const state = new CacheState(o.restamp)
  let unchanged = true
  let at = wanted
  let after: string | undefined
  for (;;) {
    const place = { ...(at !== undefined && { at }), ...(after !== undefined && { after }) }
    const page = await o.storage.list(o.prefix, { limit: PAGE, ...place })
    signal.throwIfAborted()
    for (let i = 0; i < page.items.length; i += DECODED_AT_ONCE) {
      await nextTurn()
      for (const item of await o.decoder.items(page.items.slice(i, i + DECODED_AT_ONCE))) state.append(item)
    }
    at ??= page.revision
    unchanged &&= page.unchanged === true
    if (!page.more) return { state, revision: at, unchanged }
    after = page.items.at(-1)!.key
  }
}

/** Applies what changed up to a revision at least. @returns undefined when the storage fell silent on the way. */
async function catchUp<T>(
  o: FillOptions<T>,
  state: CacheState<T>,
  { from, to }: { from: Revision; to: Revision },
  signal: AbortSignal,
): Promise<{ revision: Revision; events: CacheEvent<T>[] } | undefined> {
  const events: CacheEvent<T>[] = []
  const silent = new AbortController()
  const giveUpLater = (): Cancel => o.clock.after(SILENCE_MS, () => silent.abort())
  let cancel = giveUpLater()
  let stopAsking: Cancel | undefined
  const watch = o.storage.watch(o.prefix, { after: from, signal: AbortSignal.any([signal, silent.signal]) })
  const batches = watch[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = batches.next()
      // Not before the watch has begun: an engine of this process answers at once.
      stopAsking ??= askForProgress(o)
      const { value: batch, done } = await next
      signal.throwIfAborted()
      if (done) return undefined
      cancel()
      await nextTurn()
      await applyBatch(o.decoder, state, batch, events)
      if (batch.revision >= to) return { revision: batch.revision, events }
      cancel = giveUpLater()
    }
  } finally {
    cancel()
    stopAsking?.()
    await batches.return?.()
  }
}

async function applyBatch<T>(
  decoder: Decoder<T>,
  state: CacheState<T>,
  batch: Batch,
  events: CacheEvent<T>[],
): Promise<void> {
  const items = await decoder.items(batch.events.filter(hasValue))
  let next = 0
  for (const event of batch.events) {
    const change = state.apply(event, hasValue(event) ? items[next++] : undefined)
    if (change) events.push(change)
  }
}
