/** Counts certificates that are refused because they name their server in the common name only. */
import type { MetricsRecorder } from '../../observability/metrics.ts'

/** Names and help as kube-apiserver has them; they say who was asked, not why. */
const COUNTERS = {
  backends: {
    name: 'apiserver_kube_aggregator_x509_missing_san_total',
    help: '[ALPHA] Certificates of backends without subject alternative names.',
  },
  webhooks: {
    name: 'apiserver_webhooks_x509_missing_san_total',
    help: '[ALPHA] Certificates of webhooks without subject alternative names.',
  },
} as const

/** @returns counts one; servers of the same kind share the counter. */
export function missingSanCounter(metrics: MetricsRecorder, servers: keyof typeof COUNTERS): () => void {
  const counter = metrics.counter(COUNTERS[servers]).with()
  return () => counter.inc()
}
