/**
 * Compacts a shared etcd once per interval, whoever of all servers on it comes first: each tries a compare-and-swap
 * of one key, whose version counts the intervals. Source: Kubernetes v1.35, storage/etcd3/compact.go; the key is the
 * same, so that these servers and kube-apiservers on one etcd take turns.
 */
import type { Etcd3 } from 'etcd3'
import type { Cancel, Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Revision } from '../storage.ts'
import type { EtcdClients } from './etcd-clients.ts'

const KEY = Buffer.from('compact_rev_key')

/** The last revision that any server has compacted to in its turn; 0 where there was none. */
export async function compactedTo(client: Etcd3, options: { deadline: number }): Promise<Revision> {
  const { kvs } = await client.kv.range({ key: KEY }, options)
  return Number(kvs[0]?.value.toString() ?? 0)
}

export class EtcdCompaction {
  readonly #clients: EtcdClients
  readonly #compact: (upTo: Revision) => Promise<void>
  /** The version of the key that we have seen: the number of intervals so far. */
  #version = 0
  /** The revision at the end of the interval before. */
  #revision: Revision = 0

  constructor(clients: EtcdClients, compact: (upTo: Revision) => Promise<void>) {
    this.#clients = clients
    this.#compact = compact
  }

  /** One interval's turn. @returns what was compacted to, if it was ours to do. */
  async turn(): Promise<Revision | undefined> {
    const answer = await this.#clients.call((client, options) =>
      client.kv.txn(
        {
          compare: [{ key: KEY, target: 'Version', result: 'Equal', version: this.#version }],
          success: [{ request_put: { key: KEY, value: Buffer.from(String(this.#revision)) } }],
          failure: [{ request_range: { key: KEY } }],
        },
        options,
      ),
    )
    const before = this.#revision
    this.#revision = Number(answer.header.revision)
    if (!answer.succeeded) {
      this.#version = Number(answer.responses[0]?.response_range.kvs[0]?.version ?? 0)
      return undefined
    }
    this.#version++
    if (before === 0) return undefined // just started: no interval is behind us
    await this.#compact(before)
    return before
  }

  /** @returns what stops it. */
  every(intervalMs: number, o: { clock: Clock; log: Logger }): Cancel {
    let stopped = false
    let cancel: Cancel = () => {}
    const run = async (): Promise<void> => {
      try {
        await this.turn()
      } catch (error) {
        if (!stopped) o.log.warn('etcd could not be compacted', { error })
      }
      if (!stopped) cancel = o.clock.after(intervalMs, () => void run())
    }
    cancel = o.clock.after(intervalMs, () => void run())
    return () => {
      stopped = true
      cancel()
    }
  }
}
