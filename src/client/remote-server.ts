/**
 * Another API server, or a webhook, over the network: a Transport whose credentials can be replaced while it is used.
 *
 * Owns:     the connections; those of replaced credentials are closed once their requests are over.
 * Callers:  app/, for reviews that are delegated and for servers that are fronted; cli/.
 * Not here: proxied traffic of clients (proxy/).
 */
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import type { Agent, Dispatcher } from 'undici'
import type { ClusterAccess } from './kubeconfig.ts'
import type { Transport, TransportRequest, TransportResponse } from './transport.ts'

const CONNECT_TIMEOUT_MS = 10_000
/** Enough for the reviews of a busy server; further requests wait for their turn. */
const MAX_CONNECTIONS = 32

export interface RemoteServerOptions {
  /** Told of a certificate without subject alternative names, which is refused. */
  readonly onMissingSan?: () => void
  /** Until the head of an answer; default 60 s. */
  readonly headersTimeoutMs?: number
}

export class RemoteServer implements AsyncDisposable {
  readonly #o: RemoteServerOptions
  #access: ClusterAccess
  /** Made with the first request: loading undici costs a tenth of a second, which no start has to spare. */
  #agent: Promise<Agent> | undefined

  constructor(access: ClusterAccess, o: RemoteServerOptions = {}) {
    this.#o = o
    this.#access = access
  }
  get server(): string {
    return this.#access.server
  }
  /** The request's path goes behind that of the server's URL. */
  readonly transport: Transport = (request) => this.#send(request)

  /** Requests under way end with the old credentials, new ones begin with these. */
  update(access: ClusterAccess): void {
    void this.#agent?.then((old) => old.close()).catch(() => {})
    this.#access = access
    this.#agent = undefined
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#agent)?.destroy()
  }

  async #connect({ ca, clientCertificate, insecureSkipVerify, serverName }: ClusterAccess): Promise<Agent> {
    const { Agent } = await import('undici')
    return new Agent({
      connections: MAX_CONNECTIONS,
      headersTimeout: this.#o.headersTimeoutMs ?? 60_000,
      bodyTimeout: 0,
      connect: {
        timeout: CONNECT_TIMEOUT_MS,
        ...(ca === undefined ? {} : { ca }),
        ...clientCertificate,
        ...(serverName === undefined ? {} : { servername: serverName }),
        rejectUnauthorized: !insecureSkipVerify,
        // What is given is trusted, also where it is no root.
        allowPartialTrustChain: true,
        checkServerIdentity: (host: string, certificate: PeerCertificate) =>
          this.#checkIdentity(serverName ?? host, certificate),
      },
    })
  }
  /** Node falls back to the common name where a certificate has no subject alternative names; this does not. */
  #checkIdentity(host: string, certificate: PeerCertificate): Error | undefined {
    if (certificate.subjectaltname) return checkServerIdentity(host, certificate)
    this.#o.onMissingSan?.()
    return new Error('x509: certificate relies on legacy Common Name field, use SANs instead')
  }

  async #send({ method, path, headers, body, signal }: TransportRequest): Promise<TransportResponse> {
    const { server, authorization } = this.#access
    const { origin, pathname } = new URL(server)
    this.#agent ??= this.#connect(this.#access)
    const answer = await (await this.#agent).request({
      origin,
      path: path === '' ? pathname : `${pathname === '/' ? '' : pathname}${path}`,
      method: method as Dispatcher.HttpMethod,
      headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
      ...(body === undefined ? {} : { body }),
      signal,
    })
    return { status: answer.statusCode, headers: oneEach(answer.headers), body: answer.body }
  }
}

function oneEach(headers: Dispatcher.ResponseData['headers']): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  )
}
