/**
 * Finds out whether each backend can be reached, as this process sees it.
 *
 * Owns:     when a backend is probed, and what counts as a change of mind (damping.ts).
 * Callers:  app/ runs it over the names of APIServices; the proxy tells it of requests through observed().
 * Not here: the judgement of facts (availability-check.ts), the probe (probe.ts), readers of the verdict
 *           (availability-view.ts), the stored condition (condition-writer.ts).
 */
import { isDeepStrictEqual } from 'node:util'
import { pathOf } from '../../../api/group-version.ts'
import { type APIService, AVAILABLE, type ServiceReference } from '../../../api/apiservice.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import type { Informer } from '../../../client/informer.ts'
import { onSpecChange } from '../../../client/on-spec-change.ts'
import type { Transport } from '../../../client/transport.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import { Backoff } from '../../../lib/backoff.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Published } from '../../../lib/published.ts'
import type { Logger } from '../../../observability/logger.ts'
import type { MetricsRecorder } from '../../../observability/metrics.ts'
import { type APIServiceTable, onNewBackend } from '../registrations/apiservice-table.ts'
import { type Verdict, checkService } from '../registrations/availability-check.ts'
import { AvailabilityMetrics } from './availability-metrics.ts'
import { localVerdict, type ServedHere } from '../registrations/served-here.ts'
import type { AvailabilityView } from '../registrations/availability-view.ts'
import type { Backend } from '../backends/backend.ts'
import { CERTIFICATE_EXPIRING, expiryVerdict } from '../../../proxy/reach/certificate-expiry.ts'
import type { ConditionWriter } from '../registrations/condition-writer.ts'
import { Damping } from './damping.ts'
import { type ObservedPhase, PassiveSignals } from '../backends/passive-signals.ts'
import { type Judgement, probe } from './probe.ts'
import type { ProbeSettings } from '../policy/effective-policy.ts'
import type { ServiceLookup } from '../../../proxy/reach/service-resolver.ts'

/** A backend that is down is asked often: it should be back soon after it is back. */
const RETRY = { baseMs: 5, maxMs: 2500 }
export const CONFIRM_FAILURE_MS = 500
export const CONFIRM_PASS_MS = 250
/** A backend in doubt gets so many times what it usually takes to answer a probe, and never less than LEAST. */
const PATIENCE = 5
const LEAST_PATIENCE_MS = 1000
const DEGRADED = 'Degraded'

export interface AvailabilityOptions {
  readonly informer: Pick<Informer<APIService>, 'lister' | 'addHandler'>
  readonly table: Published<APIServiceTable>
  readonly lookup: ServiceLookup
  readonly servedHere: Pick<ServedHere, 'isMissing' | 'subscribe'>
  /** Whether a namespace is being deleted. */
  readonly isTerminating: (namespace: string) => boolean
  readonly queue: WorkQueue
  readonly view: AvailabilityView
  readonly conditions: Pick<ConditionWriter, 'want' | 'wantFalse'>
  readonly rulesOf: (apiService: APIService) => ProbeSettings
  /** Requests to a backend as the aggregator's own user, whatever its availability; failures reject. */
  readonly transportTo: (backend: Backend) => Transport
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsRecorder
}

export class AvailabilityController implements Reconciler {
  readonly #o: AvailabilityOptions
  readonly #backoff = new Backoff(RETRY.baseMs, RETRY.maxMs)
  readonly #damping = new Damping()
  readonly #signals: PassiveSignals
  readonly #metrics: AvailabilityMetrics
  /** The spec that the last accepted verdict was about. */
  readonly #probedSpec = new Map<string, APIService['spec']>()
  /** How long the last probe that passed took. */
  readonly #usualMs = new Map<string, number>()

  constructor(o: AvailabilityOptions) {
    this.#o = o
    this.#signals = new PassiveSignals(o.clock)
    this.#metrics = new AvailabilityMetrics(o.metrics)
    const wake = (a: APIService): void => void o.queue.add(a.metadata.name!)
    onSpecChange(o.informer, wake)
    onNewBackend(o.table, wake)
    o.servedHere.subscribe(() => {
      for (const a of o.informer.lister.list()) if (!a.spec.service) wake(a)
    })
  }
  /** Entries kept, of all kinds. */
  get size(): number {
    return this.#damping.size + this.#signals.size + this.#probedSpec.size + this.#usualMs.size
  }

  /**
   * How a request to a backend went. A failure has the backend probed at once, at most once a second.
   * @param ok false for connect errors, resets, timeouts and 5xx answers.
   */
  observed(name: string, ok: boolean, phase: ObservedPhase): void {
    // For an APIService that was deleted meanwhile nothing is left behind: the next look finds it gone.
    if (this.#signals.observed(name, ok, phase)) this.#o.queue.add(name)
  }
  /** A Service or one of its slices changed. */
  serviceChanged(namespace: string, name: string): void {
    for (const { apiService, backend } of this.#o.table.value.entries) {
      if (backend?.uses(namespace, name)) this.#o.queue.add(apiService.metadata.name!)
    }
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const apiService = this.#o.informer.lister.get(name)
    if (!apiService) {
      this.#forget(name)
      return DONE
    }
    if (!apiService.spec.service && !this.#backendOf(apiService)?.isRemote) {
      this.#believe(apiService, localVerdict(this.#o.servedHere, apiService.spec))
      this.#tellDegraded(apiService, true)
      return DONE
    }
    const rules = this.#o.rulesOf(apiService)
    const judgement = await this.#judge(apiService, rules, signal)
    if (signal.aborted) return DONE
    // The table is a step behind a change of the spec: look again once it has caught up.
    if (!judgement) return { kind: 'requeue', afterMs: RETRY.baseMs }
    const { verdict, phase } = judgement
    // Deleted while it was probed: its deletion woke this key again.
    if (this.#o.informer.lister.get(name)?.metadata.uid !== apiService.metadata.uid) return DONE
    const passed = verdict.status === 'True'
    if (isProbed(verdict) && !this.#damping.accepts(name, this.#believed(apiService), passed, rules))
      return { kind: 'requeue', afterMs: passed ? CONFIRM_PASS_MS : CONFIRM_FAILURE_MS }
    this.#believe(apiService, this.#inItsNamespace(apiService, verdict), phase)
    this.#probedSpec.set(name, apiService.spec)
    this.#tellDegraded(apiService, passed)
    this.#tellExpiry(apiService)
    if (verdict.reason === 'FailedDiscoveryCheck') return { kind: 'requeue', afterMs: this.#backoff.next(name) }
    this.#backoff.forget(name)
    return { kind: 'requeue', afterMs: rules.intervalMs }
  }

  #forget(name: string): void {
    this.#metrics.forget(name)
    this.#o.view.forget(name)
    for (const known of [this.#damping, this.#backoff, this.#signals]) known.forget(name)
    for (const known of [this.#probedSpec, this.#usualMs]) known.delete(name)
  }

  /** The verdict that probes have to overcome. undefined after a change of the spec or while a hard fact spoke. */
  #believed(apiService: APIService): boolean | undefined {
    const before = this.#o.view.current(apiService)
    const probedSpec = this.#probedSpec.get(apiService.metadata.name!)
    if (!before || !isProbed(before) || (probedSpec && !isDeepStrictEqual(probedSpec, apiService.spec)))
      return undefined
    return before.status === 'True'
  }

  /** From here on requests are routed by it. */
  #believe(apiService: APIService, verdict: Verdict, phase?: ObservedPhase): void {
    const name = apiService.metadata.name!
    const before = this.#o.view.current(apiService)
    this.#o.view.set(apiService, verdict, phase)
    this.#metrics.judged(name, before, verdict)
    if (before?.status !== verdict.status || before.reason !== verdict.reason)
      this.#o.log.info('availability changed', { apiService: name, ...verdict })
    this.#o.conditions.want(apiService, { type: AVAILABLE, ...verdict })
  }

  /** A backend that goes with its namespace is not to be waited for, and may be what keeps the namespace from going. */
  #inItsNamespace({ spec }: APIService, verdict: Verdict): Verdict {
    const namespace = spec.service?.namespace ?? ''
    if (verdict.status === 'True' || namespace === '' || !this.#o.isTerminating(namespace)) return verdict
    const message = `the namespace "${namespace}" of the backend is being deleted: ${verdict.message}`
    return { status: 'False', reason: 'BackendNamespaceTerminating', message }
  }

  #tellExpiry(apiService: APIService): void {
    const { conditions, clock } = this.#o
    const { status, ...why } = expiryVerdict(this.#backendOf(apiService)?.expiries ?? [], clock.now())
    if (status === 'True') conditions.want(apiService, { type: CERTIFICATE_EXPIRING, status, ...why })
    else conditions.wantFalse(apiService, { type: CERTIFICATE_EXPIRING, ...why })
  }

  #tellDegraded(apiService: APIService, passed: boolean): void {
    const down = (this.#backendOf(apiService)?.routed ?? []).find((r) => r.down !== undefined)
    const message = passed ? this.#signals.degradation(apiService.metadata.name!) : undefined
    if (down)
      this.#o.conditions.want(apiService, {
        type: DEGRADED,
        status: 'True',
        reason: 'RoutedBackendUnavailable',
        message: `the backend "${down.name}", which routes lead to, is not available: ${down.down}`,
      })
    else if (message !== undefined)
      this.#o.conditions.want(apiService, { type: DEGRADED, status: 'True', reason: 'RequestsFail', message })
    else
      this.#o.conditions.wantFalse(apiService, {
        type: DEGRADED,
        ...(passed
          ? { reason: 'RequestsSucceed', message: 'requests succeed' }
          : { reason: 'Unavailable', message: 'the backend is not available at all' }),
      })
  }

  async #judge(apiService: APIService, rules: ProbeSettings, signal: AbortSignal): Promise<Judgement | undefined> {
    const backend = this.#backendOf(apiService)
    if (!backend) return undefined
    const hard = backend.service && backend.usesOwnService ? this.#checkService(backend.service) : undefined
    if (hard) return { verdict: hard, phase: 'resolve' }
    if (backend.tlsProblem !== undefined)
      return { verdict: { status: 'False', reason: 'InvalidCABundle', message: backend.tlsProblem }, phase: 'tls' }
    return this.#probe(apiService, backend, rules, signal)
  }

  #checkService(reference: Required<ServiceReference>): Verdict | undefined {
    const { namespace, name } = reference
    const { lookup } = this.#o
    return checkService({
      ...reference,
      service: lookup.service(namespace, name),
      slices: lookup.slices(namespace, name),
    })
  }
  /** @returns undefined where the table does not know this spec yet. */
  #backendOf({ metadata, spec }: APIService): Backend | undefined {
    const entry = this.#o.table.value.get(spec.group ?? '', spec.version ?? '')
    const known = entry?.apiService
    const same = known?.metadata.uid === metadata.uid && isDeepStrictEqual(known?.spec, spec)
    return same ? entry?.backend : undefined
  }

  async #probe(
    apiService: APIService,
    backend: Backend,
    rules: ProbeSettings,
    signal: AbortSignal,
  ): Promise<Judgement> {
    const { clock, transportTo } = this.#o
    const startedMs = clock.monotonicMs()
    const judgement = await probe({
      backend,
      transport: transportTo(backend),
      path: rules.path ?? pathOf(apiService.spec),
      timeoutMs: this.#patienceMs(apiService, rules),
      expectedStatuses: rules.expectedStatuses,
      clock,
      signal,
    })
    const tookMs = clock.monotonicMs() - startedMs
    this.#metrics.probed(backend.name, tookMs)
    if (judgement.verdict.status === 'True') this.#usualMs.set(backend.name, tookMs)
    return judgement
  }

  /** The time limit of a probe: short for a backend that hangs while requests fail, longer for a backend that usually is slow. */
  #patienceMs(apiService: APIService, rules: ProbeSettings): number {
    const name = apiService.metadata.name!
    const usualMs = this.#usualMs.get(name)
    const inDoubt = this.#damping.doubts(name) || this.#signals.suspects(name)
    if (!inDoubt || usualMs === undefined || !this.#o.view.isAvailable(apiService)) return rules.timeoutMs
    return Math.min(rules.timeoutMs, Math.max(LEAST_PATIENCE_MS, usualMs * PATIENCE))
  }
}

/** Verdicts of a probe; the others are facts. */
function isProbed({ reason }: Pick<Verdict, 'reason'>): boolean {
  return reason === 'Passed' || reason === 'FailedDiscoveryCheck'
}
