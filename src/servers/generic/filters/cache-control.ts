import type { Filter } from '../../../http/filter.ts'

export function cacheControlFilter(): Filter {
  return {
    name: 'cache-control',
    about: 'Authenticated answers belong in no shared cache; a handler that knows better sets its own Cache-Control.',
    wrap: (next) => (ctx) => {
      ctx.answerHeaders.push('Cache-Control', 'no-cache, private')
      return next(ctx)
    },
  }
}
