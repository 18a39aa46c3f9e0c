/** Metrics of availability, for each APIService. */
import type { MetricsRecorder } from '../../../observability/metrics.ts'
import type { Verdict } from '../registrations/availability-check.ts'

const PROBE_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5]
const FAILURES = [
  'ServiceNotFound',
  'ServicePortError',
  'EndpointsNotFound',
  'MissingEndpoints',
  'FailedDiscoveryCheck',
  'InvalidCABundle',
  'BackendNamespaceTerminating',
]

export class AvailabilityMetrics {
  readonly #unavailable
  readonly #unavailableTotal
  readonly #flips
  readonly #probes

  constructor(metrics: MetricsRecorder) {
    this.#unavailable = metrics.gauge({
      name: 'aggregator_unavailable_apiservice',
      help: '[ALPHA] Gauge of APIServices which are marked as unavailable broken down by APIService name.',
      labels: ['name'],
    })
    this.#unavailableTotal = metrics.counter({
      name: 'aggregator_unavailable_apiservice_total',
      help: '[ALPHA] Counter of APIServices which are marked as unavailable broken down by APIService name and reason.',
      labels: ['name', 'reason'],
    })
    this.#flips = metrics.counter({
      name: 'portico_apiservice_availability_flips_total',
      help: 'Changes between available and not, as this process sees an APIService.',
      labels: ['name'],
    })
    this.#probes = metrics.histogram({
      name: 'portico_apiservice_probe_duration_seconds',
      help: 'How long probes of the backend of an APIService took.',
      labels: ['name'],
      buckets: PROBE_BUCKETS,
    })
  }
  probed(name: string, tookMs: number): void {
    this.#probes.with(name).observe(tookMs / 1000)
  }
  judged(name: string, before: Verdict | undefined, verdict: Verdict): void {
    this.#unavailable.with(name).set(verdict.status === 'True' ? 0 : 1)
    if (before && before.status !== verdict.status) this.#flips.with(name).inc()
    if (before?.status === 'True' && verdict.status !== 'True')
      this.#unavailableTotal.with(name, verdict.reason ?? 'UnknownReason').inc()
  }
  forget(name: string): void {
    for (const family of [this.#unavailable, this.#flips, this.#probes]) family.remove(name)
    for (const reason of FAILURES) this.#unavailableTotal.remove(name, reason)
  }
}
