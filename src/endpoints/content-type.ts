import type { Encoding } from '../api/codec/codec.ts'
import { unsupportedMediaType } from '../api/status-error.ts'
import { MEDIA_TYPES } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'

const ENCODINGS: readonly Encoding[] = ['json', 'yaml', 'protobuf']

/** The media type of the body, without parameters; empty where the header is. */
export function contentTypeOf(ctx: RequestContext): string {
  const header = ctx.exchange.headers.get('content-type') ?? ''
  const semicolon = header.indexOf(';')
  return (semicolon < 0 ? header : header.slice(0, semicolon)).trim().toLowerCase()
}

/** No Content-Type means JSON. @throws StatusError 415. */
export function bodyEncoding(ctx: RequestContext, accepted: readonly Encoding[] = ENCODINGS): Encoding {
  const type = contentTypeOf(ctx)
  if (type === '' && accepted.includes('json')) return 'json'
  const found = accepted.find((e) => MEDIA_TYPES[e] === type || (e === 'yaml' && type === 'text/yaml'))
  if (!found) throw unsupportedMediaType(accepted.map((e) => MEDIA_TYPES[e]))
  return found
}
