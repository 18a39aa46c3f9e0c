/**
 * Spans sent by OTLP through the exporters of the OpenTelemetry SDK. Imported only when tracing is configured: it costs a
 * quarter of a second and 40 MiB. Spans are made by hand; nothing is instrumented behind our back.
 *
 * Owns: the exporter and its batch, flushed when disposed of.
 */
import { randomBytes } from 'node:crypto'
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { OTLPTraceExporter as HttpExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resources, tracing } from '@opentelemetry/sdk-node'
import { type Clock, systemClock } from '../lib/clock.ts'
import type { Logger } from './logger.ts'
import { RecordedSpan, type Recorder } from './recorded-span.ts'
import { noopSpan, type Span, type SpanContext, type StartSpan, type Tracer } from './tracer.ts'

const MILLION = 1_000_000
const TRACE_ID_DIGITS = 32
const SPAN_ID_DIGITS = 16
/** By more than this the wall clock was set. */
const CLOCK_SET_MS = 2

export interface OpenTelemetryOptions {
  /** `http://host:port`: OTLP over HTTP; `host:port`: over gRPC, without TLS. */
  readonly endpoint: string
  /** Of new traces; undefined: only what a sampled parent asks for. */
  readonly samplingRatePerMillion: number | undefined
  readonly serviceName?: string
  readonly serviceVersion?: string
  readonly log: Logger
}

export function openTelemetryTracer(o: OpenTelemetryOptions): Tracer & AsyncDisposable {
  const processor = new tracing.BatchSpanProcessor(exporterFor(o.endpoint))
  const recorder: Recorder = {
    resource: resources.resourceFromAttributes({
      'service.name': o.serviceName ?? 'portico',
      ...(o.serviceVersion === undefined ? {} : { 'service.version': o.serviceVersion }),
    }),
    instrumentationScope: { name: 'portico' },
    now: fineClock(systemClock),
    ended: (span) => processor.onEnd(span),
  }
  const ids = new RandomIds()
  const rate = (o.samplingRatePerMillion ?? 0) / MILLION
  const leftOut = (parent?: SpanContext): Span | undefined => {
    if (parent ? parent.sampled : Math.random() < rate) return undefined
    const { traceId = ids.next(TRACE_ID_DIGITS), traceState } = parent ?? {}
    const context = { traceId, spanId: ids.next(SPAN_ID_DIGITS), sampled: false }
    return { ...noopSpan, context: traceState === undefined ? context : { ...context, traceState } }
  }
  const record = (name: string, start: StartSpan, above: SpanContext | undefined): Span => {
    const traceId = above?.traceId ?? ids.next(TRACE_ID_DIGITS)
    return new RecordedSpan(recorder, { name, traceId, spanId: ids.next(SPAN_ID_DIGITS), start })
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
      await processor.shutdown().catch((error: unknown) => o.log.warn('the last spans could not be sent', { error }))
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

/** Hex digits of random bytes are cheap by the thousand. */
class RandomIds {
  #digits = ''
  #used = 0
  next(digits: number): string {
    if (this.#used + digits > this.#digits.length) {
      this.#digits = randomBytes(4096).toString('hex')
      this.#used = 0
    }
    return this.#digits.slice(this.#used, (this.#used += digits))
  }
}

function exporterFor(endpoint: string): tracing.SpanExporter {
  if (/^https?:\/\//.test(endpoint))
    return new HttpExporter({
      url: endpoint.endsWith('/v1/traces') ? endpoint : `${endpoint.replace(/\/$/, '')}/v1/traces`,
    })
  return new GrpcExporter({ url: `http://${endpoint}` })
}
