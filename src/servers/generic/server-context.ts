/** What every server of a process works with, whatever it serves. The process makes it, and releases `life` at its end. */
import type { ControllerManager } from '../../client/controller-manager.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Lifetime } from '../../lib/lifetime.ts'
import type { Logger } from '../../observability/logger.ts'
import type { MetricsRegistry } from '../../observability/metrics-registry.ts'
import type { Tracer } from '../../observability/tracer.ts'
import type { Delegate } from './delegate.ts'
import type { Drain } from './drain.ts'
import type { FixedPaths } from './fixed-paths.ts'
import type { HealthChecks } from './health.ts'

export interface ServerContext {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsRegistry
  readonly tracer: Tracer
  readonly life: Lifetime
  readonly drain: Drain
  readonly health: HealthChecks
  readonly controllers: ControllerManager
}

/** What a server's assemble.ts hands to the process. */
export interface AssembledServer {
  /** In the order requests are offered to them. */
  readonly delegates: readonly Delegate[]
  /** Paths that belong to no API group. */
  addPaths(fixed: FixedPaths): void
}
