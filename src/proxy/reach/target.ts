/**
 * One server that is reached over the network: its endpoints, kept in step with their source, and how connections to it
 * are secured.
 *
 * Owns:     the endpoint set and its source; connections belong to proxy/upstreams.ts.
 * Callers:  backends of APIServices (servers/aggregator), whose requests come from clients; remote-server.ts and
 *           webhooks, whose requests are this process's own (transport.ts).
 */
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import { type BalancingRules, defaultBalancing, type Endpoint, EndpointSet } from '../endpoint-set.ts'
import type { Address } from '../dial.ts'
import { type TlsContexts, TlsProfile, type TlsProfileOptions } from '../upstream-tls.ts'
import type { PoolSettings, Upstreams } from '../upstreams.ts'
import { type Expiry, firstExpiryMs } from './certificate-expiry.ts'
import type { EndpointSource } from './endpoint-source.ts'
import { addressGuard, forbiddenAddress, type ForbiddenAddresses } from './forbidden-addresses.ts'

/** An error says what is wrong with the certificates. */
export type TlsSettings = TlsProfileOptions | Error

/** What all targets of a process share. */
export interface ReachParts {
  readonly upstreams: Upstreams
  readonly tlsContexts: TlsContexts
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}
export interface TargetOptions {
  readonly parts: ReachParts
  readonly source: EndpointSource
  /** Asked at each start and each securityChanged(). */
  readonly tls: () => TlsSettings
  readonly onMissingSan: () => void
  /** Default: what balances well in general. */
  readonly balancing?: BalancingRules
  /** Default: what `upstreams` was made with. */
  readonly pool?: PoolSettings
  /** Default: it may lead anywhere. */
  readonly forbidden?: ForbiddenAddresses
  /** Ms over which the watches of an endpoint that goes are ended. Default 0. */
  readonly drainMs?: number
  /** Requests to this endpoint fail: it is left out for a while. */
  readonly onEject?: (endpointId: string) => void
  /** What stands in the way of reaching the server is another thing than before, or nothing. */
  readonly onProblem?: () => void
}

export class Target {
  #o: TargetOptions
  readonly endpoints: EndpointSet
  /** undefined: plain. */
  #tls: TlsProfile | Error | undefined
  #profileOf: (host: string) => TlsProfile | Error = () => new Error('not secured')
  #ownExpiries: readonly Expiry[] = []
  #problem: string | undefined
  #refused: readonly string[] = []
  #told: string | undefined
  #stopped = false

  constructor(o: TargetOptions) {
    this.#o = o
    this.endpoints = new EndpointSet({
      clock: o.parts.clock,
      random: o.parts.random,
      rules: () => this.#o.balancing ?? defaultBalancing,
      poolOf: (address) => this.#o.parts.upstreams.pool(address, this.#o.pool),
      onEject: (endpoint) => {
        const { parts, source } = this.#o
        this.#o.onEject?.(endpoint.id)
        parts.log.warn('an endpoint fails and is left out for a while', { backend: source.text, endpoint: endpoint.id })
      },
      onDrain: (endpoint) => this.#drain(endpoint),
    })
    this.#start()
  }
  /** Other settings, or another source: endpoints that stay go on with what they have, those that went are drained. */
  reconfigure(o: TargetOptions): void {
    this.#o.source.stop()
    this.#o = o
    this.#tls = undefined
    this.#start()
  }
  #start(): void {
    this.securityChanged()
    const { source } = this.#o
    source.start(() => {
      if (source === this.#o.source) this.refresh()
    })
  }
  get text(): string {
    return this.#o.source.text
  }
  get pathPrefix(): string {
    return this.#o.source.pathPrefix
  }
  get authority(): string | undefined {
    return this.#o.source.authority
  }
  /** What is wrong with the certificates; undefined when they can be used. */
  get tlsProblem(): string | undefined {
    return this.#tls instanceof Error ? this.#tls.message : undefined
  }
  /** Of the certificates in use here, as far as they are known. */
  get expiries(): readonly Expiry[] {
    const found: Expiry[] = [...this.#ownExpiries]
    const seen = this.endpoints.members.flatMap((e) => e.address.tls?.peerExpiresMs ?? [])
    if (seen.length > 0) found.push({ use: 'backend', atMs: Math.min(...seen) })
    return found
  }
  /** Why there is no endpoint. */
  get problem(): string {
    return this.#problem ?? 'no endpoints available'
  }
  /** Why endpoints that its source has are not used. */
  get refused(): readonly string[] {
    return this.#refused
  }
  get serverName(): string {
    return this.#tls instanceof TlsProfile ? this.#tls.serverName : this.#o.source.serverName
  }

  /** A Service, its endpoints or an address changed. */
  refresh(): void {
    if (this.#stopped) return
    const before = this.#told
    if (!(this.#tls instanceof Error)) this.#find()
    this.#told = this.tlsProblem ?? this.#problem
    if (this.#told !== before) this.#o.onProblem?.()
  }
  #find(): void {
    const { source, forbidden } = this.#o
    try {
      const found = source.endpoints()
      const why = new Map(found.map((e) => [e, forbidden && forbiddenAddress(e, forbidden, source.mayBeOwn)]))
      const allowed = found.filter((e) => why.get(e) === undefined)
      this.#refuse([...why.values()].filter((reason) => reason !== undefined))
      this.#problem = allowed.length === 0 ? this.#refused[0] : undefined
      const guard = forbidden && addressGuard(forbidden, source.mayBeOwn)
      this.endpoints.update(
        allowed.map(({ host, port, path, zone, terminating }) => {
          const profile = this.#tls === undefined ? undefined : this.#profileOf(host)
          return {
            address: { host, port, tls: profile instanceof Error ? undefined : profile, path, guard },
            zone,
            terminating,
          }
        }),
      )
    } catch (e) {
      this.#problem = (e as Error).message
      this.endpoints.update([])
    }
  }
  #refuse(reasons: readonly string[]): void {
    if (reasons.length > 0 && reasons.join() !== this.#refused.join())
      this.#o.parts.log.warn('a backend has endpoints that are not used', { backend: this.text, reasons })
    this.#refused = reasons
  }
  /** A CA, the client's certificate or its key changed: new connections use the new ones. */
  securityChanged(): void {
    const { source, tls, onMissingSan, parts } = this.#o
    const { tlsContexts, log } = parts
    if (!source.plain) {
      const settings = tls()
      const next = profileOf(settings, onMissingSan, tlsContexts)
      // The halves of a pair are replaced one after the other: until they match, the last good ones stay.
      if (next instanceof Error && this.#tls instanceof TlsProfile)
        return log.warn('changed certificates of a backend cannot be used; the old ones stay', {
          backend: source.text,
          error: next,
        })
      this.#tls = next
      this.#ownExpiries = settings instanceof Error ? [] : expiriesOf(settings)
      // A list of endpoints without a name in common: each is verified by its own address.
      this.#profileOf = (host) =>
        next instanceof Error || next.serverName !== ''
          ? next
          : profileOf({ ...(settings as TlsProfileOptions), serverName: host }, onMissingSan, tlsContexts)
    }
    this.refresh()
  }
  /** Makes endpoints known that could not be found before, such as our own port. */
  ready(): boolean {
    if (this.endpoints.size === 0) this.refresh()
    return this.endpoints.size > 0
  }
  /** As the traffic dials. @throws Error where there is no endpoint, or its certificates cannot be used. */
  addresses(): readonly Address[] {
    if (this.tlsProblem !== undefined) throw new Error(this.tlsProblem)
    if (!this.ready()) throw new Error(this.problem)
    return this.endpoints.members.map((e) => e.address)
  }
  /** @throws Error where there is no endpoint. */
  url(path: string): string {
    if (!this.ready()) throw new Error(this.problem)
    return `https://${this.endpoints.members[0]!.id}${path}`
  }
  /** Nothing leads here any more. */
  retire(): void {
    this.stop()
    this.endpoints.update([])
  }
  /** What runs goes on; nothing is kept in step any more. */
  stop(): void {
    this.#stopped = true
    this.#o.source.stop()
  }

  /** Watches end one by one, spread over the time, so that their clients do not all come back at once. */
  #drain(endpoint: Endpoint): void {
    const { parts, drainMs = 0 } = this.#o
    const endings = [...endpoint.endings]
    for (const [i, end] of endings.entries()) parts.clock.after((drainMs * i) / endings.length, end)
  }
}

function expiriesOf({ ca, clientCertificate }: TlsProfileOptions): Expiry[] {
  const found: Expiry[] = []
  const caMs = ca === undefined ? undefined : firstExpiryMs(ca)
  if (caMs !== undefined) found.push({ use: 'ca', atMs: caMs })
  const clientMs = clientCertificate && firstExpiryMs(clientCertificate.cert)
  if (clientMs !== undefined) found.push({ use: 'client', atMs: clientMs })
  return found
}

function profileOf(settings: TlsSettings, onMissingSan: () => void, contexts: TlsContexts): TlsProfile | Error {
  if (settings instanceof Error) return settings
  try {
    return new TlsProfile(settings, onMissingSan, contexts)
  } catch (e) {
    return new Error(`unable to load root certificates: ${(e as Error).message}`)
  }
}
