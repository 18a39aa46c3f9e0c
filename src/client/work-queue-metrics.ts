/** The metrics of all work queues: made once, then bound to one queue's name each. */
import type { Counter, Family, Gauge, Histogram, MetricsRecorder } from '../observability/metrics.ts'

export interface BoundWorkQueueMetrics {
  readonly adds: Counter
  readonly retries: Counter
  readonly dropped: Counter
  readonly depth: Gauge
  readonly queueSeconds: Histogram
  readonly workSeconds: Histogram
  /** @param ages of what is being worked on; called at each exposition. */
  watchUnfinished(ages: () => { totalSeconds: number; longestSeconds: number }): () => void
}

/** Source: component-base, prometheus/workqueue. */
const BUCKETS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10]

export class WorkQueueMetrics {
  readonly #recorder: MetricsRecorder
  readonly #counters: Record<'adds' | 'retries' | 'dropped', Family<Counter>>
  readonly #gauges: Record<'depth' | 'unfinished' | 'longest', Family<Gauge>>
  readonly #histograms: Record<'queue' | 'work', Family<Histogram>>

  constructor(recorder: MetricsRecorder) {
    const labels = ['name']
    const counter = (name: string, help: string): Family<Counter> => recorder.counter({ name, help, labels })
    const gauge = (name: string, help: string): Family<Gauge> => recorder.gauge({ name, help, labels })
    const histogram = (name: string, help: string): Family<Histogram> =>
      recorder.histogram({ name, help, labels, buckets: BUCKETS })
    this.#recorder = recorder
    this.#counters = {
      adds: counter('workqueue_adds_total', 'Keys added to a work queue.'),
      retries: counter('workqueue_retries_total', 'Keys added again after a delay.'),
      dropped: counter('portico_workqueue_dropped_total', 'Keys not added because the work queue was full.'),
    }
    this.#gauges = {
      depth: gauge('workqueue_depth', 'Keys that wait in a work queue.'),
      unfinished: gauge('workqueue_unfinished_work_seconds', 'How long all work in progress has taken so far.'),
      longest: gauge('workqueue_longest_running_processor_seconds', 'How long the longest work in progress has taken.'),
    }
    this.#histograms = {
      queue: histogram('workqueue_queue_duration_seconds', 'How long keys wait in a work queue.'),
      work: histogram('workqueue_work_duration_seconds', 'How long the work on a key takes.'),
    }
  }

  bind(name: string): BoundWorkQueueMetrics {
    return {
      adds: this.#counters.adds.with(name),
      retries: this.#counters.retries.with(name),
      dropped: this.#counters.dropped.with(name),
      depth: this.#gauges.depth.with(name),
      queueSeconds: this.#histograms.queue.with(name),
      workSeconds: this.#histograms.work.with(name),
      watchUnfinished: (ages) =>
        this.#recorder.onCollect(() => {
          const { totalSeconds, longestSeconds } = ages()
          this.#gauges.unfinished.with(name).set(totalSeconds)
          this.#gauges.longest.with(name).set(longestSeconds)
        }),
    }
  }
}
