import type { Filter } from '../../../http/filter.ts'
import { textOfValue } from '../../../http/header-list.ts'
import type { RequestContext } from '../../../http/request-context.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../observability/logger.ts'

const VERBOSITY = 3

export function httpLogFilter(log: Logger, clock: Clock): Filter {
  return {
    name: 'http-log',
    about:
      'One line per request at --v=3 and above. Query values may hold tokens (exec, websockets): only the path is logged.',
    wrap: (next) => {
      if (log.v < VERBOSITY) return next
      return (ctx) => {
        logWhenOver(ctx, clock)
        return next(ctx)
      }
    },
  }
}

function logWhenOver(ctx: RequestContext, clock: Clock): void {
  ctx.exchange.onFinish((outcome) => {
    const agent = ctx.exchange.headers.get('user-agent')
    ctx.log.info('HTTP', {
      verb: ctx.info.verb,
      path: ctx.path,
      latencyMs: Math.round((clock.monotonicMs() - ctx.receivedMonotonicMs) * 1000) / 1000,
      userAgent: agent && textOfValue(agent),
      srcIP: ctx.exchange.connection.remoteAddress,
      protocol: ctx.exchange.connection.protocol,
      user: ctx.user?.name,
      resp: outcome.status,
      outcome: outcome.kind,
      ...(ctx.annotations ? { annotations: Object.fromEntries(ctx.annotations) } : {}),
    })
  })
}
