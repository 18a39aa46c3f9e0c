/**
 * The one error type that crosses the boundary to a client, and its form as a metav1.Status.
 * Source: the constructors of apimachinery's api/errors; reasons, codes and texts are exact.
 */
import { type FieldError, cut, fieldErrorBody, fieldErrorReason } from './field-error.ts'
import { type GroupResource, formatGroupResource } from './group-version.ts'

export type Reason =
  | ''
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Expired'
  | 'Invalid'
  | 'ServerTimeout'
  | 'Timeout'
  | 'TooManyRequests'
  | 'BadRequest'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'InternalError'
  | 'ServiceUnavailable'
  | 'StoreReadError'

export interface StatusCause {
  readonly reason?: string
  readonly message?: string
  readonly field?: string
}
export interface StatusDetails {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly uid?: string
  readonly causes?: readonly StatusCause[]
  readonly retryAfterSeconds?: number
}
export interface Status {
  readonly kind: 'Status'
  readonly apiVersion: 'v1'
  readonly metadata: { readonly continue?: string; readonly resourceVersion?: string }
  readonly status: 'Success' | 'Failure'
  readonly message?: string
  readonly reason?: string
  readonly details?: StatusDetails
  readonly code?: number
}

export interface StatusErrorOptions {
  readonly cause?: unknown
  readonly details?: StatusDetails
  /** A token to go on with, in an expired list's Status. */
  readonly continue?: string
}

export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly code: number
  readonly reason: Reason
  readonly details: StatusDetails | undefined
  readonly continue: string | undefined

  constructor(code: number, reason: Reason, message: string, options: StatusErrorOptions = {}) {
    const { stackTraceLimit } = Error
    // An answer, not a fault: to find out where it was made would cost a refusal more than anything else.
    if (code !== 500) Error.stackTraceLimit = 0
    super(message, { cause: options.cause })
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
    this.reason = reason
    this.details = options.details
    this.continue = options.continue
  }

  /** Unknown errors become a 500 whose text tells the client nothing. */
  static from(thrown: unknown): StatusError {
    if (thrown instanceof StatusError) return thrown
    return new StatusError(500, 'InternalError', 'Internal error occurred: the server could not handle the request', {
      cause: thrown,
    })
  }

  toStatus(): Status {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continue === undefined ? {} : { continue: this.continue },
      status: 'Failure',
      ...(this.message === '' ? {} : { message: this.message }),
      ...(this.reason === '' ? {} : { reason: this.reason }),
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    }
  }
}

/** group, kind (the resource name, on purpose) and name, each left out where empty. */
function detailsOf(gr: GroupResource, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(gr.group === '' ? {} : { group: gr.group }),
    ...(gr.resource === '' ? {} : { kind: gr.resource }),
  }
}

/** The object, or the resource, does not exist. */
export function notFound(gr: GroupResource, name: string): StatusError {
  return new StatusError(404, 'NotFound', `${formatGroupResource(gr)} "${name}" not found`, {
    details: detailsOf(gr, name),
  })
}
/** A create of a name that is taken. */
export function alreadyExists(gr: GroupResource, name: string, prefix = ''): StatusError {
  return new StatusError(409, 'AlreadyExists', `${prefix}${formatGroupResource(gr)} "${name}" already exists`, {
    details: detailsOf(gr, name),
  })
}
/** A create with generateName whose random name is taken; asking again helps. */
export function generateNameConflict(gr: GroupResource, name: string): StatusError {
  const text = `${formatGroupResource(gr)} "${name}" already exists, the server was not able to generate a unique name for the object`
  return new StatusError(409, 'AlreadyExists', text, { details: { ...detailsOf(gr, name), retryAfterSeconds: 1 } })
}
/** The resourceVersion or uid given is not the stored one, or the object changed meanwhile: read it again. */
export function conflict(gr: GroupResource, name: string, why: string): StatusError {
  const text = `Operation cannot be fulfilled on ${formatGroupResource(gr)} "${name}": ${why}`
  return new StatusError(409, 'Conflict', text, { details: detailsOf(gr, name) })
}
/** Credentials that nobody knows, or none where anonymous requests are off. */
export function unauthorized(cause?: unknown): StatusError {
  return new StatusError(401, 'Unauthorized', 'Unauthorized', { cause })
}
/** The caller may not do this. */
export function forbidden(gr: GroupResource, name: string, why: string): StatusError {
  const subject = formatGroupResource(gr)
  let text = `forbidden: ${why}`
  if (subject !== '')
    text = name === '' ? `${subject} is forbidden: ${why}` : `${subject} "${name}" is forbidden: ${why}`
  return new StatusError(403, 'Forbidden', text, { details: detailsOf(gr, name) })
}
/** The object breaks a rule; details.causes names each field. @param gk with the Kind, not the resource. */
export function invalid(gk: { group: string; kind: string }, name: string, errors: readonly FieldError[]): StatusError {
  const shown = shortened(errors)
  const messages = [...new Set(shown.map(({ field, message }) => `${field}: ${message}`))]
  const left = errors.length - shown.length
  if (left > 0) messages.push(`and ${left} more`)
  const aggregate = messages.length === 1 ? messages[0]! : `[${messages.join(', ')}]`
  const subject = gk.group === '' ? gk.kind : `${gk.kind}.${gk.group}`
  const text = `${subject} "${cut(name)}" is invalid${messages.length === 0 ? '' : `: ${aggregate}`}`
  return new StatusError(422, 'Invalid', text, {
    details: {
      ...(name === '' ? {} : { name: cut(name) }),
      ...(gk.group === '' ? {} : { group: gk.group }),
      ...(gk.kind === '' ? {} : { kind: gk.kind }),
      ...(errors.length === 0 ? {} : { causes: shown }),
    },
  })
}

/** Characters of all causes together: one small body can be wrong in ten thousands of places. */
const MAX_CAUSES_LENGTH = 128 * 1024
/** The first errors, as many as an answer may tell; at least one. */
function shortened(errors: readonly FieldError[]): StatusCause[] {
  const causes: StatusCause[] = []
  let length = 0
  for (const e of errors) {
    const message = fieldErrorBody(e)
    const field = cut(e.field)
    length += message.length + field.length
    if (length > MAX_CAUSES_LENGTH && causes.length > 0) return causes
    causes.push({ reason: fieldErrorReason(e), message, field })
  }
  return causes
}
/** The request cannot be understood: body, parameters or patch. */
export function badRequest(message: string, cause?: unknown): StatusError {
  return new StatusError(400, 'BadRequest', message, { cause })
}
/** The server asks to come back later. */
export function tooManyRequests(message: string, retryAfterSeconds: number): StatusError {
  return new StatusError(429, 'TooManyRequests', message, { details: { retryAfterSeconds } })
}
/** A backend is not available, or not everything served is known yet. */
export function serviceUnavailable(message: string, retryAfterSeconds?: number): StatusError {
  return new StatusError(
    503,
    'ServiceUnavailable',
    message,
    retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } },
  )
}
/** The resource has no such verb. */
export function methodNotAllowed(gr: GroupResource, action: string): StatusError {
  const text = `${action} is not supported on resources of kind "${formatGroupResource(gr)}"`
  return new StatusError(405, 'MethodNotAllowed', text, { details: detailsOf(gr, '') })
}
/** The storage does not answer; whether a write happened is not known. */
export function serverTimeout(
  gr: GroupResource,
  operation: string,
  retryAfterSeconds: number,
  cause?: unknown,
): StatusError {
  const text = `The ${operation} operation against ${formatGroupResource(gr)} could not be completed at this time, please try again.`
  return new StatusError(500, 'ServerTimeout', text, {
    cause,
    details: { ...detailsOf(gr, operation), retryAfterSeconds },
  })
}
/** A fault of the server. */
export function internalError(why: string, cause?: unknown): StatusError {
  return new StatusError(500, 'InternalError', `Internal error occurred: ${why}`, {
    cause,
    details: { causes: [{ message: why }] },
  })
}
/** Something took longer than it may. @param causes what it waited for. */
export function timeout(message: string, causes: readonly StatusCause[] = []): StatusError {
  const details = causes.length > 0 ? { causes } : {}
  return new StatusError(504, 'Timeout', `Timeout: ${message}`, { details })
}
/** A resourceVersion that this server has not seen yet. */
export function tooLargeResourceVersion(wanted: number, current: number): StatusError {
  return new StatusError(504, 'Timeout', `Timeout: Too large resource version: ${wanted}, current: ${current}`, {
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
  })
}
/** The body, or the object to be stored, is too large. */
export function requestEntityTooLarge(message: string): StatusError {
  return new StatusError(413, 'RequestEntityTooLarge', `Request entity too large: ${message}`)
}
/** The resourceVersion or continue token is too old: list again. */
export function expired(message: string, options: { continue?: string } = {}): StatusError {
  return new StatusError(410, 'Expired', message, options)
}
/** Accept names no encoding the server has. */
export function notAcceptable(accepted: readonly string[]): StatusError {
  return new StatusError(406, 'NotAcceptable', `only the following media types are accepted: ${accepted.join(', ')}`)
}
/** Content-Type names no encoding the server has. */
export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const text = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`
  return new StatusError(415, 'UnsupportedMediaType', text)
}
/** Where it is the router that finds no handler for a media type. @param representations those that it could answer with. */
export function unroutableMediaType(code: 406 | 415, representations: readonly string[] = []): StatusError {
  const text =
    code === 415
      ? '415: Unsupported Media Type'
      : `406: Not Acceptable\n\nAvailable representations: ${representations.join(', ')}`
  return genericServerResponse(code, '', { group: '', resource: '' }, '', text)
}
/** The Status of a router that knows no better: message and reason by code. Source: apimachinery NewGenericServerResponse. */
export function genericServerResponse(
  code: number,
  verb: string,
  gr: GroupResource,
  name: string,
  serverText = '',
): StatusError {
  const known = GENERIC[code]
  let message = known?.message(serverText)
  let reason: Reason = known?.reason ?? ''
  if (message === undefined) {
    message =
      code >= 500
        ? `an error on the server (${JSON.stringify(serverText)}) has prevented the request from succeeding`
        : `the server responded with the status code ${code} but did not return more information`
    reason = code >= 500 ? 'InternalError' : ''
  }
  if (code === 409 && verb.toUpperCase() === 'POST') reason = 'AlreadyExists'
  const subject = formatGroupResource(gr)
  if (subject !== '')
    message += name === '' ? ` (${verb.toLowerCase()} ${subject})` : ` (${verb.toLowerCase()} ${subject} ${name})`
  return new StatusError(code, reason, message, { details: detailsOf(gr, name) })
}
const fixed = (text: string) => (): string => text
const given = (text: string): string => text
const GENERIC: Record<number, { reason: Reason; message: (serverText: string) => string }> = {
  400: { reason: 'BadRequest', message: fixed('the server rejected our request for an unknown reason') },
  401: { reason: 'Unauthorized', message: fixed('the server has asked for the client to provide credentials') },
  403: { reason: 'Forbidden', message: given },
  404: { reason: 'NotFound', message: fixed('the server could not find the requested resource') },
  405: {
    reason: 'MethodNotAllowed',
    message: fixed('the server does not allow this method on the requested resource'),
  },
  406: {
    reason: 'NotAcceptable',
    message: (t) =>
      t === '' || t === 'unknown' ? 'the server was unable to respond with a content type that the client supports' : t,
  },
  409: { reason: 'Conflict', message: fixed('the server reported a conflict') },
  415: { reason: 'UnsupportedMediaType', message: given },
  422: { reason: 'Invalid', message: fixed('the server rejected our request due to an error in our request') },
  429: {
    reason: 'TooManyRequests',
    message: fixed('the server has received too many requests and has asked us to try again later'),
  },
  503: { reason: 'ServiceUnavailable', message: fixed('the server is currently unable to handle the request') },
  504: {
    reason: 'Timeout',
    message: fixed(
      'the server was unable to return a response in the time allotted, but may still be processing the request',
    ),
  },
}
