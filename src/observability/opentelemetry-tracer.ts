/**
 * Spans sent by OTLP through the transports of the OpenTelemetry SDK. Imported only when tracing is configured: it costs a
 * quarter of a second and 40 MiB. Spans are made by hand; nothing is instrumented behind our back.
 *
 * Owns: the exporter and the batch, flushed when disposed of.
 */
import { randomFillSync } from 'node:crypto'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Logger } from './logger.ts'
import { type MetricsRecorder, noopMetrics } from './metrics.ts'
import { spanExporter } from './otlp-exporters.ts'
import { RecordedSpan, type Recorder } from './recorded-span.ts'
import { SpanBatch, spanCounter } from './span-batch.ts'
import type { Span, SpanContext, StartSpan, Tracer } from './tracer.ts'

const MILLION = 1_000_000
/** One call into the crypto library costs as much as thousands of bytes of it. */
const RANDOM_BYTES = 16_384
const BYTES_PER_TEXT = 24
const TEXT_LENGTH = 55
const TEXTS_AT_ONCE = 16
const DIGITS = Buffer.from('0123456789abcdef')
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
  const exporter = spanExporter(o.endpoint, { resource, scope: 'portico' })
  const spans = spanCounter(o.metrics ?? noopMetrics)
  const batch = new SpanBatch<RecordedSpan>({
    clock: systemClock,
    export: (some) => exporter.export(some.flatMap((span) => span.all())),
    count: (some) => some.reduce((sum, span) => sum + span.count, 0),
    sent: spans.with('sent'),
    dropped: spans.with('dropped'),
    log: o.log,
  })
  const ids = new RandomIds()
  const newSpanId = (): string => spanIdOf(ids.next())
  const recorder: Recorder = { newSpanId, now: fineClock(systemClock), ended: (span) => batch.add(span) }
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
      await exporter.shutdown().catch((error: unknown) => o.log.warn('the exporter of spans did not end', { error }))
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

/**
 * Texts of the header traceparent, some at once: to make a text out of bytes costs as much for one as for sixteen. No more,
 * since what keeps one keeps all. Pieces of one flat text are sent faster than a text that is put together of others.
 */
class RandomIds {
  readonly #random = Buffer.allocUnsafeSlow(RANDOM_BYTES)
  #used = RANDOM_BYTES
  readonly #bytes = Buffer.from(`00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`.repeat(TEXTS_AT_ONCE))
  #texts = ''
  #at = 0

  next(): string {
    if (this.#at === this.#texts.length) this.#refill()
    return this.#texts.slice(this.#at, (this.#at += TEXT_LENGTH))
  }
  #refill(): void {
    if (this.#used + TEXTS_AT_ONCE * BYTES_PER_TEXT > RANDOM_BYTES) {
      randomFillSync(this.#random)
      this.#used = 0
    }
    for (let from = 0; from < this.#bytes.length; from += TEXT_LENGTH) {
      this.#fill(from + 3, from + 35)
      this.#fill(from + 36, from + 52)
    }
    this.#texts = this.#bytes.toString('latin1')
    this.#at = 0
  }
  #fill(from: number, to: number): void {
    for (let at = from; at < to; at += 2) {
      const byte = this.#random[this.#used++]!
      this.#bytes[at] = DIGITS[byte >> 4]!
      this.#bytes[at + 1] = DIGITS[byte & 15]!
    }
  }
}
const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35)
const spanIdOf = (traceparent: string): string => traceparent.slice(36, 52)

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
