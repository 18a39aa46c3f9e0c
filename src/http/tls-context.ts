/**
 * What the TLS listener shows and trusts, replaceable while connections are open.
 *
 * Callers: listener.ts (one ReloadableTls may serve several listeners), app/ for the first material and each reload.
 */
import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureVersion, type TlsOptions } from 'node:tls'
import { type ClientTrust, parseBundle } from './client-certificate.ts'

export interface TlsMaterial {
  /** PEM: the leaf first, then its chain. */
  readonly cert: string
  readonly key: string
  /** PEM bundle; absent: no client certificate means a user. */
  readonly clientCA?: string | undefined
  /** PEM bundle of those that may speak for others (request headers). Checked apart from clientCA. */
  readonly frontProxyCA?: string | undefined
  /** Other pairs, by the server name that the client asks for; `*.` matches one label. */
  readonly sni?: readonly { readonly names: readonly string[]; readonly cert: string; readonly key: string }[]
}
export interface TlsOptionsOf {
  /** Default TLSv1.2. */
  readonly minVersion?: SecureVersion
  /** OpenSSL's list, colons between; default Node's. */
  readonly ciphers?: string | undefined
  /** Default true. */
  readonly http2?: boolean
}

export class ReloadableTls {
  readonly #options: TlsOptionsOf
  readonly #listeners = new Set<() => void>()
  #material: TlsMaterial
  #trust: ClientTrust
  #sni: readonly { readonly name: string; readonly context: SecureContext }[]

  /** @throws where a certificate, key or bundle cannot be read. */
  constructor(material: TlsMaterial, options: TlsOptionsOf = {}) {
    this.#options = options
    this.#material = material
    this.#trust = trustOf(material)
    this.#sni = this.#contextsOf(material)
    createSecureContext(this.#contextOptions(material))
  }

  get trust(): ClientTrust {
    return this.#trust
  }
  get material(): TlsMaterial {
    return this.#material
  }
  /** For new connections; open ones go on, and are retired where their client certificate is trusted no more.
   *  @throws as the constructor does, and then changes nothing. */
  update(change: Partial<TlsMaterial>): void {
    const material = { ...this.#material, ...change }
    const trust = trustOf(material)
    const sni = this.#contextsOf(material)
    createSecureContext(this.#contextOptions(material))
    this.#material = material
    this.#trust = trust
    this.#sni = sni
    for (const fn of this.#listeners) fn()
  }
  /** The result unsubscribes. */
  onUpdate(fn: () => void): () => void {
    this.#listeners.add(fn)
    return () => this.#listeners.delete(fn)
  }
  /** For tls.createServer and, after an update, for server.setSecureContext. */
  serverOptions(): TlsOptions {
    return {
      ...this.#contextOptions(this.#material),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: this.#options.http2 === false ? ['http/1.1'] : ['h2', 'http/1.1'],
      SNICallback: (name, done) => done(null, this.#sni.find((s) => nameMatches(s.name, name.toLowerCase()))?.context),
    }
  }
  #contextOptions(material: TlsMaterial): TlsOptions {
    const cas = [material.clientCA, material.frontProxyCA].filter((pem) => pem !== undefined)
    return {
      cert: material.cert,
      key: material.key,
      // Without any CA the list must be empty, not Node's own roots: no certificate means anything then.
      ca: cas,
      // As Go's verifier: a bundle may hold an intermediate without its root.
      allowPartialTrustChain: true,
      minVersion: this.#options.minVersion ?? 'TLSv1.2',
      ...(this.#options.ciphers === undefined ? {} : { ciphers: this.#options.ciphers }),
      honorCipherOrder: true,
      // A resumed session would carry the verdict on its client certificate over a change of the CAs.
      secureOptions: constants.SSL_OP_NO_TICKET,
    }
  }
  #contextsOf(material: TlsMaterial): { name: string; context: SecureContext }[] {
    return (material.sni ?? []).flatMap(({ names, cert, key }) => {
      const context = createSecureContext(this.#contextOptions({ ...material, cert, key }))
      return names.map((name) => ({ name: name.toLowerCase(), context }))
    })
  }
}

function trustOf(material: TlsMaterial): ClientTrust {
  return {
    clientCA: material.clientCA === undefined ? undefined : parseBundle(material.clientCA),
    frontProxyCA: material.frontProxyCA === undefined ? undefined : parseBundle(material.frontProxyCA),
  }
}
function nameMatches(pattern: string, name: string): boolean {
  if (!pattern.startsWith('*.')) return pattern === name
  const dot = name.indexOf('.')
  return dot > 0 && name.slice(dot) === pattern.slice(1)
}
