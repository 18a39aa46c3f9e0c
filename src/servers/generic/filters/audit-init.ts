import { randomUUID } from 'node:crypto'
import type { Filter } from '../../../http/filter.ts'
import type { Logger } from '../../../observability/logger.ts'

/** Names the request: the client's Audit-ID or a new one, on the answer and on each log line of it. */
export function auditInitFilter(log: Logger, newId: () => string = randomUUID): Filter {
  return {
    name: 'audit-init',
    wrap: (next) => (ctx) => {
      ctx.auditId = ctx.exchange.headers.get('audit-id') || newId()
      ctx.answerHeaders.push('Audit-Id', ctx.auditId)
      ctx.log = lazyChild(log, ctx.auditId)
      return next(ctx)
    },
  }
}

/** Most requests log nothing: the child is made on the first line. */
function lazyChild(log: Logger, auditId: string): Logger {
  let child: Logger | undefined
  const get = (): Logger => {
    child ??= log.child({ auditId })
    return child
  }
  return {
    v: log.v,
    error: (m, f) => get().error(m, f),
    warn: (m, f) => get().warn(m, f),
    info: (m, f) => get().info(m, f),
    ...(log.verbose ? { verbose: (m, f) => get().verbose!(m, f) } : {}),
    ...(log.debug ? { debug: (m, f) => get().debug!(m, f) } : {}),
    child: (f) => get().child(f),
  }
}
