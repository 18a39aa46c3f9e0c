/**
 * Where the endpoints of a backend come from: a Service, a URL, a DNS name, a list, a socket of this machine.
 *
 * Owns:    for DNS names the timer of the next look-up.
 * Callers: target.ts.
 */
import type { LookupAddress } from 'node:dns'
import type { PolicyBackend } from '../../api/backend-policy.ts'
import type { Cancel, Clock } from '../../lib/clock.ts'
import type { ResolvedEndpoint, ServiceResolver } from './service-resolver.ts'

export type SourceEndpoint = ResolvedEndpoint & { readonly path?: string }
export interface EndpointSource {
  /** Now. @throws Error with a text for the log where there is none. */
  endpoints(): readonly SourceEndpoint[]
  /** Starts what keeps them fresh; `changed` is called when endpoints() may answer otherwise. */
  start(changed: () => void): void
  stop(): void
  /** How people name it. */
  readonly text: string
  readonly plain: boolean
  /** What its certificate is verified for, unless told otherwise; empty: each endpoint's own address. */
  readonly serverName: string
  /** Of the URL: stands before each request's path. */
  readonly pathPrefix: string
  /** The Host that it hears; default the endpoint's address. */
  readonly authority: string | undefined
  /** default/kubernetes: the one way in which a backend may be this server. */
  readonly mayBeOwn: boolean
}
/** All addresses of a name, and for how many seconds they hold. */
export type DnsLookup = (name: string) => Promise<{ addresses: readonly string[]; ttlSeconds: number }>

const NOTHING = {
  start: (): void => {},
  stop: (): void => {},
  plain: false,
  pathPrefix: '',
  authority: undefined,
  mayBeOwn: false,
}
const DNS_TTL = { leastSeconds: 1, mostSeconds: 300, afterErrorSeconds: 2 }
const DEFAULT_PORT = 443

const endpoint = (host: string, port: number, zone = ''): SourceEndpoint => ({ host, port, zone, terminating: false })

export function serviceSource(
  service: { readonly namespace: string; readonly name: string; readonly port: number },
  resolver: ServiceResolver,
): EndpointSource {
  const { namespace, name, port } = service
  return {
    ...NOTHING,
    endpoints: () => resolver.resolve(namespace, name, port),
    text: `service ${namespace}/${name}:${port}`,
    serverName: `${name}.${namespace}.svc`,
    mayBeOwn: namespace === 'default' && name === 'kubernetes',
  }
}

export interface SourceSurroundings {
  readonly resolver: ServiceResolver
  readonly lookupDns: DnsLookup
  readonly clock: Clock
}

export function sourceOf(backend: PolicyBackend, o: SourceSurroundings): EndpointSource {
  if (backend.service) {
    const { namespace = '', name = '', port = DEFAULT_PORT } = backend.service
    return serviceSource({ namespace, name, port }, o.resolver)
  }
  if (backend.url) return urlSource(backend.url)
  if (backend.dns) return dnsSource(backend.dns.name ?? '', backend.dns.port ?? DEFAULT_PORT, o)
  if (backend.unixSocket) {
    const path = backend.unixSocket
    const only = [{ ...endpoint('', 0), path }]
    return { ...NOTHING, endpoints: () => only, text: `unix:${path}`, plain: true, serverName: '' }
  }
  const list = (backend.endpoints ?? []).map((e) => endpoint(e.address, e.port ?? DEFAULT_PORT, e.zone))
  return {
    ...NOTHING,
    endpoints: () => list,
    text: list.map((e) => `${e.host}:${e.port}`).join(', '),
    serverName: '',
  }
}

export function urlSource(text: string): EndpointSource {
  const url = new URL(text)
  const plain = url.protocol === 'http:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? (plain ? 80 : DEFAULT_PORT) : Number(url.port)
  const only = [endpoint(host, port)]
  return {
    ...NOTHING,
    endpoints: () => only,
    text,
    plain,
    serverName: host,
    pathPrefix: url.pathname.replace(/\/+$/, ''),
  }
}

function dnsSource(name: string, port: number, { lookupDns, clock }: SourceSurroundings): EndpointSource {
  let found: readonly SourceEndpoint[] = []
  let problem = `the name ${name} was not looked up yet`
  let stopped = false
  let cancel: Cancel = () => {}
  const look = async (changed: () => void): Promise<void> => {
    let seconds = DNS_TTL.afterErrorSeconds
    try {
      const { addresses, ttlSeconds } = await lookupDns(name)
      seconds = Math.min(Math.max(ttlSeconds, DNS_TTL.leastSeconds), DNS_TTL.mostSeconds)
      found = addresses.toSorted().map((address) => endpoint(address, port))
      problem = `the name ${name} has no addresses`
    } catch (e) {
      // The last addresses known stay: a resolver that fails says nothing of the backend.
      problem = (e as Error).message
    }
    if (stopped) return
    changed()
    cancel = clock.after(seconds * 1_000, () => void look(changed))
  }
  return {
    ...NOTHING,
    endpoints: () => {
      if (found.length === 0) throw new Error(problem)
      return found
    },
    start: (changed) => void look(changed),
    stop: () => {
      stopped = true
      cancel()
    },
    text: `${name}:${port}`,
    authority: `${name}:${port}`,
    serverName: name,
  }
}

/** As dns.promises.lookup(). */
export type SystemLookup = (name: string, o: { all: true }) => Promise<readonly LookupAddress[]>
/** The system's resolver, hosts file included; it tells no times to live. */
export function systemDnsLookup(lookup: SystemLookup, ttlSeconds: number): DnsLookup {
  return async (name) => ({
    addresses: (await lookup(name, { all: true })).map((a) => a.address),
    ttlSeconds,
  })
}
