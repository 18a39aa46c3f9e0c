/** What all parts of one server share: its configuration, its clock, where it reports, and what it owns. */
import type { Clock } from '../../lib/clock.ts'
import type { Deferred } from '../../lib/deferred.ts'
import type { Lifetime } from '../../lib/lifetime.ts'
import type { Logger } from '../../observability/logger.ts'
import type { MetricsRegistry } from '../../observability/metrics-registry.ts'
import type { Tracer } from '../../observability/tracer.ts'
import type { SystemLookup } from '../../servers/aggregator/reach/endpoint-source.ts'
import type { Drain } from '../../servers/generic/drain.ts'
import type { HealthChecks } from '../../servers/generic/health.ts'
import type { Hooks } from '../../servers/generic/hooks.ts'
import type { Config } from '../config/config.ts'

export interface AppContext {
  readonly config: Config
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsRegistry
  readonly lookup: SystemLookup
  readonly tracer: Tracer
  readonly life: Lifetime
  readonly drain: Drain
  readonly health: HealthChecks
  readonly hooks: Hooks
  /** Resolved when kube-system and its like are there. */
  readonly systemNamespaces: Deferred
}
