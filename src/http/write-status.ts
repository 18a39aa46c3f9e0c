/** Writes a StatusError, or a Status of success, in the encoding the client asked for. */
import { encodeJson, encodeProtobuf, encodeYaml } from '../api/codec/codec.ts'
import { metaTypes } from '../api/schema/meta-types.ts'
import type { Status, StatusError } from '../api/status-error.ts'
import { MEDIA_TYPES, type Negotiated, negotiateError } from './negotiation.ts'
import type { RequestContext } from './request-context.ts'

export const STATUS_TYPE = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status'

export function writeStatusError(ctx: RequestContext, error: StatusError): void {
  const retryAfter = error.details?.retryAfterSeconds
  const extra = retryAfter !== undefined && retryAfter > 0 ? ['Retry-After', String(retryAfter)] : []
  writeStatus(ctx, error.code, error.toStatus(), extra)
}

export function writeStatus(
  ctx: RequestContext,
  code: number,
  status: Status,
  extraHeaders: readonly string[] = [],
): void {
  const form = negotiateError(ctx)
  const body = encodeStatus(status, form)
  ctx.answer(
    code,
    ['Content-Type', MEDIA_TYPES[form.encoding], ...extraHeaders, 'Content-Length', String(body.byteLength)],
    ctx.exchange.method === 'HEAD' ? undefined : body,
  )
}

function encodeStatus(status: Status, form: Negotiated): Uint8Array {
  if (form.encoding === 'protobuf') return encodeProtobuf(metaTypes(), STATUS_TYPE, status)
  if (form.encoding === 'yaml') return Buffer.from(encodeYaml(status))
  return Buffer.from(form.pretty ? encodeJson(status, { pretty: true }) : `${encodeJson(status)}\n`)
}

/** Text for people, as Go's http.Error writes it: ends in a newline, not to be sniffed. */
export function writeText(ctx: RequestContext, code: number, text: string, extraHeaders: readonly string[] = []): void {
  const body = Buffer.from(`${text}\n`)
  ctx.answer(
    code,
    [
      'Content-Type',
      'text/plain; charset=utf-8',
      'X-Content-Type-Options',
      'nosniff',
      ...extraHeaders,
      'Content-Length',
      String(body.byteLength),
    ],
    body,
  )
}
