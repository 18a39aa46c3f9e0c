/** The handler chain: a list that reads in the order it runs. */
import { authenticationFilter } from '../../access/authentication/filter.ts'
import type { Authenticator } from '../../access/authentication/authenticator.ts'
import { authorizationFilter } from '../../access/authorization/filter.ts'
import type { Authorizer } from '../../access/authorization/authorizer.ts'
import { impersonationFilter } from '../../access/impersonation/filter.ts'
import { type Filter, type FilterTimer, type Handler, compose } from '../../http/filter.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import type { MetricsRecorder } from '../../observability/metrics.ts'
import type { Tracer } from '../../observability/tracer.ts'
import type { Drain } from './drain.ts'
import { auditInitFilter } from './filters/audit-init.ts'
import { cacheControlFilter } from './filters/cache-control.ts'
import { corsFilter } from './filters/cors.ts'
import { deadlineFilter } from './filters/deadline.ts'
import { drainingFilter } from './filters/draining.ts'
import { goawayFilter } from './filters/goaway.ts'
import { hstsFilter } from './filters/hsts.ts'
import { httpLogFilter } from './filters/http-log.ts'
import { panicRecoveryFilter } from './filters/panic-recovery.ts'
import { type RulesOf, requestInfoFilter } from './filters/request-info.ts'
import { tracingFilter } from './filters/tracing.ts'
import { requestMetricsFilter } from './request-metrics.ts'

export interface ChainOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsRecorder
  readonly tracer: Tracer
  readonly drain: Drain
  readonly authenticator: Authenticator
  readonly authorizer: Authorizer
  readonly requestTimeoutMs: number
  readonly hstsDirectives: readonly string[]
  readonly corsAllowedOrigins: readonly RegExp[]
  readonly goawayChance: number
  readonly rulesOf?: RulesOf
}

export function filtersOf(o: ChainOptions): readonly Filter[] {
  return [
    auditInitFilter(o.log),
    panicRecoveryFilter(o.metrics),
    requestInfoFilter(o.rulesOf),
    requestMetricsFilter(o.metrics, o.clock),
    httpLogFilter(o.log, o.clock),
    drainingFilter(o.drain),
    hstsFilter(o.hstsDirectives),
    cacheControlFilter(),
    goawayFilter(o.goawayChance),
    deadlineFilter(o.requestTimeoutMs, o.clock, o.metrics),
    corsFilter(o.corsAllowedOrigins),
    authenticationFilter(o.authenticator, o.metrics, o.clock),
    tracingFilter(o.tracer, o.clock),
    impersonationFilter(o.authorizer),
    authorizationFilter(o.authorizer, o.metrics, o.clock),
  ]
}

export function buildHandlerChain(o: ChainOptions, last: Handler): Handler {
  return compose(filtersOf(o), last, filterTimer(o))
}

const TIMED = new Set(['authentication', 'impersonation', 'authorization'])
const FILTER_S = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 5, 10, 15, 30]

function filterTimer(o: ChainOptions): FilterTimer {
  const family = o.metrics.histogram({
    name: 'apiserver_request_filter_duration_seconds',
    help: '[ALPHA] Time spent in a filter before the next one is entered, in seconds.',
    labels: ['filter'],
    buckets: FILTER_S,
  })
  return {
    bind: (filter) => (TIMED.has(filter) ? family.with(filter) : undefined),
    monotonicMs: () => o.clock.monotonicMs(),
  }
}
