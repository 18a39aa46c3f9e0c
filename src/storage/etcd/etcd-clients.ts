/**
 * Connections to the members of one etcd cluster: calls go to one member until it fails, then to the next.
 * etcd3 is used for its generated stubs only: it retries nothing here, since a retry must know what it repeats.
 *
 * Owns:     one client per member, released by close().
 * Not here: watches' resumption (etcd-watch.ts).
 */
import { readFileSync } from 'node:fs'
import { Etcd3, type IOptions } from 'etcd3'
import { StorageError, type StorageErrorCode } from '../storage.ts'

export interface EtcdConnection {
  /** `https://host:port`, or `host:port` without TLS. */
  readonly servers: readonly string[]
  readonly cafile?: string
  /** Needs keyfile. */
  readonly certfile?: string
  readonly keyfile?: string
  /** For one call at one member. Default 5 s. */
  readonly timeoutMs?: number
}
type Policy = ReturnType<NonNullable<NonNullable<IOptions['faultHandling']>['host']>>

export class EtcdClients {
  readonly #clients: readonly Etcd3[]
  readonly #timeoutMs: number
  #preferred = 0
  #closed = false

  constructor(o: EtcdConnection) {
    this.#timeoutMs = o.timeoutMs ?? 5000
    const credentials = o.cafile === undefined ? {} : { credentials: credentialsOf(o, o.cafile) }
    this.#clients = o.servers.map(
      (hosts) =>
        new Etcd3({
          hosts,
          ...credentials,
          grpcOptions: {
            'grpc.max_receive_message_length': -1, // a page of large values is more than the default 4 MiB
            'grpc.keepalive_time_ms': 10_000,
            'grpc.keepalive_timeout_ms': 5000,
            'grpc.initial_reconnect_backoff_ms': 100,
            'grpc.max_reconnect_backoff_ms': 2000,
          },
          faultHandling: { global: callOnce(), host: callOnce },
        }),
    )
  }

  /** The member that calls go to now. */
  get current(): Etcd3 {
    return this.#clients[this.#preferred]!
  }
  get all(): readonly Etcd3[] {
    return this.#clients
  }
  /** The member failed: calls go to the next one, unless somebody has moved on already. */
  avoid(client: Etcd3): void {
    if (this.current === client) this.#preferred = (this.#preferred + 1) % this.#clients.length
  }

  /**
   * Runs a call that may be repeated, at each member in turn while they cannot be reached.
   * @throws StorageError.
   */
  async call<T>(run: (client: Etcd3, options: { deadline: number }) => Promise<T>): Promise<T> {
    let failure: StorageError | undefined
    for (let tries = 0; tries < this.#clients.length; tries++) {
      if (this.#closed) throw new StorageError('unavailable', 'the storage is closed')
      const client = this.current
      try {
        return await run(client, { deadline: Date.now() + this.#timeoutMs }) // gRPC wants the wall clock's time
      } catch (error) {
        failure = storageError(error)
        if (failure.code !== 'unavailable') throw failure
        this.avoid(client)
      }
    }
    throw failure!
  }

  close(): void {
    this.#closed = true
    for (const client of this.#clients) client.close()
  }
}

function credentialsOf(o: EtcdConnection, cafile: string): NonNullable<IOptions['credentials']> {
  const rootCertificate = readFileSync(cafile)
  if (o.certfile === undefined || o.keyfile === undefined) return { rootCertificate }
  return { rootCertificate, certChain: readFileSync(o.certfile), privateKey: readFileSync(o.keyfile) }
}

/** The policy that adds nothing: no retry, no circuit breaker. */
function callOnce(): Policy {
  const never = (): { dispose(): void } => ({ dispose() {} })
  return {
    _altReturn: undefined as never,
    onSuccess: never,
    onFailure: never,
    execute: async (fn, signal) => fn({ signal: signal ?? new AbortController().signal }),
  }
}

/** In the order of the check. Texts: etcd v3.5, api/v3rpc/rpctypes/error.go. */
const TEXTS: readonly (readonly [string, StorageErrorCode])[] = [
  ['has been compacted', 'compacted'],
  ['is a future revision', 'future'],
  ['request is too large', 'too-large'],
  ['message larger than max', 'too-large'],
]

/** What is not known to be an answer of etcd is 'unavailable': the call may or may not have been done. */
export function storageError(thrown: unknown): StorageError {
  if (thrown instanceof StorageError) return thrown
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const code = TEXTS.find(([part]) => text.includes(part))?.[1] ?? 'unavailable'
  return new StorageError(code, `etcd: ${text}`, { cause: thrown })
}
