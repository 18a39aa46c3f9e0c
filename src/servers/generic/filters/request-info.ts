import type { Filter } from '../../../http/filter.ts'
import { parseRequestInfo } from '../../../http/request-info.ts'
import { writeText } from '../../../http/write-status.ts'

/** Reads verb, group, version, resource, namespace and name from method and path; everything behind goes by that. */
export function requestInfoFilter(): Filter {
  return {
    name: 'request-info',
    wrap: (next) => (ctx) => {
      try {
        ctx.info = parseRequestInfo(ctx.exchange.method, ctx.path, ctx.query)
      } catch (e) {
        const why = `failed to create RequestInfo: ${e instanceof Error ? e.message : String(e)}`
        return writeText(ctx, 500, `Internal Server Error: ${JSON.stringify(ctx.exchange.target)}: ${why}`)
      }
      return next(ctx)
    },
  }
}
