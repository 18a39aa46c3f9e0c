/**
 * A span that is recorded, in the form that OpenTelemetry's exporters read. Of our own, since it is seldom run and so
 * seldom compiled: what the SDK does for each span cost more than all the requests that are left out.
 *
 * Callers: opentelemetry-tracer.ts.
 */
import { type Attributes, type HrTime, type Link, type SpanContext as OtelContext, SpanKind } from '@opentelemetry/api'
import { createTraceState, type SpanStatus, SpanStatusCode, TraceFlags } from '@opentelemetry/api'
import type { tracing } from '@opentelemetry/sdk-node'
import type { Span, SpanAttributes, SpanContext, StartSpan } from './tracer.ts'

/** What all spans of a tracer share. */
export interface Recorder {
  readonly resource: tracing.ReadableSpan['resource']
  readonly instrumentationScope: tracing.ReadableSpan['instrumentationScope']
  /** Wall time in ms, with fractions. */
  now(): number
  ended(span: tracing.ReadableSpan): void
}

const KINDS = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL }

export class RecordedSpan implements Span, tracing.ReadableSpan {
  readonly recording = true
  readonly name: string
  readonly kind: SpanKind
  readonly context: SpanContext
  readonly parentSpanContext?: OtelContext
  readonly attributes: Attributes
  readonly links: Link[] = []
  readonly events: { time: HrTime; name: string; attributes?: Attributes }[] = []
  status: SpanStatus = { code: SpanStatusCode.UNSET }
  ended = false
  readonly droppedAttributesCount = 0
  readonly droppedEventsCount = 0
  readonly droppedLinksCount = 0
  readonly #recorder: Recorder
  readonly #startMs: number
  #endMs: number

  constructor(recorder: Recorder, o: { name: string; spanId: string; traceId: string; start: StartSpan }) {
    const { parent, link, kind, startMs, attributes } = o.start
    this.#recorder = recorder
    this.name = o.name
    this.kind = KINDS[kind ?? 'internal']
    const above = parent === undefined ? undefined : 'recording' in parent ? parent.context : parent
    const context = { traceId: o.traceId, spanId: o.spanId, sampled: true }
    this.context = above?.traceState === undefined ? context : { ...context, traceState: above.traceState }
    if (above) this.parentSpanContext = toOtel(above, above === parent)
    if (link) this.links.push({ context: toOtel(link, true) })
    this.attributes = { ...attributes }
    this.#startMs = startMs ?? recorder.now()
    this.#endMs = this.#startMs
  }
  setAttributes(attributes: SpanAttributes): void {
    Object.assign(this.attributes, attributes)
  }
  event(name: string, attributes?: SpanAttributes): void {
    const time = hrTime(this.#recorder.now())
    this.events.push(attributes ? { time, name, attributes } : { time, name })
  }
  fail(error: unknown): void {
    this.status = { code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) }
    if (!(error instanceof Error)) return
    const { name, message, stack } = error
    const attributes = { 'exception.type': name, 'exception.message': message }
    this.event('exception', stack === undefined ? attributes : { ...attributes, 'exception.stacktrace': stack })
  }
  end(endMs = this.#recorder.now()): void {
    if (this.ended) return
    this.ended = true
    this.#endMs = Math.max(endMs, this.#startMs)
    this.#recorder.ended(this)
  }

  // What exporters read.
  spanContext(): OtelContext {
    return toOtel(this.context, false)
  }
  get resource(): tracing.ReadableSpan['resource'] {
    return this.#recorder.resource
  }
  get instrumentationScope(): tracing.ReadableSpan['instrumentationScope'] {
    return this.#recorder.instrumentationScope
  }
  get startTime(): HrTime {
    return hrTime(this.#startMs)
  }
  get endTime(): HrTime {
    return hrTime(this.#endMs)
  }
  get duration(): HrTime {
    return hrTime(this.#endMs - this.#startMs)
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
