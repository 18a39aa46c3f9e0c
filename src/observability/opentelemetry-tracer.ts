/**
 * Spans through the OpenTelemetry SDK, sent by OTLP. Imported only when tracing is configured: it costs a quarter of a
 * second and 40 MiB. Spans are made by hand; nothing is instrumented behind our back.
 *
 * Owns: the exporter and its batch, flushed when disposed of.
 */
import { randomBytes } from 'node:crypto'
import {
  type Attributes,
  ROOT_CONTEXT,
  type Span as OtelSpan,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  createTraceState,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { OTLPTraceExporter as HttpExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resources, tracing } from '@opentelemetry/sdk-node'
import type { Logger } from './logger.ts'
import { noopSpan, type Span, type SpanAttributes, type SpanContext, type StartSpan, type Tracer } from './tracer.ts'

const MILLION = 1_000_000
const TRACE_ID_DIGITS = 32
const SPAN_ID_DIGITS = 16
const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }

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
  const provider = new tracing.BasicTracerProvider({
    resource: resources.resourceFromAttributes({
      'service.name': o.serviceName ?? 'portico',
      ...(o.serviceVersion === undefined ? {} : { 'service.version': o.serviceVersion }),
    }),
    // What gets this far is recorded.
    sampler: new tracing.AlwaysOnSampler(),
    spanProcessors: [new tracing.BatchSpanProcessor(exporterFor(o.endpoint))],
  })
  const tracer = provider.getTracer('portico')
  const ids = new RandomIds()
  const rate = (o.samplingRatePerMillion ?? 0) / MILLION
  const leftOut = (parent?: SpanContext): Span | undefined => {
    if (parent ? parent.sampled : Math.random() < rate) return undefined
    const { traceId = ids.next(TRACE_ID_DIGITS), traceState } = parent ?? {}
    const context = { traceId, spanId: ids.next(SPAN_ID_DIGITS), sampled: false }
    return { ...noopSpan, context: traceState === undefined ? context : { ...context, traceState } }
  }
  return {
    enabled: true,
    leftOut,
    start: (name, options = {}) => {
      const { parent } = options
      if (parent !== undefined && 'recording' in parent)
        return parent.recording ? startSpan(tracer, name, options) : parent
      return (parent && leftOut(parent)) ?? startSpan(tracer, name, options)
    },
    [Symbol.asyncDispose]: async () => {
      await provider.shutdown().catch((error: unknown) => o.log.warn('the last spans could not be sent', { error }))
    },
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

function startSpan(tracer: ReturnType<tracing.BasicTracerProvider['getTracer']>, name: string, o: StartSpan): Span {
  const parent = o.parent === undefined ? undefined : 'recording' in o.parent ? o.parent.context : o.parent
  const context = parent
    ? trace.setSpanContext(ROOT_CONTEXT, toOtel(parent, !('recording' in o.parent!)))
    : ROOT_CONTEXT
  const span = tracer.startSpan(
    name,
    {
      kind: KINDS[o.kind ?? 'internal'],
      ...(o.startMs === undefined ? {} : { startTime: o.startMs }),
      ...(o.attributes ? { attributes: o.attributes as Attributes } : {}),
      ...(o.link ? { links: [{ context: toOtel(o.link, true) }] } : {}),
    },
    context,
  )
  return adapt(span)
}

function toOtel(c: SpanContext, isRemote: boolean): ReturnType<OtelSpan['spanContext']> {
  return {
    traceId: c.traceId,
    spanId: c.spanId,
    traceFlags: c.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote,
    ...(c.traceState === undefined ? {} : { traceState: createTraceState(c.traceState) }),
  }
}

function adapt(span: OtelSpan): Span {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext()
  const serialized = traceState?.serialize()
  return {
    context: {
      traceId,
      spanId,
      sampled: (traceFlags & TraceFlags.SAMPLED) !== 0,
      ...(serialized ? { traceState: serialized } : {}),
    },
    recording: span.isRecording(),
    setAttributes: (attributes: SpanAttributes) => void span.setAttributes(attributes),
    event: (name, attributes) => void span.addEvent(name, attributes),
    fail: (error) => {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) })
      if (error instanceof Error) span.recordException(error)
    },
    end: (endMs) => span.end(endMs),
  }
}
