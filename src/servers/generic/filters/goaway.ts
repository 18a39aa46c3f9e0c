import type { Filter } from '../../../http/filter.ts'

export function goawayFilter(chance: number, random: () => number = Math.random): Filter {
  return {
    name: 'goaway',
    about:
      'With probability `chance` per HTTP/2 request, asks the client to reconnect, so that load spreads over replicas.',
    wrap: (next) => {
      if (chance <= 0) return next
      return (ctx) => {
        if (ctx.exchange.connection.protocol === 'h2' && random() < chance) ctx.exchange.connection.retire()
        return next(ctx)
      }
    },
  }
}
