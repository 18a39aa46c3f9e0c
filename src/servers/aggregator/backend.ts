/**
 * One remote APIService as requests see it: how it is reached, and whether it may be asked.
 *
 * Owns:     nothing: connections belong to proxy/upstreams.ts and are shared by equal TLS profiles.
 * Callers:  backends.ts makes one per APIService and spec; apiservice-table.ts routes to its handler.
 */
import type { APIService, ServiceReference } from '../../api/apiservice.ts'
import { StatusError, badRequest, serviceUnavailable } from '../../api/status-error.ts'
import type { KeyPair } from '../../http/certificates.ts'
import type { Handler } from '../../http/filter.ts'
import type { RequestContext } from '../../http/request-context.ts'
import { splitPath } from '../../http/request-info.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Tracer } from '../../observability/tracer.ts'
import { type ForwardRules, forward } from '../../proxy/forward.ts'
import type { ProxyMetrics } from '../../proxy/proxy-metrics.ts'
import { type TlsContexts, TlsProfile } from '../../proxy/upstream-tls.ts'
import type { UpstreamPool } from '../../proxy/upstream-pool.ts'
import type { Upstreams } from '../../proxy/upstreams.ts'
import type { IdentityNames } from '../../proxy/identity-headers.ts'
import { isLongRunning } from '../generic/long-running.ts'
import { bundleProblem } from './apiservice-validation.ts'
import type { ServiceResolver } from './service-resolver.ts'

/** `/apis/{group}/{version}` and the like: a probe or a discovery client must not hang on it. */
const DISCOVERY_TIMEOUT_MS = 5000

/** No name is one. A backend that resolves them would serve another object than the one that was authorized. */
const DOT_SEGMENT = /(?:^|\/)\.\.?(?:\/|$)/

export interface BackendSurroundings {
  readonly upstreams: Upstreams
  readonly resolver: ServiceResolver
  readonly metrics: ProxyMetrics
  readonly tracer: Tracer
  readonly clock: Clock
  readonly log: Logger
  readonly rejectRedirects: boolean
  readonly identityNames: IdentityNames
  readonly onMissingSan: () => void
  readonly tlsContexts: TlsContexts
  readonly terminated: (ctx: RequestContext, code: string, component: string) => void
}

export class Backend {
  readonly name: string
  readonly service: Required<ServiceReference>
  /** For clients: 503 while the APIService is not available. */
  readonly handler: Handler
  /** For our own probes and downloads, which find out whether it is available. */
  readonly direct: Handler
  readonly #o: BackendSurroundings
  readonly #tls: TlsProfile | Error
  readonly #rules: ForwardRules
  /** Judged by the registration controller from the stored condition. */
  available = false

  constructor(apiService: APIService, clientCertificate: KeyPair | undefined, o: BackendSurroundings) {
    const { namespace = '', name = '', port = 443 } = apiService.spec.service!
    this.name = apiService.metadata.name!
    this.service = { namespace, name, port }
    this.#o = o
    this.#tls = tlsOf(apiService, clientCertificate, o)
    this.#rules = {
      identity: 'requestheader',
      identityNames: o.identityNames,
      rejectRedirects: o.rejectRedirects,
      metrics: o.metrics.of(this.name),
      tracer: o.tracer,
      clock: o.clock,
    }
    this.direct = (ctx) => this.#forward(ctx)
    this.handler = (ctx) => {
      ctx.served('aggregator')
      ctx.textErrors = true
      if (!this.available) return this.#refuse(ctx, serviceUnavailable('service unavailable'))
      this.#forward(ctx)
    }
  }
  /** What is wrong with the CA bundle; undefined when it can be used. */
  get tlsProblem(): string | undefined {
    return this.#tls instanceof Error ? this.#tls.message : undefined
  }
  /** @throws Error where the service cannot be resolved. */
  url(path: string): string {
    const { host, port } = this.#o.resolver.resolve(this.service.namespace, this.service.name, this.service.port)
    return `https://${host.includes(':') ? `[${host}]` : host}:${port}${path}`
  }

  #forward(ctx: RequestContext): void {
    if (!ctx.user) return this.#refuse(ctx, new StatusError(500, '', 'missing user'))
    if (DOT_SEGMENT.test(ctx.path)) return this.#refuse(ctx, badRequest('a path may not hold the segments . and ..'))
    const pool = this.#pool(ctx)
    if (!pool) return
    const isDiscovery = !ctx.info.isResourceRequest && splitPath(ctx.path).length === 3
    forward(ctx, {
      rules: this.#rules,
      pool,
      longRunning: isLongRunning(ctx.info),
      ...(isDiscovery ? { firstByteTimeoutMs: DISCOVERY_TIMEOUT_MS } : {}),
    })
  }

  #pool(ctx: RequestContext): UpstreamPool | undefined {
    if (this.#tls instanceof Error) {
      this.#refuse(ctx, new StatusError(500, '', this.#tls.message))
      return undefined
    }
    const span = ctx.span.recording ? this.#o.tracer.start('resolve', { parent: ctx.span }) : undefined
    try {
      const { host, port } = this.#o.resolver.resolve(this.service.namespace, this.service.name, this.service.port)
      return this.#o.upstreams.pool({ host, port, tls: this.#tls })
    } catch (e) {
      ctx.log.warn('a backend cannot be resolved', { apiService: this.name, error: e })
      span?.fail(e)
      this.#refuse(ctx, serviceUnavailable('service unavailable'))
      return undefined
    } finally {
      span?.end()
    }
  }

  #refuse(ctx: RequestContext, error: StatusError): void {
    this.#o.terminated(ctx, String(error.code), 'aggregator')
    ctx.fail(error)
  }
}

function tlsOf(
  { spec }: APIService,
  clientCertificate: KeyPair | undefined,
  o: BackendSurroundings,
): TlsProfile | Error {
  const { namespace, name } = spec.service!
  // Node leaves out what it cannot parse, and would trust nobody without saying why.
  const problem = spec.caBundle ? bundleProblem(spec.caBundle) : undefined
  if (problem !== undefined) return new Error(problem)
  try {
    return new TlsProfile(
      {
        serverName: `${name}.${namespace}.svc`,
        ...(spec.caBundle ? { ca: Buffer.from(spec.caBundle, 'base64').toString('utf8') } : {}),
        insecureSkipVerify: spec.insecureSkipTLSVerify === true,
        ...(clientCertificate ? { clientCertificate } : {}),
      },
      o.onMissingSan,
      o.tlsContexts,
    )
  } catch (e) {
    return new Error(`unable to load root certificates: ${(e as Error).message}`)
  }
}
