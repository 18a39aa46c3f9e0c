/** The one place that turns failures of a backend connection into answers. Source of the prefix: upstream's proxy transport. */
import type { UserInfo } from '../api/meta.ts'
import { StatusError, type StatusCause } from '../api/status-error.ts'
import { ForbiddenAddressError } from './dial.ts'
import { UpstreamError } from './upstream.ts'

const PREFIX = 'error trying to reach service: '
const RETRY_AFTER_SECONDS = 1
const PRIVILEGED = 'system:masters'

export interface FailureContext {
  readonly code?: number
  /** Name of the APIService. */
  readonly backend: string
  /** Name that its policy has for the server. */
  readonly server?: string | undefined
  readonly attempts: number
  readonly user: UserInfo | undefined
  readonly traceId: string | undefined
  /** Clients obey Retry-After ten times: it is told only where waiting a moment helps. */
  readonly passesSoon: boolean
}

/** @returns a 503 that says what failed: phase, backend, attempts, trace; other errors become what StatusError.from makes of them. */
export function proxyError(error: unknown, context?: FailureContext): StatusError {
  if (!(error instanceof UpstreamError)) return StatusError.from(error)
  const { code = 503 } = context ?? {}
  const text = textOf(error, context?.user === undefined || isPrivileged(context.user))
  const message = code === 503 ? PREFIX + text : text
  return new StatusError(code, code === 503 ? 'ServiceUnavailable' : 'InternalError', message, {
    cause: error,
    details: {
      causes: [
        { reason: error.phase, message: text },
        ...(context ? failureCauses({ ...context, phase: error.phase }) : []),
      ],
      ...(context?.passesSoon === true ? { retryAfterSeconds: RETRY_AFTER_SECONDS } : {}),
    },
  })
}

/** Whether they may know where backends stand, and how they are set up. */
export function isPrivileged(user: UserInfo | undefined): boolean {
  return user?.groups.includes(PRIVILEGED) === true
}

/** What all errors of the proxy tell beside their text, in a form that programs can read. */
export function failureCauses(o: {
  readonly phase: string
  readonly backend: string
  readonly server?: string | undefined
  readonly attempts: number
  readonly traceId: string | undefined
}): StatusCause[] {
  return [
    { field: 'phase', message: o.phase },
    { field: 'apiService', message: o.backend },
    ...(o.server === undefined ? [] : [{ field: 'backend', message: o.server }]),
    { field: 'attempts', message: String(o.attempts) },
    ...(o.traceId === undefined ? [] : [{ field: 'traceID', message: o.traceId }]),
  ]
}

interface SystemError extends Error {
  readonly code?: string
  /** OpenSSL's words. */
  readonly reason?: string
  readonly address?: string
  readonly port?: number
  /** Of a name that was looked up. */
  readonly hostname?: string
  /** Of a socket. */
  readonly path?: string
}
const LOOKUP_TEXT: Record<string, string> = {
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'temporary failure in name resolution',
}
const SYSTEM_TEXT: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out',
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
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
function textOf(error: UpstreamError, withAddress: boolean): string {
  const cause = error.cause as SystemError | undefined
  const code = cause?.code ?? ''
  const system = SYSTEM_TEXT[code]
  if (error.cause instanceof ForbiddenAddressError)
    return withAddress ? error.message : 'lookup: it leads to an address that backends may not have'
  if (error.phase === 'connect') {
    const { network, address, why } = dialled(error, cause)
    return withAddress ? `dial ${network} ${address}: ${why}` : `dial ${network}: ${why}`
  }
  if (system !== undefined) return `read: ${system}`
  if (VERIFY_TEXT[code] !== undefined) return `tls: failed to verify certificate: ${VERIFY_TEXT[code]}`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `tls: failed to verify certificate: x509: ${withAddress ? error.message : 'it is for another name'}`
  if (error.message.startsWith('x509: ')) return `tls: failed to verify certificate: ${error.message}`
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'http: server gave HTTP response to HTTPS client'
  if (code.startsWith('ERR_SSL_')) return `remote error: tls: ${cause?.reason ?? error.message}`
  return error.message
}

/** In the words of Go's dialler, apart, so that the address can be left out. */
function dialled(
  error: UpstreamError,
  cause: SystemError | undefined,
): { network: string; address: string; why: string } {
  const { code = '', hostname, path, address = '', port } = cause ?? {}
  if (hostname !== undefined) return { network: 'tcp', address: `lookup ${hostname}`, why: LOOKUP_TEXT[code] ?? code }
  const why = SYSTEM_TEXT[code] === undefined ? undefined : `connect: ${SYSTEM_TEXT[code]}`
  if (code !== '' && port === undefined && address !== '')
    return { network: 'unix', address, why: why ?? `connect: ${code}` }
  if (path !== undefined) return { network: 'unix', address: path, why: why ?? `connect: ${code}` }
  if (address !== '')
    return {
      network: 'tcp',
      address: `${address.includes(':') ? `[${address}]` : address}:${port ?? ''}`,
      why: why ?? error.message,
    }
  // Our own: `dial tcp <address>: <why>`.
  const own = /^dial tcp (.*): (.*)$/.exec(error.message)
  return { network: 'tcp', address: own?.[1] ?? '', why: own?.[2] ?? error.message }
}
