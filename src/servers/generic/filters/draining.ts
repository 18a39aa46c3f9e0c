import type { Filter } from '../../../http/filter.ts'
import { writeText } from '../../../http/write-status.ts'
import type { Drain } from '../drain.ts'

const STILL_ANSWERED = ['/readyz', '/livez', '/healthz', '/metrics']

export function drainingFilter(drain: Drain): Filter {
  return {
    name: 'draining',
    about: 'Counts what is under way; once the server stops, refuses what is new so that clients go elsewhere.',
    wrap: (next) => (ctx) => {
      if (drain.refusing && !STILL_ANSWERED.some((prefix) => ctx.path.startsWith(prefix))) {
        ctx.exchange.connection.retire()
        return writeText(ctx, 429, 'The apiserver is shutting down, please try again later.', ['Retry-After', '5'])
      }
      if (!ctx.longRunning) {
        drain.enter()
        ctx.exchange.onFinish(() => drain.leave())
      }
      return next(ctx)
    },
  }
}
