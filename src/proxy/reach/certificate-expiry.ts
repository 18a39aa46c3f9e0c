/** When the certificates around a backend end, and what its APIService says of it. Pure. */
import { X509Certificate } from 'node:crypto'
import type { APIServiceCondition } from '../../api/apiservice.ts'
import { formatTime } from '../../api/time.ts'
import { pemCertificates } from '../../lib/pem.ts'

export const CERTIFICATE_EXPIRING = 'CertificateExpiring'
const SOON_MS = 14 * 86_400_000

export interface Expiry {
  /** backend: what it shows us; ca: what that is verified by; client: what we show it. */
  readonly use: 'backend' | 'ca' | 'client'
  /** Ms since the epoch. */
  readonly atMs: number
}

/** The first certificate of a PEM text that ends; undefined where there is none that can be read. */
export function firstExpiryMs(pem: string): number | undefined {
  const times = pemCertificates(pem).flatMap((block) => {
    try {
      return [new X509Certificate(block).validToDate.getTime()]
    } catch {
      return []
    }
  })
  return times.length === 0 ? undefined : Math.min(...times)
}

const NAMES: Record<Expiry['use'], string> = {
  backend: "the backend's certificate",
  ca: 'a certificate of its CA bundle',
  client: 'the client certificate that it is shown',
}

export function expiryVerdict(
  expiries: readonly Expiry[],
  nowMs: number,
): Pick<APIServiceCondition, 'status' | 'reason' | 'message'> {
  const due = expiries.filter((e) => e.atMs - nowMs < SOON_MS).toSorted((a, b) => a.atMs - b.atMs)
  if (due.length === 0)
    return { status: 'False', reason: 'CertificatesValid', message: 'no certificate ends within 14 days' }
  const list = due.map((e) => `${NAMES[e.use]} ends at ${formatTime(e.atMs)}`).join(', ')
  return { status: 'True', reason: due[0]!.atMs <= nowMs ? 'CertificateExpired' : 'CertificateEndsSoon', message: list }
}
