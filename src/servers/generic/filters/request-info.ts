import type { Filter } from '../../../http/filter.ts'
import type { RequestContext, RequestRules } from '../../../http/request-context.ts'
import { parseRequestInfo, type RequestInfo } from '../../../http/request-info.ts'
import { writeText } from '../../../http/write-status.ts'
import { isLongRunning } from '../long-running.ts'

/**
 * A path whose escapes cannot be decoded is refused: a backend that is laxer would serve another path than the one
 * that was authorized. What can be decoded differs from what came as soon as it holds a `%`. So are `#` and a raw
 * backslash, which some servers take for the end of the path and for a slash.
 */
function isMalformed({ path, rawQuery, exchange: { target } }: RequestContext): boolean {
  if (hasMoreThan(MAX_PARAMETERS, '&', rawQuery) || hasMoreThan(MAX_SEGMENTS, '/', path)) return true
  const mark = target.indexOf('?')
  const rawPath = mark < 0 ? target : target.slice(0, mark)
  return target.includes('#') || rawPath.includes('\\') || (path.includes('%') && path === rawPath)
}

/** The most parameters: each becomes an object before the client is authenticated. Source: Go's net/url takes as many. */
const MAX_PARAMETERS = 10_000
const MAX_SEGMENTS = 10_000
function hasMoreThan(max: number, separator: string, text: string): boolean {
  if (text.length <= max) return false
  let at = -1
  for (let count = 0; count <= max; count++) {
    at = text.indexOf(separator, at + 1)
    if (at < 0) return false
  }
  return true
}

/** What a backend's policy says of requests of this kind. */
export type RulesOf = (info: RequestInfo) => RequestRules | undefined

export function requestInfoFilter(rulesOf: RulesOf = () => undefined): Filter {
  const infoOf = remembering()
  return {
    name: 'request-info',
    about:
      'Reads verb, group, version, resource, namespace and name from method and path; everything behind goes by that.',
    wrap: (next) => (ctx) => {
      // Asks about the server as a whole (RFC 9110 section 9.3.7); the listener takes it of OPTIONS alone.
      if (ctx.exchange.target === '*') return ctx.answer(200, ['Content-Length', '0'])
      if (isMalformed(ctx)) return writeText(ctx, 400, '400 Bad Request')
      // Readers of paths that skip slashes would take it for another path.
      if (ctx.path.startsWith('//')) return writeText(ctx, 404, '404 page not found')
      try {
        ctx.info = infoOf(ctx)
      } catch (e) {
        const why = `failed to create RequestInfo: ${e instanceof Error ? e.message : String(e)}`
        return writeText(ctx, 500, `Internal Server Error: ${JSON.stringify(ctx.exchange.target)}: ${why}`)
      }
      ctx.rules = rulesOf(ctx.info)
      ctx.longRunning = ctx.rules?.longRunning ?? isLongRunning(ctx.info)
      return next(ctx)
    },
  }
}

const MAX_REMEMBERED = 1_024
/** The longest path that is remembered, in characters. */
const MAX_LENGTH = 256

/** Clients ask for the same few paths again and again: leases, discovery, the objects they look after. */
function remembering(): (ctx: RequestContext) => RequestInfo {
  const known = new Map<string, { method: string; info: RequestInfo }>()
  return (ctx) => {
    const { path, exchange, rawQuery } = ctx
    if (rawQuery !== '' || path.length > MAX_LENGTH) return parseRequestInfo(exchange.method, path, ctx.query)
    const last = known.get(path)
    if (last?.method === exchange.method) return last.info
    const info = parseRequestInfo(exchange.method, path, ctx.query)
    if (known.size >= MAX_REMEMBERED) known.clear()
    known.set(path, { method: exchange.method, info })
    return info
  }
}
