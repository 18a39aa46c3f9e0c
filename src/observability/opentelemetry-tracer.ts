/**
 * Spans sent by OTLP, in a thread of their own. They are made by hand; nothing is instrumented behind our back.
 *
 * Owns: the batch, flushed when disposed of, and the thread.
 */
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Logger } from './logger.ts'
import { type MetricsRecorder, noopMetrics } from './metrics.ts'
import { newTraceparents, spanIdOf, traceIdOf } from './random-ids.ts'
import { RecordedSpan, type Recorder } from './recorded-span.ts'
import { SpanBatch, spanCounter } from './span-batch.ts'
import { SpanThread } from './span-thread.ts'
import type { Span, SpanContext, StartSpan, Tracer } from './tracer.ts'

const MILLION = 1_000_000
/** By more than this the wall clock was set. */
const CLOCK_SET_MS = 2

export interface OpenTelemetryOptions {
  /** `http://host:port`: OTLP over HTTP; `host:port`: over gRPC, without TLS. */
  readonly endpoint: string
  /** Of new traces; undefined: only what a sampled parent asks for. */
  readonly samplingRatePerMillion: number | undefined
  readonly serviceName?: string
  readonly serviceVersion?: string
  readonly metrics?: MetricsRecorder
  readonly log: Logger
}

export function openTelemetryTracer(o: OpenTelemetryOptions): Tracer & AsyncDisposable {
  const resource = {
    'service.name': o.serviceName ?? 'portico',
    ...(o.serviceVersion === undefined ? {} : { 'service.version': o.serviceVersion }),
  }
  const thread = new SpanThread({ endpoint: o.endpoint, resource, scope: 'portico' })
  const spans = spanCounter(o.metrics ?? noopMetrics)
  const batch = new SpanBatch<RecordedSpan>({
    clock: systemClock,
    export: (some) => thread.export(some),
    count: (some) => some.reduce((sum, span) => sum + 1 + span.phases.length, 0),
    sent: spans.with('sent'),
    dropped: spans.with('dropped'),
    log: o.log,
  })
  const ids = newTraceparents()
  const newSpanId = (): string => spanIdOf(ids.next())
  const recorder: Recorder = { now: fineClock(systemClock), ended: (span) => batch.add(span) }
  const rate = (o.samplingRatePerMillion ?? 0) / MILLION
  const leftOut = (parent?: SpanContext): Span | undefined => {
    if (parent ? parent.sampled : Math.random() < rate) return undefined
    if (!parent) return new LeftOut(new NewContext(ids.next()))
    const { traceId, traceState } = parent
    const context = { traceId, spanId: newSpanId(), sampled: false }
    return new LeftOut(traceState === undefined ? context : { ...context, traceState })
  }
  const record = (name: string, start: StartSpan, above: SpanContext | undefined): Span => {
    const traceId = above?.traceId ?? traceIdOf(ids.next())
    return new RecordedSpan(recorder, { name, traceId, spanId: newSpanId(), start })
  }
  return {
    enabled: true,
    leftOut,
    start: (name, start = {}) => {
      const { parent } = start
      if (parent === undefined) return record(name, start, undefined)
      if ('recording' in parent) return parent.recording ? record(name, start, parent.context) : parent
      return leftOut(parent) ?? record(name, start, parent)
    },
    [Symbol.asyncDispose]: async () => {
      await batch[Symbol.asyncDispose]()
      await thread[Symbol.asyncDispose]()
    },
  }
}

/** Wall time in ms with fractions, which follows the wall clock when that is set. */
function fineClock(clock: Clock): () => number {
  let offsetMs = clock.now() - clock.monotonicMs()
  return () => {
    const [wallMs, monotonicMs] = [clock.now(), clock.monotonicMs()]
    if (Math.abs(monotonicMs + offsetMs - wallMs) > CLOCK_SET_MS) offsetMs = wallMs - monotonicMs
    return monotonicMs + offsetMs
  }
}

/** Most requests are left out: what their trace is called in parts, hardly anybody asks. */
class NewContext implements SpanContext {
  readonly sampled = false
  readonly traceparent: string
  constructor(traceparent: string) {
    this.traceparent = traceparent
  }
  get traceId(): string {
    return traceIdOf(this.traceparent)
  }
  get spanId(): string {
    return spanIdOf(this.traceparent)
  }
}
class LeftOut implements Span {
  readonly recording = false
  readonly context: SpanContext
  constructor(context: SpanContext) {
    this.context = context
  }
  setAttributes(): void {}
  event(): void {}
  enter(): void {}
  leave(): void {}
  fail(): void {}
  end(): void {}
}
