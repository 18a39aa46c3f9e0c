/**
 * A delegate that is another API server: what it serves is asked of it over the network, with the caller's identity.
 *
 * Owns:     the background work that keeps its discovery and OpenAPI documents.
 * Callers:  app/run/wire-fronted.ts makes one per configured delegate.
 * Not here: connections and credentials (fronted-connection.ts).
 *
 * Requests of this process itself (informers, downloads) go with our own credentials, all others as their caller.
 */
import type { ClusterAccess } from '../../../client/kubeconfig.ts'
import type { Transport } from '../../../client/transport.ts'
import { StatusError, badRequest, serviceUnavailable } from '../../../api/status-error.ts'
import type { UserInfo } from '../../../api/meta.ts'
import type { GroupDiscovery } from '../../../endpoints/discovery-types.ts'
import type { OpenApiSource } from '../../../endpoints/openapi/openapi-source.ts'
import type { KeyPair } from '../../../http/certificates.ts'
import type { Handler } from '../../../http/filter.ts'
import type { RequestContext } from '../../../http/request-context.ts'
import type { RequestInfo } from '../../../http/request-info.ts'
import { type Clock, sleep } from '../../../lib/clock.ts'
import { untilAborted } from '../../../lib/deferred.ts'
import type { Lifetime } from '../../../lib/lifetime.ts'
import { Publisher, type Published } from '../../../lib/published.ts'
import type { Logger } from '../../../observability/logger.ts'
import { forward } from '../../../proxy/forward.ts'
import type { Delegate, PostStartHook, Route } from '../../generic/delegate.ts'
import type { HealthCheck } from '../../generic/health.ts'
import { inProcessTransport } from '../../generic/in-process-transport.ts'
import { isLongRunning } from '../../generic/long-running.ts'
import { DOT_SEGMENT } from '../backends/backend.ts'
import type { DiagnosedServer } from '../diagnosis/diagnosis.ts'
import type { RunOpenApiWork } from '../openapi/openapi-work.ts'
import {
  type CallerIdentity,
  type FrontedConnection,
  type FrontedConnectionOptions,
  connectFronted,
} from './fronted-connection.ts'
import { CallersWay, PROBE_CALLER } from './callers-way.ts'
import { FrontedDiscovery } from './fronted-discovery.ts'
import { type GroupFilter, groupOfPath } from './fronted-groups.ts'
import { FrontedOpenApi } from './fronted-openapi.ts'
import { FrontedPaths } from './fronted-paths.ts'

const DISCOVERY_EVERY_MS = 5000
/** The interval of reading while clients read. The index of version 3 is small; version 2 is one large document, which an ETag spares. */
const OPENAPI_EVERY_MS = { v3: 1_000, v2: 8_000 }
/** A server that does not answer is asked again soon: it is noticed when it is back. */
const AFTER_FAILURE_MS = 1000
/** A client that makes a kind uses it next: what is new shows soon. */
const AFTER_WRITE = { everyMs: 500, forMs: 10_000 }
const KINDS_OF_KINDS = new Set(['apiextensions.k8s.io', 'apiregistration.k8s.io'])
const ASK_TIMEOUT_MS = 30_000
const READS = new Set(['get', 'list', 'watch'])

export interface FrontedDelegateOptions extends Omit<FrontedConnectionOptions, 'access' | 'frontProxy'> {
  readonly access: Published<ClusterAccess>
  readonly frontProxy: Published<KeyPair>
  readonly identity: CallerIdentity
  readonly serves: GroupFilter
  /** Also paths of no group, where no other delegate claims them. */
  readonly otherPaths: boolean
  /** The user of this process, where it asks for itself. */
  readonly self: UserInfo
  readonly log: Logger
  readonly life: Lifetime
  readonly runOpenApi: RunOpenApiWork
}

export class FrontedDelegate implements Delegate {
  readonly name: string
  readonly installed = new Publisher(false)
  readonly postStartHooks: readonly PostStartHook[]
  readonly healthChecks: readonly HealthCheck[]
  readonly openapi: OpenApiSource
  readonly #documents: { readonly v3: FrontedOpenApi; readonly v2: FrontedOpenApi }
  readonly #o: FrontedDelegateOptions
  readonly #discovery: FrontedDiscovery
  readonly #paths: FrontedPaths
  readonly #callersWay: CallersWay
  readonly #handler: Handler
  /** An error says why the credentials cannot be used. */
  #connection: FrontedConnection | Error
  /** Monotonic ms until which discovery is asked for often. */
  #busyUntilMs = 0
  readonly #discoveryPause: Pause
  readonly #openApiPauses: { readonly v3: Pause; readonly v2: Pause }

  constructor(o: FrontedDelegateOptions) {
    this.name = o.name
    this.#o = o
    this.#connection = this.#connect()
    o.access.subscribe(() => this.#reconnect())
    o.frontProxy.subscribe(() => this.#reconnect())
    this.#handler = (ctx) => this.#serve(ctx, ctx.exchange.connection.inProcess === true ? 'own' : 'callers')
    const transport = this.#ownTransport()
    this.#discovery = new FrontedDiscovery({ transport, clock: o.clock, serves: o.serves })
    this.#paths = new FrontedPaths(transport)
    this.#callersWay = new CallersWay(
      this.#transportOf((ctx) => this.#serve(ctx, 'callers'), PROBE_CALLER),
      o.identity,
    )
    const documents = { transport, serves: (path: string) => this.#describes(path), run: o.runOpenApi }
    this.#documents = {
      v3: new FrontedOpenApi({ ...documents, version: 'v3' }),
      v2: new FrontedOpenApi({ ...documents, version: 'v2' }),
    }
    this.openapi = { remote: { ...this.#documents, isBase: o.otherPaths } }
    this.#discoveryPause = new Pause(o.clock)
    this.#openApiPauses = { v3: new Pause(o.clock), v2: new Pause(o.clock) }
    this.#discovery.groups.subscribe(() => {
      this.#openApiPauses.v3.end()
      this.#openApiPauses.v2.end()
    })
    this.postStartHooks = [{ name: `delegate-${o.name}`, run: async () => this.#startRefreshing() }]
    const check = (): string | undefined => this.#discovery.problem ?? this.#callersWay.problem
    this.healthChecks = [{ name: `delegate-${o.name}`, check, probes: ['readyz'] }]
  }
  get discovery(): Published<readonly GroupDiscovery[]> {
    return this.#discovery.groups
  }
  /** What it serves is known: what is not in its discovery is not there. */
  get discoveryLoaded(): boolean {
    return this.#discovery.isKnown
  }
  /** For the doctor: over the connections of callers, asked with our own credentials. */
  get diagnosed(): DiagnosedServer {
    return {
      name: this.name,
      text: this.#o.access.value.server,
      addresses: () => {
        if (this.#connection instanceof Error) throw this.#connection
        const endpoint = this.#connection.callers.endpoints.pick(false)
        return endpoint ? [endpoint.address] : []
      },
      refused: () => [],
      transport: this.#ownTransport(),
      problemOfCallers: (signal) => this.#callersWay.ask(signal),
    }
  }
  /** Whether this server gets all that no other delegate serves: what it says of itself is said of the whole. */
  get isForEverything(): boolean {
    return this.#o.otherPaths
  }
  /** undefined: it was never reached. */
  get version(): object | undefined {
    return this.#paths.version
  }
  /** Whether it answers, as far as is known. */
  get isAnswering(): boolean {
    return this.#discovery.problem === undefined
  }
  listedPaths(): readonly string[] {
    return this.#paths.listed.filter((path) => this.#describes(path))
  }

  route(info: RequestInfo): Route | undefined {
    const claimed = info.isResourceRequest ? this.#o.serves(info.apiGroup) : this.#claims(info.path)
    if (!claimed) return undefined
    const server = this.#o.access.value.server
    const what = info.isResourceRequest ? `group ${info.apiGroup === '' ? 'core' : info.apiGroup}` : info.path
    return { handler: this.#handler, owner: this.name, reason: `${what} is served by ${server}` }
  }

  /** Paths of no group go to the delegate for everything; discovery's own are merged, not handed on. */
  #claims(path: string): boolean {
    const group = groupOfPath(path)
    if (group !== undefined) return this.#o.serves(group)
    return this.#o.otherPaths && !/^\/(api|apis|openapi|version)?\/?$/.test(path)
  }

  /** What is said of it in lists and documents: also the roots that are merged, where everything is left to it. */
  #describes(path: string): boolean {
    const group = groupOfPath(path)
    return group === undefined ? this.#o.otherPaths : this.#o.serves(group)
  }

  #serve(ctx: RequestContext, as: 'own' | 'callers'): void {
    ctx.served('apiserver')
    const connection = this.#connection
    if (connection instanceof Error) {
      ctx.log.warn('a fronted server cannot be reached with these credentials', {
        delegate: this.name,
        error: connection,
      })
      throw serviceUnavailable('service unavailable')
    }
    if (DOT_SEGMENT.test(ctx.path)) throw badRequest('a path may not hold the segments . and ..')
    const isCaller = as === 'callers'
    if (isCaller && this.#o.identity === 'passthrough') refuseWhatCannotPass(ctx)
    if (isCaller && KINDS_OF_KINDS.has(ctx.info.apiGroup) && !READS.has(ctx.info.verb)) this.#lookOften()
    const { pathPrefix } = connection
    forward(ctx, {
      ...connection[as],
      longRunning: isLongRunning(ctx.info),
      ...(pathPrefix === '' ? {} : { target: pathPrefix + ctx.exchange.target }),
    })
  }

  #ownTransport(): Transport {
    return this.#transportOf(this.#handler, this.#o.self)
  }
  #transportOf(handler: Handler, user: UserInfo): Transport {
    const { clock, log } = this.#o
    return inProcessTransport({
      handler,
      user,
      clock,
      log,
      rejectErrors: true,
      timeoutMs: ASK_TIMEOUT_MS,
    })
  }

  #connect(): FrontedConnection | Error {
    try {
      return connectFronted({ ...this.#o, access: this.#o.access.value, frontProxy: this.#o.frontProxy.value })
    } catch (e) {
      return e as Error
    }
  }
  /** The halves of a pair are replaced one after the other: until they match, the last good ones stay. */
  #reconnect(): void {
    const next = this.#connect()
    if (next instanceof Error && !(this.#connection instanceof Error))
      return this.#o.log.warn('changed credentials for a fronted server cannot be used; the old ones stay', {
        delegate: this.name,
        error: next,
      })
    this.#connection = next
  }

  #lookOften(): void {
    this.#busyUntilMs = this.#o.clock.monotonicMs() + AFTER_WRITE.forMs
    this.#discoveryPause.end()
  }

  /** Resolves when what it offers was asked for once, whether or not it answered: readyz tells the rest. */
  async #startRefreshing(): Promise<void> {
    const { life } = this.#o
    await this.#readServer(life.signal)
    const running = Promise.all([
      this.#keepDiscovery(life.signal),
      this.#keepOpenApi('v3', life.signal),
      this.#keepOpenApi('v2', life.signal),
    ])
    life.defer(() => running.then(() => undefined))
  }
  async #keepDiscovery(signal: AbortSignal): Promise<void> {
    const { clock } = this.#o
    while (!signal.aborted) {
      const busy = clock.monotonicMs() < this.#busyUntilMs
      const failing = this.#discovery.isFailing || this.#callersWay.problem !== undefined
      const soon = failing ? AFTER_FAILURE_MS : DISCOVERY_EVERY_MS
      await this.#discoveryPause.wait(busy ? AFTER_WRITE.everyMs : soon, signal)
      if (!signal.aborted) await this.#readServer(signal)
    }
  }
  async #readServer(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#tryRefresh(() => this.#discovery.refresh(signal)),
      this.#callersWay.look(signal),
      this.#paths.refresh(signal),
    ])
  }
  /** Reads the documents again and again while clients read them. */
  async #keepOpenApi(version: 'v3' | 'v2', signal: AbortSignal): Promise<void> {
    const documents = this.#documents[version]
    const stopped = untilAborted(signal)
    while (!signal.aborted) {
      await Promise.race([documents.wanted, stopped])
      if (signal.aborted) return
      const well = await this.#tryRefresh(() => documents.refresh(signal))
      await this.#openApiPauses[version].wait(well ? OPENAPI_EVERY_MS[version] : AFTER_FAILURE_MS, signal)
    }
  }
  async #tryRefresh(refresh: () => Promise<void>): Promise<boolean> {
    try {
      await refresh()
      if (this.discoveryLoaded && !this.installed.value) this.installed.publish(true)
      return true
    } catch (error) {
      if (!this.#o.life.signal.aborted)
        this.#o.log.verbose?.('a fronted server did not answer; what was known of it stays', {
          delegate: this.name,
          error,
        })
      return false
    }
  }
}

/** A wait that may be ended early. */
class Pause {
  readonly #clock: Clock
  #early: AbortController | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    this.#early = new AbortController()
    await sleep(this.#clock, ms, AbortSignal.any([signal, this.#early.signal])).catch(() => {})
    this.#early = undefined
  }
  end(): void {
    this.#early?.abort()
  }
}

/**
 * The server behind would see the user that the token names, or none: not the user who was let in here.
 * @throws StatusError 403
 */
function refuseWhatCannotPass(ctx: RequestContext): void {
  const trust = ctx.exchange.connection.clientCertificate?.chainsTo
  if (!trust?.clientCA && !trust?.frontProxyCA) return
  const how = trust.frontProxyCA ? 'by a front proxy' : 'by a client certificate'
  throw new StatusError(
    403,
    'Forbidden',
    `the server behind this one takes bearer tokens only: ${JSON.stringify(ctx.user?.name ?? '')} is known here ${how}, which cannot be passed on`,
    { details: {} },
  )
}
