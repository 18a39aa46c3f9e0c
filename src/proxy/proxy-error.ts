/** The one place that turns failures of a backend connection into answers. Source of the prefix: upstream's proxy transport. */
import { StatusError } from '../api/status-error.ts'
import { UpstreamError } from './upstream.ts'

const PREFIX = 'error trying to reach service: '

/** @returns a 503 that names the phase; other errors become what StatusError.from makes of them. */
export function proxyError(error: unknown): StatusError {
  if (!(error instanceof UpstreamError)) return StatusError.from(error)
  const message = PREFIX + textOf(error)
  return new StatusError(503, 'ServiceUnavailable', message, {
    cause: error,
    details: { causes: [{ reason: error.phase, message: textOf(error) }] },
  })
}

interface SystemError extends Error {
  readonly code?: string
  /** OpenSSL's words. */
  readonly reason?: string
  readonly address?: string
  readonly port?: number
}
const SYSTEM_TEXT: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out',
}
const VERIFY_TEXT: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'x509: certificate signed by unknown authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'x509: certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'x509: certificate signed by unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'x509: certificate signed by unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'x509: certificate signed by unknown authority',
  CERT_HAS_EXPIRED: 'x509: certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'x509: certificate has expired or is not yet valid',
}
function textOf(error: UpstreamError): string {
  const cause = error.cause as SystemError | undefined
  const code = cause?.code ?? ''
  const system = SYSTEM_TEXT[code]
  if (system !== undefined && error.phase === 'connect') {
    const host = cause?.address?.includes(':') ? `[${cause.address}]` : (cause?.address ?? '')
    return `dial tcp ${host}:${cause?.port ?? ''}: connect: ${system}`
  }
  if (system !== undefined) return `read: ${system}`
  if (VERIFY_TEXT[code] !== undefined) return `tls: failed to verify certificate: ${VERIFY_TEXT[code]}`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || error.message.startsWith('x509: '))
    return `tls: failed to verify certificate: ${error.message.startsWith('x509: ') ? '' : 'x509: '}${error.message}`
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'http: server gave HTTP response to HTTPS client'
  if (code.startsWith('ERR_SSL_')) return `remote error: tls: ${cause?.reason ?? error.message}`
  return error.message
}
