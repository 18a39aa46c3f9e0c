/**
 * The certificates of a lone server: made at the first start, kept in the data folder, renewed before they expire.
 *
 *   ca              signs serving.crt, admin.crt and what `portico certs` makes for clients
 *   front-proxy-ca  signs front-proxy-client.crt, which backends know us by. Apart from ca, on purpose.
 */
import { X509Certificate } from 'node:crypto'
import { hostname } from 'node:os'
import {
  type CertificateRequest,
  type KeyPair,
  makeCA,
  makeCertificate,
  servingNames,
} from '../../http/certificates.ts'
import type { DataDir } from './data-dir.ts'

const DAY_MS = 24 * 3600 * 1000
const CA_DAYS = 3650
const LEAF_DAYS = 365
/** Renewed when less than this is left. */
const RENEW_BEFORE_MS = 60 * DAY_MS
/** Clocks differ a little. */
const BACKDATE_MS = 5 * 60 * 1000

export const ADMIN = { commonName: 'portico:admin', organizations: ['system:masters'] }
export const FRONT_PROXY_NAME = 'portico:front-proxy-client'

export class Pki {
  readonly #dir: DataDir
  readonly #now: () => number

  constructor(dir: DataDir, now: () => number) {
    this.#dir = dir
    this.#now = now
  }
  ca(): KeyPair {
    return this.#pair('ca', CA_DAYS, (validity) => makeCA({ commonName: 'portico-ca', ...validity }))
  }
  frontProxyCA(): KeyPair {
    return this.#pair('front-proxy-ca', CA_DAYS, (validity) =>
      makeCA({ commonName: 'portico-front-proxy-ca', ...validity }),
    )
  }
  /** @param names host names and addresses besides the usual ones. */
  serving(names: readonly string[]): KeyPair {
    const all = servingNames(hostname(), names)
    return this.#leaf('serving', this.ca(), { commonName: 'portico', usages: ['server'], names: all }, (old) =>
      all.every((n) => carries(old, n)),
    )
  }
  frontProxyClient(): KeyPair {
    return this.#leaf('front-proxy-client', this.frontProxyCA(), { commonName: FRONT_PROXY_NAME, usages: ['client'] })
  }
  admin(): KeyPair {
    return this.#leaf('admin', this.ca(), { ...ADMIN, usages: ['client'] })
  }
  /** A client certificate of our CA, not kept in the folder. */
  client(request: Pick<CertificateRequest, 'commonName' | 'organizations'>): KeyPair {
    return makeCertificate({ ...request, usages: ['client'], ...this.#validity(LEAF_DAYS) }, this.ca())
  }
  /** A serving certificate of our CA for a program beside us. */
  servingFor(commonName: string, names: readonly string[]): KeyPair {
    return makeCertificate({ commonName, names, usages: ['server'], ...this.#validity(LEAF_DAYS) }, this.ca())
  }

  #leaf(
    name: string,
    issuer: KeyPair,
    request: Omit<CertificateRequest, 'notBeforeMs' | 'notAfterMs'>,
    fits: (old: X509Certificate) => boolean = () => true,
  ): KeyPair {
    const issuerCertificate = new X509Certificate(issuer.cert)
    return this.#pair(
      name,
      LEAF_DAYS,
      (validity) => makeCertificate({ ...request, ...validity }, issuer),
      (old) => fits(old) && old.checkIssued(issuerCertificate) && old.verify(issuerCertificate.publicKey),
    )
  }

  #pair(
    name: string,
    days: number,
    make: (validity: { notBeforeMs: number; notAfterMs: number }) => KeyPair,
    fits: (old: X509Certificate) => boolean = () => true,
  ): KeyPair {
    const [certFile, keyFile] = [`pki/${name}.crt`, `pki/${name}.key`]
    const [cert, key] = [this.#dir.read(certFile), this.#dir.read(keyFile)]
    if (cert !== undefined && key !== undefined && this.#lasts(cert, days) && fits(new X509Certificate(cert)))
      return { cert, key }
    const made = make(this.#validity(days))
    this.#dir.write(keyFile, made.key)
    this.#dir.write(certFile, made.cert)
    return made
  }
  #lasts(cert: string, days: number): boolean {
    const left = new X509Certificate(cert).validToDate.getTime() - this.#now()
    return left > Math.min(RENEW_BEFORE_MS, (days * DAY_MS) / 3)
  }
  #validity(days: number): { notBeforeMs: number; notAfterMs: number } {
    return { notBeforeMs: this.#now() - BACKDATE_MS, notAfterMs: this.#now() + days * DAY_MS }
  }
}

function carries(certificate: X509Certificate, name: string): boolean {
  return /^[\d.]+$|:/.test(name) ? certificate.checkIP(name) !== undefined : certificate.checkHost(name) !== undefined
}
