/**
 * How connections to a backend are secured: one TlsProfile per distinct configuration, so that pools can be
 * shared by everything that is configured alike.
 */
import { createHash } from 'node:crypto'
import { checkServerIdentity, createSecureContext, type PeerCertificate, type SecureContext } from 'node:tls'
import { LRUCache } from 'lru-cache'

export interface TlsProfileOptions {
  /** Verified and sent as SNI, whatever address is dialled. */
  readonly serverName: string
  /** PEM bundle; absent: the system's roots. */
  readonly ca?: string | undefined
  readonly insecureSkipVerify?: boolean | undefined
  /** What we show: the front proxy's certificate. PEM. */
  readonly clientCertificate?: { readonly cert: string; readonly key: string } | undefined
}

export const MISSING_SAN = 'x509: certificate relies on legacy Common Name field, use SANs instead'

export class TlsProfile {
  /** Equal for equal options. */
  readonly id: string
  readonly serverName: string
  readonly insecureSkipVerify: boolean
  readonly #onMissingSan: (serverName: string) => void
  readonly context: SecureContext
  /** Ms since the epoch, of the certificate seen last; undefined before the first handshake. */
  peerExpiresMs: number | undefined
  readonly #options: TlsProfileOptions

  /** @throws where a certificate, key or bundle cannot be read. */
  constructor(
    options: TlsProfileOptions,
    onMissingSan: (serverName: string) => void = () => {},
    contexts: TlsContexts = new TlsContexts(),
  ) {
    const { serverName, ca, insecureSkipVerify = false, clientCertificate } = options
    this.serverName = serverName
    this.insecureSkipVerify = insecureSkipVerify
    this.#onMissingSan = onMissingSan
    const parts = [serverName, ca ?? '', String(insecureSkipVerify), clientCertificate?.cert, clientCertificate?.key]
    this.id = createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
    this.context = contexts.of(options)
    this.#options = options
  }
  /** The same, showing the peer nothing. */
  anonymous(): TlsProfile {
    return new TlsProfile({ ...this.#options, clientCertificate: undefined })
  }
  /** Node falls back to the common name where a certificate has no subject alternative names; this does not. */
  readonly checkServerIdentity = (_host: string, certificate: PeerCertificate): Error | undefined => {
    this.peerExpiresMs = Date.parse(certificate.valid_to)
    if (!certificate.subjectaltname) {
      this.#onMissingSan(this.serverName)
      return new Error(MISSING_SAN)
    }
    return checkServerIdentity(this.serverName, certificate)
  }
}

/** Contexts that profiles share: hundreds of backends have a handful of CAs between them. */
export class TlsContexts {
  readonly #contexts = new LRUCache<string, SecureContext>({ max: 256 })

  /** @throws where a certificate, key or bundle cannot be read. */
  of({ ca, clientCertificate }: TlsProfileOptions): SecureContext {
    const key = JSON.stringify([ca, clientCertificate?.cert, clientCertificate?.key])
    let context = this.#contexts.get(key)
    if (!context) {
      context = createSecureContext({
        ...(ca === undefined ? {} : { ca }),
        ...clientCertificate,
        allowPartialTrustChain: true,
        minVersion: 'TLSv1.2',
      })
      this.#contexts.set(key, context)
    }
    return context
  }
}
