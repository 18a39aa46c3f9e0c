/**
 * Storage in an etcd cluster, which several servers share.
 *
 * Owns:     the connections, the watches' streams and the compaction timer; released by [Symbol.asyncDispose].
 * Not here: connections (etcd-clients.ts), watches (etcd-watch.ts).
 */
import type { ICompare, IKeyValue, IRequestOp, ITxnResponse } from 'etcd3'
import type { Cancel, Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import { keyAfter } from '../key-order.ts'
import { DEFAULT_COMPACTION_INTERVAL_MS } from '../periodic-compaction.ts'
import {
  type Batch,
  type ListOptions,
  type ListResult,
  type Revision,
  type Storage,
  StorageError,
  type StoredValue,
  type WriteResult,
} from '../storage.ts'
import { EtcdClients, type EtcdConnection } from './etcd-clients.ts'
import { compactedTo, EtcdCompaction } from './etcd-compaction.ts'
import { EtcdLeases } from './etcd-leases.ts'
import { prefixEnd } from './etcd-range.ts'
import { type WatchContext, watchPrefix } from './etcd-watch.ts'
import { ProgressSupport } from './progress-support.ts'

export interface EtcdStorageOptions extends EtcdConnection {
  readonly clock: Clock
  readonly log: Logger
  /** 0: never. Default 5 minutes. */
  readonly compactionIntervalMs?: number
}

/** Keys in one answer; pages double to the most. Source: Kubernetes v1.35, storage/etcd3/store.go. */
const FIRST_PAGE = 500
const MOST_PAGE = 10_000

export class EtcdStorage implements Storage {
  readonly #progress: ProgressSupport
  readonly #clients: EtcdClients
  readonly #leases: EtcdLeases
  readonly #watches: WatchContext
  readonly #close = new AbortController()
  readonly #stopCompaction: Cancel

  /** Does not wait for etcd, which need not be there yet. */
  constructor(o: EtcdStorageOptions) {
    const clients = new EtcdClients(o)
    this.#progress = new ProgressSupport(clients, o.clock)
    this.#clients = clients
    this.#leases = new EtcdLeases(clients, o.clock)
    this.#watches = { clients, clock: o.clock, log: o.log, closed: this.#close.signal, streams: new Map() }
    const intervalMs = o.compactionIntervalMs ?? DEFAULT_COMPACTION_INTERVAL_MS
    const compaction = new EtcdCompaction(clients, (upTo) => this.compact(upTo))
    this.#stopCompaction = intervalMs > 0 ? compaction.every(intervalMs, o) : () => {}
  }

  /** 'unproven' until every member has told its version, by way of currentRevision(). */
  get freshness(): 'progress' | 'unproven' {
    return this.#progress.proved ? 'progress' : 'unproven'
  }

  async get(key: string, at?: Revision): Promise<{ item?: StoredValue; revision: Revision }> {
    const request = { key: Buffer.from(key), ...(at !== undefined && { revision: at }) }
    const answer = await this.#clients.call((client, options) => client.kv.range(request, options))
    const revision = Number(answer.header.revision)
    const kv = answer.kvs[0]
    return kv ? { item: itemOf(kv), revision } : { revision }
  }

  async list(prefix: string, o: ListOptions): Promise<ListResult> {
    const after = o.after === undefined ? undefined : keyAfter(o.after)
    let key = startOf(prefix, after)
    let at = o.at
    const wanted = o.limit ?? Number.POSITIVE_INFINITY
    const items: StoredValue[] = []
    for (let page = FIRST_PAGE; ; page = Math.min(page * 2, MOST_PAGE)) {
      const limit = Math.min(page, wanted - items.length)
      const range = { key, range_end: prefixEnd(prefix), limit, ...(at !== undefined && { revision: at }) }
      const answer = await this.#clients.call((client, options) => client.kv.range(range, options))
      at ??= Number(answer.header.revision)
      for (const kv of answer.kvs) items.push(itemOf(kv))
      const remaining = Number(answer.count) - answer.kvs.length
      const more = remaining > 0
      if (!more || items.length >= wanted) return { items, revision: at, more, ...(o.count && { remaining }) }
      key = Buffer.from(keyAfter(items.at(-1)!.key))
    }
  }

  async put(
    key: string,
    value: Uint8Array,
    o: { expected: Revision | 'absent'; ttlSeconds?: number },
  ): Promise<WriteResult> {
    const lease = o.ttlSeconds === undefined ? '0' : await this.#leases.for(o.ttlSeconds)
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    const expected = o.expected === 'absent' ? 0 : o.expected
    const write = { request_put: { key: Buffer.from(key), value: bytes, lease } }
    return this.#swap(key, expected, write, (current) => current !== undefined && bytes.equals(current.value))
  }

  async delete(key: string, expected: Revision): Promise<WriteResult> {
    const write = { request_delete_range: { key: Buffer.from(key) } }
    return this.#swap(key, expected, write, () => false)
  }

  watch(prefix: string, o: { after: Revision; signal: AbortSignal }): AsyncIterable<Batch> {
    return watchPrefix(this.#watches, prefix, o)
  }

  /** Each watch has a stream of its own, so etcd answers on those that were asked for alone. */
  requestProgress(prefix: string): void {
    if (!this.#progress.proved) return
    for (const [stream, watched] of this.#watches.streams)
      if (watched === prefix) stream.write({ progress_request: {} })
  }

  async compact(upTo: Revision): Promise<void> {
    try {
      await this.#clients.call((client, options) => client.kv.compact({ revision: upTo }, options))
    } catch (error) {
      if (!(error instanceof StorageError && error.code === 'compacted')) throw error // it is what was asked for
    }
  }

  async currentRevision(): Promise<Revision> {
    const request = { key: Buffer.from([0]), keys_only: true, limit: 1 } // linearizable, and only one key is looked for
    const answer = await this.#clients.call((client, options) => client.kv.range(request, options))
    void this.#progress.check()
    return Number(answer.header.revision)
  }

  /** What the servers that share this etcd have compacted it to; whoever else compacts it is not known. */
  async oldestRevision(): Promise<Revision> {
    await this.#progress.check() // who reads history next must know whether it can tell where that ends
    return Math.max(1, await this.#clients.call(compactedTo))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopCompaction()
    this.#close.abort()
    this.#clients.close()
  }

  /**
   * Repeating it is safe while the connection fails: only one of the tries can find the expected revision. When a
   * repeated one does not, the first may have been done; what the key holds now tells, or else nobody can.
   * @param isOurs whether the value that is there is the one that was to be written.
   */
  async #swap(
    key: string,
    expected: Revision,
    write: IRequestOp,
    isOurs: (current: StoredValue | undefined) => boolean,
  ): Promise<WriteResult> {
    const bytes = Buffer.from(key)
    const compare: ICompare = { key: bytes, target: 'Mod', result: 'Equal', mod_revision: expected }
    let tries = 0
    const answer: ITxnResponse = await this.#clients.call((client, options) => {
      tries++
      const failure = [{ request_range: { key: bytes } }]
      return client.kv.txn({ compare: [compare], success: [write], failure }, options)
    })
    if (answer.succeeded) return { kind: 'written', revision: Number(answer.header.revision) }
    const kv = answer.responses[0]?.response_range.kvs[0]
    const current = kv && itemOf(kv)
    if (tries === 1) return { kind: 'conflict', current }
    if (current && isOurs(current)) return { kind: 'written', revision: current.revision }
    if (current) return { kind: 'conflict', current }
    throw new StorageError('unavailable', `whether ${key} was written is not known: the connection broke`)
  }
}

const itemOf = (kv: IKeyValue): StoredValue => ({
  key: kv.key.toString(),
  value: kv.value,
  revision: Number(kv.mod_revision),
})

function startOf(prefix: string, after: string | undefined): Buffer {
  const start = prefix === '' ? Buffer.from([0]) : Buffer.from(prefix)
  if (after === undefined) return start
  const bytes = Buffer.from(after)
  return Buffer.compare(bytes, start) > 0 ? bytes : start
}
