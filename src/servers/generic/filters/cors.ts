import type { Filter } from '../../../http/filter.ts'

const METHODS = 'POST, GET, OPTIONS, PUT, DELETE, PATCH'
const REQUEST_HEADERS =
  'Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since'

/** @param allowedOrigins regular expressions of --cors-allowed-origins; none: the filter vanishes from the chain. */
export function corsFilter(allowedOrigins: readonly RegExp[]): Filter {
  return {
    name: 'cors',
    about: 'Lets pages of other origins call, and answers their preflights.',
    wrap: (next) => {
      if (allowedOrigins.length === 0) return next
      return (ctx) => {
        const origin = ctx.exchange.headers.get('origin') ?? ''
        if (origin === '' || !allowedOrigins.some((allowed) => allowed.test(origin))) return next(ctx)
        ctx.answerHeaders.push('Access-Control-Allow-Origin', origin)
        ctx.answerHeaders.push('Access-Control-Allow-Methods', METHODS)
        ctx.answerHeaders.push('Access-Control-Allow-Headers', REQUEST_HEADERS)
        ctx.answerHeaders.push('Access-Control-Expose-Headers', 'Date')
        ctx.answerHeaders.push('Access-Control-Allow-Credentials', 'true')
        if (ctx.exchange.method === 'OPTIONS') return ctx.answer(204, [])
        return next(ctx)
      }
    },
  }
}
