/**
 * One watch of etcd that outlives its connection: it goes on from the last revision that was delivered whole.
 *
 *   open --response--> deliver --broken--> (back-off, next member) --> open from the last revision + 1
 */
import { Duplex } from 'node:stream'
import type { Etcd3, IEvent, IWatchCreateRequest, IWatchRequest, IWatchResponse } from 'etcd3'
import { Backoff } from '../../lib/backoff.ts'
import { type Clock, sleep } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import { type Batch, type Revision, StorageError, type StorageEvent } from '../storage.ts'
import { type EtcdClients, storageError } from './etcd-clients.ts'
import { prefixRange } from './etcd-range.ts'

const RETRY = { baseMs: 50, maxMs: 2000 }

export interface WatchContext {
  readonly clients: EtcdClients
  readonly clock: Clock
  readonly log: Logger
  /** Aborted when the storage is disposed of. */
  readonly closed: AbortSignal
  /** Streams that progress can be asked of, and the prefix that each watches. */
  readonly streams: Map<WatchStream, string>
}
export interface WatchStream {
  write(request: IWatchRequest): void
}

export async function* watchPrefix(
  context: WatchContext,
  prefix: string,
  o: { after: Revision; signal: AbortSignal },
): AsyncGenerator<Batch, void, void> {
  const { clock, clients, closed, log } = context
  const stop = AbortSignal.any([o.signal, closed])
  const backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
  let seen = o.after
  while (!stop.aborted) {
    const client = clients.current
    try {
      for await (const batch of batches(context, client, { prefix, after: seen }, stop)) {
        backoff.forget('')
        if (batch.revision < seen) continue // progress of a member that is behind the last one
        const events = batch.events.filter((e) => e.revision > seen)
        if (events.length === 0 && batch.events.length > 0) continue
        seen = batch.revision
        yield { revision: batch.revision, events }
        if (o.signal.aborted) return
      }
    } catch (error) {
      const failure = storageError(error)
      if (failure.code === 'compacted') throw failure
      if (stop.aborted) break
      log.debug?.('an etcd watch is resumed', { prefix, seen, error })
    }
    clients.avoid(client)
    await sleep(clock, backoff.next(''), stop).catch(() => {})
  }
  if (!o.signal.aborted) throw new StorageError('unavailable', 'the storage is closed')
}

function requestFor(prefix: string, seen: Revision): IWatchCreateRequest {
  return { ...prefixRange(prefix), start_revision: seen + 1, prev_kv: true, progress_notify: true, fragment: true }
}

/** One stream, until it breaks. */
async function* batches(
  context: WatchContext,
  client: Etcd3,
  { prefix, after }: { prefix: string; after: Revision },
  stop: AbortSignal,
): AsyncGenerator<Batch, void, void> {
  const stream = await client.watchClient.watch()
  if (!(stream instanceof Duplex)) throw new TypeError('etcd3 no longer gives a Node stream')
  stream.on('error', () => {}) // the iteration below throws it; one after that is of no interest
  const end = (): void => stream.cancel()
  stop.addEventListener('abort', end)
  context.streams.set(stream, prefix)
  try {
    if (stop.aborted) return
    stream.write({ create_request: requestFor(prefix, after) })
    let fragments: IEvent[] = []
    for await (const response of stream as AsyncIterable<IWatchResponse>) {
      refuseCanceled(response)
      if (response.created) continue
      fragments = fragments.concat(response.events)
      if (response.fragment) continue // the rest of this revision is still to come
      yield batchOf(fragments, Number(response.header.revision))
      fragments = []
    }
  } finally {
    context.streams.delete(stream)
    stop.removeEventListener('abort', end)
    stream.cancel()
  }
}

function refuseCanceled(response: IWatchResponse): void {
  if (!response.canceled) return
  const compactedTo = Number(response.compact_revision)
  if (compactedTo > 0) throw new StorageError('compacted', `compacted to ${compactedTo}`, { compactedTo })
  throw new StorageError('unavailable', `etcd ended the watch: ${response.cancel_reason}`)
}

/** While a watch catches up the header is ahead of what was sent, so events speak for themselves. */
function batchOf(events: readonly IEvent[], headerRevision: Revision): Batch {
  if (events.length === 0) return { revision: headerRevision, events: [] }
  const converted = events.map(eventOf)
  return { revision: converted.at(-1)!.revision, events: converted }
}

function eventOf(event: IEvent): StorageEvent {
  const { kv, prev_kv: previous, type } = event
  const put = type === 'Put' || String(type) === 'PUT'
  return {
    kind: put ? 'put' : 'delete',
    key: kv.key.toString(),
    revision: Number(kv.mod_revision),
    created: put && kv.create_revision === kv.mod_revision,
    ...(put && { value: kv.value }),
    ...(previous && { previous: previous.value }),
  }
}
