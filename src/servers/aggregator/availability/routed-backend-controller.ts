/**
 * Finds out whether the backends that routes lead to can be reached. The availability of an APIService is that of the
 * backend for the rest. A backend beside it that is down is told in the condition Degraded, and weights lead past it.
 *
 * Owns:     when they are probed, and the gauge of each. The verdict stands in availability-view.ts.
 * Callers:  app/ runs it over the names of APIServices; the proxy tells it of requests that failed.
 */
import type { APIService } from '../../../api/apiservice.ts'
import { pathOf } from '../../../api/group-version.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import type { Informer } from '../../../client/informer.ts'
import type { Transport } from '../../../client/transport.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Published } from '../../../lib/published.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { Family, Gauge, MetricsRecorder } from '../../../observability/metrics.ts'
import { type APIServiceTable, onNewBackend } from '../registrations/apiservice-table.ts'
import { CONFIRM_FAILURE_MS, CONFIRM_PASS_MS } from './availability-controller.ts'
import type { AvailabilityView } from '../registrations/availability-view.ts'
import type { RoutedBackend } from '../backends/backend.ts'
import { Damping } from './damping.ts'
import { probe } from './probe.ts'
import type { ProbeSettings } from '../policy/effective-policy.ts'

/** A backend that is down is probed often, so that it is used again soon after it is back. */
const DOWN_AGAIN_MS = 2500
/** Requests that fail have it probed no oftener. */
const LEAST_MS = 1000

export interface RoutedBackendOptions {
  readonly informer: Pick<Informer<APIService>, 'lister'>
  readonly table: Published<APIServiceTable>
  readonly queue: WorkQueue
  readonly view: Pick<AvailabilityView, 'setProblem'>
  readonly rulesOf: (apiService: APIService) => ProbeSettings
  readonly transportTo: (source: Pick<RoutedBackend, 'direct'>) => Transport
  /** Called when the verdict on a backend of this APIService changed. */
  readonly changed: (apiService: string) => void
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsRecorder
}
interface Known {
  probedMs: number
  /** Whether each backend is up, by its name. */
  readonly up: Map<string, boolean>
}

export class RoutedBackendController implements Reconciler {
  readonly #o: RoutedBackendOptions
  readonly #damping = new Damping()
  readonly #up: Family<Gauge>
  /** Only of APIServices with such backends. */
  readonly #known = new Map<string, Known>()

  constructor(o: RoutedBackendOptions) {
    this.#o = o
    this.#up = o.metrics.gauge({
      name: 'portico_apiservice_routed_backend_up',
      help: 'Whether a backend that routes lead to answers its probes.',
      labels: ['name', 'backend'],
    })
    onNewBackend(o.table, ({ metadata }) => void o.queue.add(metadata.name!))
    o.table.subscribe(() => this.#forgetGone())
  }
  get size(): number {
    return this.#known.size + this.#damping.size
  }
  /** A request to a backend that routes lead to failed. */
  failed(name: string): void {
    const known = this.#known.get(name)
    if (known && this.#o.clock.monotonicMs() - known.probedMs >= LEAST_MS) this.#o.queue.add(name)
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const apiService = this.#o.informer.lister.get(name)
    const { group = '', version = '' } = apiService?.spec ?? {}
    const entry = this.#o.table.value.get(group, version)
    const routed = apiService && entry?.apiService.metadata.name === name ? (entry.backend?.routed ?? []) : []
    this.#keepOnly(name, new Set(routed.map((r) => r.name)))
    if (!apiService || routed.length === 0) return DONE
    const known = this.#known.get(name) ?? { probedMs: 0, up: new Map() }
    this.#known.set(name, known)
    known.probedMs = this.#o.clock.monotonicMs()
    const rules = this.#o.rulesOf(apiService)
    const waits = await Promise.all(routed.map((r) => this.#probe(apiService, r, { known, rules, signal })))
    return { kind: 'requeue', afterMs: Math.min(...waits) }
  }

  /** @returns ms until the next probe. */
  async #probe(
    apiService: APIService,
    routed: RoutedBackend,
    { known, rules, signal }: { known: Known; rules: ProbeSettings; signal: AbortSignal },
  ): Promise<number> {
    const { verdict } = await probe({
      backend: routed.target,
      transport: this.#o.transportTo(routed),
      path: rules.path ?? pathOf(apiService.spec),
      timeoutMs: rules.timeoutMs,
      expectedStatuses: rules.expectedStatuses,
      clock: this.#o.clock,
      signal,
    })
    const name = apiService.metadata.name!
    // Stopped, or gone while it was probed.
    if (signal.aborted || this.#known.get(name) !== known) return DOWN_AGAIN_MS
    const passed = verdict.status === 'True'
    const before = known.up.get(routed.name)
    if (!this.#damping.accepts(keyOf(name, routed.name), before, passed, rules))
      return passed ? CONFIRM_PASS_MS : CONFIRM_FAILURE_MS
    known.up.set(routed.name, passed)
    this.#o.view.setProblem(routed.target, passed ? undefined : (verdict.message ?? 'its probe fails'))
    this.#up.with(name, routed.name).set(passed ? 1 : 0)
    if (before !== passed && (before !== undefined || !passed)) {
      this.#o.log.warn('a backend that routes lead to changed', { apiService: name, backend: routed.name, ...verdict })
      this.#o.changed(name)
    }
    return passed ? rules.intervalMs : DOWN_AGAIN_MS
  }

  #forgetGone(): void {
    const names = new Set([...this.#o.table.value.entries].map((e) => e.apiService.metadata.name))
    for (const name of this.#known.keys()) if (!names.has(name)) this.#keepOnly(name, new Set())
  }
  #keepOnly(name: string, backends: ReadonlySet<string>): void {
    const known = this.#known.get(name)
    for (const backend of known?.up.keys() ?? []) {
      if (backends.has(backend)) continue
      known!.up.delete(backend)
      this.#damping.forget(keyOf(name, backend))
      this.#up.remove(name, backend)
      this.#o.changed(name)
    }
    if (backends.size === 0) this.#known.delete(name)
  }
}

const keyOf = (apiService: string, backend: string): string => `${apiService} ${backend}`
