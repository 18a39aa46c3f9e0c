/**
 * Finds out whether each backend can be reached, and says so in the APIService's Available condition.
 *
 * Facts come from caches, the probe goes over the same connections as the traffic; the judgement is pure
 * (availability-check.ts). One write per change.
 */
import { isDeepStrictEqual } from 'node:util'
import { type APIService, AVAILABLE, availableCondition, withCondition } from '../../api/apiservice.ts'
import type { ResourceClient } from '../../client/client.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../client/controller.ts'
import type { Informer } from '../../client/informer.ts'
import type { Transport } from '../../client/transport.ts'
import type { WorkQueue } from '../../client/work-queue.ts'
import { StatusError } from '../../api/status-error.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Published } from '../../lib/published.ts'
import type { Logger } from '../../observability/logger.ts'
import type { MetricsRecorder } from '../../observability/metrics.ts'
import { formatTime } from '../../api/time.ts'
import type { APIServiceTable } from './apiservice-table.ts'
import { LOCAL } from './apiservice-strategy.ts'
import { PASSED, type Verdict, checkService, probeFailed } from './availability-check.ts'
import type { Backend } from './backend.ts'
import { Damping } from './damping.ts'
import type { ServiceLookup } from './service-resolver.ts'

const RECHECK_MS = 30_000
/** A backend that is down is asked often: it should be back soon after it is back. */
const RETRY = { baseMs: 5, maxMs: 2500 }
const CONFIRM_FAILURE_MS = 500
const CONFIRM_PASS_MS = 250
const PROBE_TIMEOUT_MS = 5000
const FAILURES = [
  'ServiceNotFound',
  'ServicePortError',
  'EndpointsNotFound',
  'MissingEndpoints',
  'FailedDiscoveryCheck',
  'InvalidCABundle',
]
const AGAIN: ReconcileResult = { kind: 'requeue', afterMs: 50 }

export interface AvailabilityOptions {
  readonly informer: Informer<APIService>
  readonly table: Published<APIServiceTable>
  readonly lookup: ServiceLookup
  readonly client: ResourceClient<APIService>
  readonly queue: WorkQueue
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
  /** The spec that the last accepted verdict was about. */
  readonly #probedSpec = new Map<string, APIService['spec']>()
  /** What we wrote last, or would have. */
  readonly #verdicts = new Map<string, Verdict>()
  /** Monotonic ms of the last look because somebody else wrote another verdict. */
  readonly #contestedMs = new Map<string, number>()
  readonly #gauge
  readonly #counter

  constructor(o: AvailabilityOptions) {
    this.#o = o
    this.#gauge = o.metrics.gauge({
      name: 'aggregator_unavailable_apiservice',
      help: '[ALPHA] Gauge of APIServices which are marked as unavailable broken down by APIService name.',
      labels: ['name'],
    })
    this.#counter = o.metrics.counter({
      name: 'aggregator_unavailable_apiservice_total',
      help: '[ALPHA] Counter of APIServices which are marked as unavailable broken down by APIService name and reason.',
      labels: ['name', 'reason'],
    })
    const wake = (a: APIService): void => void o.queue.add(a.metadata.name!)
    o.informer.addHandler({
      added: wake,
      updated: (before, after) => {
        if (JSON.stringify(before.spec) !== JSON.stringify(after.spec) || this.#isToRepair(after)) wake(after)
      },
      deleted: wake,
    })
  }

  /**
   * Whether somebody else's write is looked at now. What no replica would write always is; another verdict about a
   * backend at most as often as it is checked anyway: it may be of a replica that sees the backend otherwise, and two
   * of them must not answer each other without a pause.
   */
  #isToRepair(apiService: APIService): boolean {
    const name = apiService.metadata.name!
    const mine = this.#verdicts.get(name)
    const stored = availableCondition(apiService)
    if (!mine) return false
    if (!stored) return true
    if (stored.status === mine.status) return false
    if (!apiService.spec.service) return true
    const now = this.#o.clock.monotonicMs()
    if (now - (this.#contestedMs.get(name) ?? -RECHECK_MS) < RECHECK_MS) return false
    this.#contestedMs.set(name, now)
    return true
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
    if (!apiService.spec.service) {
      return (await this.#write(apiService, { status: 'True', ...LOCAL }, signal)) ? DONE : AGAIN
    }
    const verdict = await this.#judge(apiService, signal)
    // The table is a step behind a change of the spec: look again once it has caught up.
    if (!verdict) return { kind: 'requeue', afterMs: RETRY.baseMs }
    const passed = verdict.status === 'True'
    if (isProbed(verdict) && !this.#damping.accepts(name, this.#believed(apiService), passed))
      return { kind: 'requeue', afterMs: passed ? CONFIRM_PASS_MS : CONFIRM_FAILURE_MS }
    if (!(await this.#write(apiService, verdict, signal))) return AGAIN
    this.#probedSpec.set(name, apiService.spec)
    if (verdict.reason === 'FailedDiscoveryCheck') return { kind: 'requeue', afterMs: this.#backoff.next(name) }
    this.#backoff.forget(name)
    return { kind: 'requeue', afterMs: RECHECK_MS }
  }

  #forget(name: string): void {
    this.#gauge.remove(name)
    for (const reason of FAILURES) this.#counter.remove(name, reason)
    this.#damping.forget(name)
    this.#backoff.forget(name)
    for (const known of [this.#probedSpec, this.#verdicts, this.#contestedMs]) known.delete(name)
  }

  /** What probes have to overcome. Nothing, after a change of the spec or while a hard fact spoke. */
  #believed(apiService: APIService): boolean | undefined {
    const before = availableCondition(apiService)
    const probedSpec = this.#probedSpec.get(apiService.metadata.name!)
    if (!before || !isProbed(before) || (probedSpec && !isDeepStrictEqual(probedSpec, apiService.spec)))
      return undefined
    return before.status === 'True'
  }

  async #judge(apiService: APIService, signal: AbortSignal): Promise<Verdict | undefined> {
    const { group = '', version = '', service } = apiService.spec
    const { namespace = '', name = '', port = 443 } = service!
    const { lookup, table } = this.#o
    const hard = checkService({
      namespace,
      name,
      port,
      service: lookup.service(namespace, name),
      slices: lookup.slices(namespace, name),
    })
    if (hard) return hard
    const entry = table.value.get(group, version)
    const backend = entry?.backend
    if (!backend || !isDeepStrictEqual(entry.apiService.spec, apiService.spec)) return undefined
    if (backend.tlsProblem !== undefined)
      return { status: 'False', reason: 'InvalidCABundle', message: backend.tlsProblem }
    return this.#probe(backend, group === '' ? `/api/${version}` : `/apis/${group}/${version}`, signal)
  }

  async #probe(backend: Backend, path: string, signal: AbortSignal): Promise<Verdict> {
    const timeout = new AbortController()
    const cancel = this.#o.clock.after(PROBE_TIMEOUT_MS, () => timeout.abort())
    let url = path
    try {
      url = backend.url(path)
      const response = await this.#o.transportTo(backend)({
        method: 'GET',
        path,
        headers: {},
        signal: AbortSignal.any([signal, timeout.signal]),
      })
      for await (const _chunk of response.body) break
      if (response.status >= 200 && response.status < 300) return PASSED
      return probeFailed(
        `failing or missing response from ${url}: bad status from ${url}: ${response.status}${hintFor(response.status)}`,
      )
    } catch (e) {
      if (timeout.signal.aborted)
        return probeFailed(`failing or missing response from ${url}: Get "${url}": context deadline exceeded`)
      if (url === path) return probeFailed((e as Error).message)
      const why =
        e instanceof StatusError ? e.message.replace(/^error trying to reach service: /, '') : (e as Error).message
      return probeFailed(`failing or missing response from ${url}: Get "${url}": ${why}`)
    } finally {
      cancel()
    }
  }

  /** @returns false where the stored object is newer than ours. */
  async #write(apiService: APIService, verdict: Verdict, signal: AbortSignal): Promise<boolean> {
    const name = apiService.metadata.name!
    this.#verdicts.set(name, verdict)
    this.#gauge.with(name).set(verdict.status === 'True' ? 0 : 1)
    const before = availableCondition(apiService)
    if (before?.status === verdict.status && before.reason === verdict.reason && before.message === verdict.message)
      return true
    const conditions = withCondition(
      apiService.status?.conditions ?? [],
      { type: AVAILABLE, ...verdict },
      formatTime(this.#o.clock.now()),
    )
    try {
      await this.#o.client.update(
        { ...apiService, status: { ...apiService.status, conditions } },
        { subresource: 'status', signal },
      )
    } catch (e) {
      // Somebody changed or deleted it, and our copy is a step behind: judge again on the newer one.
      if (e instanceof StatusError && (e.code === 409 || e.code === 404)) return false
      throw e
    }
    this.#o.log.info('availability changed', {
      apiService: name,
      status: verdict.status,
      reason: verdict.reason,
      message: verdict.message,
    })
    if (before?.status === 'True' && verdict.status !== 'True')
      this.#counter.with(name, verdict.reason ?? 'UnknownReason').inc()
    return true
  }
}

/** The usual cause, which the bare code does not tell. */
function hintFor(status: number): string {
  return status === 401 || status === 403
    ? ' (does the backend trust the front-proxy CA of kube-system/extension-apiserver-authentication?)'
    : ''
}

/** Verdicts of a probe; the others are facts. */
function isProbed({ reason }: Pick<Verdict, 'reason'>): boolean {
  return reason === 'Passed' || reason === 'FailedDiscoveryCheck'
}
