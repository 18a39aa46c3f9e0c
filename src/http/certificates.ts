/**
 * Makes certificates: an own CA, serving certificates and client certificates, all ECDSA P-256.
 * Written by hand instead of with a library: a library for this costs a tenth of a second at each start.
 *
 * Callers:  app/ at the first start and at renewal; tests.
 * Not here: files (certificate-files.ts).
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { isIP } from 'node:net'
import { bits, boolean, integer, octets, oid, sequence, set, text, time, tlv } from './der.ts'

/** PEM of both. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}
export interface CertificateRequest {
  readonly commonName: string
  readonly organizations?: readonly string[]
  /** Host names and IP addresses. */
  readonly names?: readonly string[]
  /** Default both ways for none given: no extended key usage at all. */
  readonly usages?: readonly ('server' | 'client')[]
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

export function makeCA(request: Pick<CertificateRequest, 'commonName' | 'notBeforeMs' | 'notAfterMs'>): KeyPair {
  return issue({ ...request, ca: true }, undefined)
}
export function makeCertificate(request: CertificateRequest, issuer: KeyPair): KeyPair {
  return issue(request, issuer)
}

/** The names every serving certificate of ours carries. @param more host names and addresses to add. */
export function servingNames(hostName: string, more: readonly string[] = []): string[] {
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local']
  return [...new Set(['localhost', hostName, ...service, '127.0.0.1', '::1', ...more])]
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'))

function issue(request: CertificateRequest & { readonly ca?: boolean }, issuer: KeyPair | undefined): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = nameOf(request)
  const issuerCertificate = issuer && new X509Certificate(issuer.cert)
  const signer = issuer ? createPrivateKey(issuer.key) : privateKey
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const issuerSpki = issuer ? createPublicKey(issuer.key).export({ type: 'spki', format: 'der' }) : spki
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const body = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ECDSA_SHA256,
    issuerCertificate ? subjectDer(issuerCertificate) : subject,
    sequence(time(request.notBeforeMs), time(request.notAfterMs)),
    subject,
    spki,
    tlv(0xa3, sequence(...extensions(request, keyId(spki), keyId(issuerSpki)))),
  )
  const der = sequence(body, ECDSA_SHA256, bits(sign('sha256', body, signer)))
  return { cert: pem('CERTIFICATE', der), key: keyPem(privateKey) }
}
function keyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
function pem(label: string, der: Buffer): string {
  const lines = der
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n')
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`
}

function nameOf(request: CertificateRequest): Buffer {
  const part = (type: string, value: string): Buffer => set(sequence(oid(type), text(value)))
  return sequence(
    ...(request.organizations ?? []).map((o) => part('2.5.4.10', o)),
    ...(request.commonName === '' ? [] : [part('2.5.4.3', request.commonName)]),
  )
}
/** The subject as it stands in the certificate: an issuer's name must be equal byte for byte. */
function subjectDer(certificate: X509Certificate): Buffer {
  let at = contentOf(certificate.raw, contentOf(certificate.raw, 0).start).start
  // version [0], serial, signature algorithm, issuer, validity; then the subject
  const skip = certificate.raw[at] === 0xa0 ? 5 : 4
  for (let i = 0; i < skip; i++) at = contentOf(certificate.raw, at).end
  return certificate.raw.subarray(at, contentOf(certificate.raw, at).end)
}
function contentOf(der: Buffer, at: number): { start: number; end: number } {
  const first = der[at + 1]!
  if (first < 0x80) return { start: at + 2, end: at + 2 + first }
  const size = first & 0x7f
  const start = at + 2 + size
  return { start, end: start + der.readUIntBE(at + 2, size) }
}
function keyId(spki: Buffer): Buffer {
  return createHash('sha1').update(spki).digest()
}

function extensions(request: CertificateRequest & { readonly ca?: boolean }, own: Buffer, issuer: Buffer): Buffer[] {
  const all = [
    extension('2.5.29.19', request.ca ? sequence(boolean(true)) : sequence(), true),
    // CA: keyCertSign and cRLSign; else digitalSignature.
    extension('2.5.29.15', request.ca ? bits(Buffer.from([0x06]), 1) : bits(Buffer.from([0x80]), 7), true),
    extension('2.5.29.14', octets(own)),
    extension('2.5.29.35', sequence(tlv(0x80, issuer))),
  ]
  const usages = (request.usages ?? []).map((u) => oid(u === 'server' ? '1.3.6.1.5.5.7.3.1' : '1.3.6.1.5.5.7.3.2'))
  if (usages.length > 0) all.push(extension('2.5.29.37', sequence(...usages)))
  const names = (request.names ?? []).map((n) => (isIP(n) ? tlv(0x87, ipBytes(n)) : tlv(0x82, Buffer.from(n))))
  if (names.length > 0) all.push(extension('2.5.29.17', sequence(...names)))
  return all
}
function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value))
}
function ipBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  const bytes = Buffer.alloc(16)
  ;[...left, ...(tail === undefined ? [] : zeros), ...right].forEach((g, i) =>
    bytes.writeUInt16BE(Number.parseInt(g, 16), i * 2),
  )
  return bytes
}
