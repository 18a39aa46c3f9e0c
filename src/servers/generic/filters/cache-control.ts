import type { Filter } from '../../../http/filter.ts'

/** Authenticated answers belong in no shared cache; a handler that knows better sets its own Cache-Control. */
export function cacheControlFilter(): Filter {
  return {
    name: 'cache-control',
    wrap: (next) => (ctx) => {
      ctx.answerHeaders.push('Cache-Control', 'no-cache, private')
      return next(ctx)
    },
  }
}
