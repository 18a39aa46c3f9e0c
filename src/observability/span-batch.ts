/**
 * Ended spans, each with its phases, on their way to the collector: some hundred at once, one export at a time. While the
 * collector is away they wait in a queue of bounded length; what does not fit is lost and counted.
 *
 * Owns:     the queue and its timer; what is left is sent when disposed of.
 * Callers:  opentelemetry-tracer.ts.
 */
import type { Cancel, Clock } from '../lib/clock.ts'
import type { Logger } from './logger.ts'
import type { Counter, Family, MetricsRecorder } from './metrics.ts'

const MAX_QUEUED = 2_048
const AT_ONCE = 512
const PATIENCE_MS = 5_000

export function spanCounter(metrics: MetricsRecorder): Family<Counter> {
  return metrics.counter({
    name: 'portico_tracing_spans_total',
    help: 'Recorded spans by what became of them: sent to the collector, or dropped as it was away or too slow.',
    labels: ['result'],
  })
}

export interface SpanBatchOptions<Span> {
  readonly clock: Clock
  /** @throws whatever kept them from the collector, after its own further attempts. */
  export(spans: readonly Span[]): Promise<void>
  /** As they are counted in metrics. */
  count(spans: readonly Span[]): number
  readonly sent: Counter
  readonly dropped: Counter
  readonly log: Logger
}

export class SpanBatch<Span> implements AsyncDisposable {
  readonly #o: SpanBatchOptions<Span>
  #queue: Span[] = []
  #cancelWait: Cancel | undefined
  #sending: Promise<void> | undefined
  /** Said once for each time that it fails in a row. */
  #failing = false

  constructor(o: SpanBatchOptions<Span>) {
    this.#o = o
  }
  add(span: Span): void {
    if (this.#queue.length >= MAX_QUEUED) return this.#o.dropped.inc(this.#o.count([span]))
    this.#queue.push(span)
    if (this.#sending) return
    if (this.#queue.length >= AT_ONCE) this.#send()
    else this.#cancelWait ??= this.#o.clock.after(PATIENCE_MS, () => this.#send())
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelWait?.()
    await this.#sending
    this.#cancelWait?.()
    if (this.#queue.length > 0) await this.#export(this.#queue.splice(0))
  }

  #send(): void {
    this.#cancelWait?.()
    this.#cancelWait = undefined
    this.#sending = this.#export(this.#queue.splice(0, AT_ONCE)).then(() => {
      this.#sending = undefined
      this.#next()
    })
  }
  #next(): void {
    if (this.#queue.length >= AT_ONCE) this.#send()
    else if (this.#queue.length > 0) this.#cancelWait = this.#o.clock.after(PATIENCE_MS, () => this.#send())
  }
  async #export(spans: readonly Span[]): Promise<void> {
    try {
      await this.#o.export(spans)
      this.#o.sent.inc(this.#o.count(spans))
      this.#failing = false
    } catch (error) {
      this.#o.dropped.inc(this.#o.count(spans))
      if (!this.#failing) this.#o.log.warn('spans could not be sent', { error })
      this.#failing = true
    }
  }
}
