/**
 * A server that a URL names, with the credentials for it, both of which can be replaced while it is used.
 *
 * Owns:     its target and its connections.
 * Callers:  app/, for reviews that are delegated; cli/.
 * Not here: reading kubeconfigs (client/kubeconfig.ts), traffic of clients (proxy/forward.ts).
 */
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import { TlsContexts, type TlsProfileOptions } from '../upstream-tls.ts'
import { Upstreams } from '../upstreams.ts'
import { urlSource } from './endpoint-source.ts'
import type { ReachMetrics } from './reach-metrics.ts'
import { Target, type TargetOptions } from './target.ts'
import { type StreamedAnswer, transportOver, type WholeRequest } from './transport.ts'

/** As client/kubeconfig.ts reads it. */
export interface RemoteAccess extends Omit<TlsProfileOptions, 'serverName'> {
  /** http or https; its path stands before that of each request. */
  readonly server: string
  /** Verified instead of the server's host. */
  readonly serverName?: string | undefined
  /** `Bearer ...` or `Basic ...`. */
  readonly authorization?: string | undefined
}
export interface RemoteServerOptions {
  readonly clock: Clock
  readonly log: Logger
  /** Told of a certificate without subject alternative names, which is refused. */
  readonly onMissingSan?: () => void
  /** Until the head of an answer; default 60 s. */
  readonly firstByteTimeoutMs?: number
  readonly metrics?: ReachMetrics
}

/** Enough for the reviews of a busy server; further requests wait for their turn. */
const MAX_CONNECTIONS = 32
const FIRST_BYTE_MS = 60_000

export class RemoteServer implements AsyncDisposable {
  readonly #upstreams: Upstreams
  readonly #target: Target
  readonly #options: Omit<TargetOptions, 'source'>
  #access: RemoteAccess
  /** Rejects with an UpstreamError, or with the signal's reason. */
  readonly transport: (request: WholeRequest) => Promise<StreamedAnswer>

  constructor(access: RemoteAccess, o: RemoteServerOptions) {
    const { clock, log, metrics } = o
    this.#access = access
    this.#upstreams = new Upstreams({ clock, maxConnections: MAX_CONNECTIONS })
    this.#options = {
      parts: { upstreams: this.#upstreams, tlsContexts: new TlsContexts(), clock, log, random: Math.random },
      tls: () => ({
        ...this.#access,
        serverName: this.#access.serverName ?? urlSource(this.#access.server).serverName,
      }),
      onMissingSan: o.onMissingSan ?? (() => {}),
    }
    this.#target = new Target({ ...this.#options, source: urlSource(access.server) })
    this.transport = transportOver({
      target: this.#target,
      clock,
      metrics,
      firstByteTimeoutMs: o.firstByteTimeoutMs ?? FIRST_BYTE_MS,
      authorization: () => this.#access.authorization,
    })
  }
  get server(): string {
    return this.#access.server
  }
  /** Requests under way end with the old credentials, new ones begin with these. Pairs that do not match are left out. */
  update(access: RemoteAccess): void {
    const moved = access.server !== this.#access.server
    this.#access = access
    if (moved) this.#target.reconfigure({ ...this.#options, source: urlSource(access.server) })
    else this.#target.securityChanged()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#target.stop()
    await this.#upstreams[Symbol.asyncDispose]()
  }
}
