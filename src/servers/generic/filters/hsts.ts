import type { Filter } from '../../../http/filter.ts'

/** @param directives of --strict-transport-security-directives; none: the filter vanishes from the chain. */
export function hstsFilter(directives: readonly string[]): Filter {
  const value = directives.join('; ')
  return {
    name: 'hsts',
    about: 'Tells browsers to use TLS only.',
    wrap: (next) => {
      if (value === '') return next
      return (ctx) => {
        ctx.answerHeaders.push('Strict-Transport-Security', value)
        return next(ctx)
      }
    },
  }
}
