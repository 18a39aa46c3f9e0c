/**
 * Client certificates: OpenSSL verifies each once, in the handshake, against all our CAs together; here it is
 * found out which of the two bundles it chains to, because the client CA and the front-proxy CA say different things.
 *
 * Callers: tls-context.ts, which checks connections again after the CAs changed.
 */
import { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { pemCertificates } from '../lib/pem.ts'
import type { VerifiedCertificate } from './exchange.ts'

/** A CA bundle, parsed once. */
export interface TrustBundle {
  readonly pem: string
  readonly certificates: readonly X509Certificate[]
}
export interface ClientTrust {
  readonly clientCA: TrustBundle | undefined
  readonly frontProxyCA: TrustBundle | undefined
}

/** @throws where a certificate cannot be parsed, or there is none. */
export function parseBundle(pem: string): TrustBundle {
  const certificates = pemCertificates(pem).map((text) => new X509Certificate(text))
  if (certificates.length === 0) throw new Error('no certificate in the CA bundle')
  return { pem, certificates }
}

/** One connection's certificate and what it is worth now. */
export interface PeerCertificate {
  /** undefined where it was never good, once a certificate of its chain expired, or its CA is no longer trusted. */
  current(): VerifiedCertificate | undefined
  /** After a change of the CAs. @returns whether any bundle holds the certificate's issuer. */
  verifyAgain(trust: ClientTrust): boolean
}

/** @returns undefined where the client sent none, and where there is no CA, by which alone a certificate means anything. */
export function peerCertificateOf(
  socket: TLSSocket,
  trust: ClientTrust,
  now: () => number,
): PeerCertificate | undefined {
  if (!trust.clientCA && !trust.frontProxyCA) return undefined
  const leaf = socket.getPeerX509Certificate()
  if (!leaf) return undefined
  return socket.authorized ? new VerifiedPeer([leaf, ...intermediatesOf(socket, leaf)], trust, now) : UNVERIFIED
}

/** OpenSSL did not accept it: the chain, the dates, the extended key usage. It is asked once per connection. */
const UNVERIFIED: PeerCertificate = { current: () => undefined, verifyAgain: () => false }

class VerifiedPeer implements PeerCertificate {
  readonly #verified: VerifiedCertificate
  readonly #chain: readonly X509Certificate[]
  readonly #now: () => number
  #validToMs: number
  #current: VerifiedCertificate | undefined

  constructor(chain: readonly X509Certificate[], trust: ClientTrust, now: () => number) {
    this.#chain = chain
    this.#now = now
    this.#validToMs = 0
    const certificate = chain[0]!
    this.#verified = {
      certificate,
      ...subjectOf(certificate),
      sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
      chainsTo: { clientCA: false, frontProxyCA: false },
    }
    this.verifyAgain(trust)
  }

  current(): VerifiedCertificate | undefined {
    return this.#current && this.#now() < this.#validToMs ? this.#current : undefined
  }
  verifyAgain(trust: ClientTrust): boolean {
    const now = this.#now()
    const untilClient = validUntil(this.#chain, trust.clientCA, now)
    const untilProxy = validUntil(this.#chain, trust.frontProxyCA, now)
    const chainsTo = { clientCA: untilClient > now, frontProxyCA: untilProxy > now }
    this.#validToMs = Math.min(
      chainsTo.clientCA ? untilClient : Infinity,
      chainsTo.frontProxyCA ? untilProxy : Infinity,
    )
    this.#current = chainsTo.clientCA || chainsTo.frontProxyCA ? { ...this.#verified, chainsTo } : undefined
    return this.#current !== undefined
  }
}

/** What the client sent beside its leaf, as far as each issued the one before. */
function intermediatesOf(socket: TLSSocket, leaf: X509Certificate): X509Certificate[] {
  const found: X509Certificate[] = []
  const seen = new Set([leaf.fingerprint256])
  let next = socket.getPeerCertificate(true).issuerCertificate
  while (next?.raw && !seen.has(next.fingerprint256) && found.length < MAX_DEPTH) {
    seen.add(next.fingerprint256)
    found.push(new X509Certificate(next.raw))
    next = next.issuerCertificate
  }
  return found
}

const MAX_DEPTH = 8
/**
 * Walks from the leaf to a certificate of the bundle. Each link is checked: names, signature, dates, CA flag.
 * @returns when the chain's first certificate expires, in ms; 0 where the bundle holds no issuer.
 */
function validUntil(chain: readonly X509Certificate[], bundle: TrustBundle | undefined, now: number): number {
  if (!bundle) return 0
  let until = Number.POSITIVE_INFINITY
  let current: X509Certificate = chain[0]!
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (Date.parse(current.validFrom) > now) return 0
    until = Math.min(until, Date.parse(current.validTo))
    if (until <= now) return 0
    const anchor = bundle.certificates.find((ca) => ca.raw.equals(current.raw) || issued(ca, current, now))
    if (anchor) return Math.min(until, Date.parse(anchor.validTo))
    const issuer = chain.find((c) => c !== current && c.ca && issued(c, current, now))
    if (!issuer) return 0
    current = issuer
  }
  return 0
}
function issued(ca: X509Certificate, subject: X509Certificate, now: number): boolean {
  return (
    subject.checkIssued(ca) &&
    subject.verify(ca.publicKey) &&
    Date.parse(ca.validTo) > now &&
    Date.parse(ca.validFrom) <= now
  )
}

/** Common name and organizations of the subject; Node prints one attribute per line, values escaped with backslashes. */
function subjectOf(certificate: X509Certificate): { commonName: string; organizations: readonly string[] } {
  let commonName = ''
  const organizations: string[] = []
  const legacy = certificate.toLegacyObject().subject
  const names = legacy.CN as string | string[] | undefined
  const groups = legacy.O as string | string[] | undefined
  if (names !== undefined) commonName = Array.isArray(names) ? names.at(-1)! : names
  if (groups !== undefined) organizations.push(...(Array.isArray(groups) ? groups : [groups]))
  return { commonName, organizations }
}
