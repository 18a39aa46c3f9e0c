/** What the handler chain does, filter by filter, without a server: for `portico filters` and the docs. */
import type { Filter } from '../../http/filter.ts'
import { systemClock } from '../../lib/clock.ts'
import { noopLogger } from '../../observability/logger.ts'
import { noopMetrics } from '../../observability/metrics.ts'
import { noopTracer } from '../../observability/tracer.ts'
import { Drain } from './drain.ts'
import { filtersOf } from './handler-chain.ts'

/** In the order they run. */
export function describedFilters(): readonly Pick<Filter, 'name' | 'about'>[] {
  return filtersOf({
    clock: systemClock,
    log: noopLogger,
    metrics: noopMetrics,
    tracer: noopTracer,
    drain: new Drain(systemClock),
    authenticator: { name: 'nobody', authenticate: () => ({ kind: 'no-opinion' }) },
    authorizer: { name: 'nobody', authorize: () => ({ kind: 'no-opinion', reason: '' }) },
    requestTimeoutMs: 60_000,
    hstsDirectives: [],
    corsAllowedOrigins: [],
    goawayChance: 0,
  })
}
