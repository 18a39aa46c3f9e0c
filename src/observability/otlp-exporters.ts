/**
 * How spans reach a collector: the transports of the OpenTelemetry SDK, which try again, time out and read the OTEL_*
 * settings. Over HTTP the body is of our own making (otlp-json.ts); over gRPC the SDK's.
 *
 * Callers: span-worker.ts.
 */
import { type HrTime, type SpanContext as OtelContext, SpanKind } from '@opentelemetry/api'
import { createTraceState, SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc'
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from '@opentelemetry/otlp-exporter-base/node-http'
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer'
import { resources, type tracing } from '@opentelemetry/sdk-node'
import { OtlpJson } from './otlp-json.ts'
import type { EndedSpan } from './ended-span.ts'
import type { SpanAttributes, SpanContext } from './tracer.ts'

export interface SpanExporter {
  /** @throws where they did not arrive, after further attempts. */
  export(spans: readonly EndedSpan[]): Promise<void>
}
/** What is said once for all spans. */
export interface SpanOrigin {
  readonly resource: SpanAttributes
  readonly scope: string
}
interface Result {
  readonly code: number
  readonly error?: Error
}

/** @param endpoint `http://host:port`: OTLP over HTTP; `host:port`: over gRPC, without TLS. */
export function spanExporter(endpoint: string, origin: SpanOrigin): SpanExporter {
  return /^https?:\/\//.test(endpoint) ? overHttp(endpoint, origin) : overGrpc(endpoint, origin)
}

function overHttp(endpoint: string, { resource, scope }: SpanOrigin): SpanExporter {
  const url = endpoint.endsWith('/v1/traces') ? endpoint : `${endpoint.replace(/\/$/, '')}/v1/traces`
  const options = convertLegacyHttpOptions({ url }, 'TRACES', 'v1/traces', { 'Content-Type': 'application/json' })
  const json = new OtlpJson(resource, scope)
  const serializer = {
    // Kept for further attempts of this export; the next one begins when it has ended.
    serializeRequest: (spans: EndedSpan[]) => json.body(spans),
    deserializeResponse: (bytes: Uint8Array) => JsonTraceSerializer.deserializeResponse(bytes),
  }
  const counts = { name: 'span' as const, countItems: (spans: EndedSpan[]) => spans.length }
  const delegate = createOtlpHttpExportDelegate(options, serializer, 'otlp_http_span_exporter', counts, undefined)
  return {
    export: (spans) => exported((done) => delegate.export([...spans], done)),
  }
}

function overGrpc(endpoint: string, { resource: attributes, scope }: SpanOrigin): SpanExporter {
  const exporter = new GrpcExporter({ url: `http://${endpoint}` })
  const shared = { resource: resources.resourceFromAttributes(attributes), instrumentationScope: { name: scope } }
  return {
    export: (spans) =>
      exported((done) =>
        exporter.export(
          spans.map((span) => readable(span, shared)),
          done,
        ),
      ),
  }
}

function exported(start: (done: (result: Result) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start(({ code, error }) => (code === 0 ? resolve() : reject(error ?? new Error('export failed'))))
  })
}

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }

function readable(
  span: EndedSpan,
  shared: Pick<tracing.ReadableSpan, 'resource' | 'instrumentationScope'>,
): tracing.ReadableSpan {
  const { startMs, endMs = startMs, failure, context, parent, link } = span
  return {
    ...shared,
    name: span.name,
    kind: KINDS[span.kind],
    spanContext: () => toOtel(context, false),
    ...(parent && { parentSpanContext: toOtel(parent, span.isParentRemote) }),
    startTime: hrTime(startMs),
    endTime: hrTime(endMs),
    duration: hrTime(endMs - startMs),
    status: failure === undefined ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: failure },
    attributes: Object.assign({}, ...span.attributes) as SpanAttributes,
    links: link ? [{ context: toOtel(link, true) }] : [],
    events: span.events.map(({ name, timeMs, attributes = {} }) => ({ name, time: hrTime(timeMs), attributes })),
    ended: true,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000)
  return [seconds, Math.floor((ms - seconds * 1_000) * 1_000_000)]
}
function toOtel(c: SpanContext, isRemote: boolean): OtelContext {
  return {
    traceId: c.traceId,
    spanId: c.spanId,
    traceFlags: c.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote,
    ...(c.traceState === undefined ? {} : { traceState: createTraceState(c.traceState) }),
  }
}
