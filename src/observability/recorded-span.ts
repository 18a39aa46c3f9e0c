/**
 * A span that is recorded. Of our own, since it is seldom run and so never in the processor's caches: what the SDK does
 * for each span cost more than all the requests that are left out. So it only keeps what it is told; it is put into
 * another form when it is sent, many at once.
 *
 * Callers: opentelemetry-tracer.ts.
 */
import type { EndedSpan, Phase, SpanEvent } from './ended-span.ts'
import type { Span, SpanAttributes, SpanContext, StartSpan } from './tracer.ts'

/** What all spans of a tracer share. */
export interface Recorder {
  /** Wall time in ms, with fractions. */
  now(): number
  ended(span: RecordedSpan): void
}

export class RecordedSpan implements Span, EndedSpan {
  readonly name: string
  readonly kind: NonNullable<StartSpan['kind']>
  readonly context: SpanContext
  readonly parent: SpanContext | undefined
  readonly isParentRemote: boolean
  readonly link: SpanContext | undefined
  readonly startMs: number
  readonly attributes: SpanAttributes[] = []
  events: readonly SpanEvent[] = []
  readonly phases: Phase[] = []
  failure: string | undefined
  endMs: number | undefined
  readonly #recorder: Recorder

  constructor(recorder: Recorder, o: { name: string; spanId: string; traceId: string; start: StartSpan }) {
    const { parent, link, kind = 'internal', startMs = recorder.now(), attributes } = o.start
    const isLocal = parent !== undefined && 'recording' in parent
    this.#recorder = recorder
    this.name = o.name
    this.kind = kind
    this.parent = isLocal ? parent.context : parent
    this.isParentRemote = !isLocal && parent !== undefined
    const { traceId, spanId } = o
    const traceState = this.parent?.traceState
    this.context =
      traceState === undefined ? { traceId, spanId, sampled: true } : { traceId, spanId, sampled: true, traceState }
    this.link = link
    this.startMs = startMs
    if (attributes) this.attributes.push(attributes)
  }
  /** Not a field: those go to another thread. */
  get recording(): true {
    return true
  }
  setAttributes(attributes: SpanAttributes): void {
    this.attributes.push(attributes)
  }
  event(name: string, attributes?: SpanAttributes): void {
    this.events = [...this.events, { name, timeMs: this.#recorder.now(), attributes }]
  }
  enter(name: string, startMs = this.#recorder.now()): void {
    this.leave(startMs)
    this.phases.push({ name, startMs, endMs: undefined, failure: undefined })
  }
  leave(endMs = this.#recorder.now()): void {
    const phase = this.phases.at(-1)
    if (phase && phase.endMs === undefined) phase.endMs = Math.max(endMs, phase.startMs)
  }
  fail(error: unknown): void {
    this.failure = error instanceof Error ? error.message : String(error)
    const phase = this.phases.at(-1)
    if (phase && phase.endMs === undefined) phase.failure = this.failure
    if (!(error instanceof Error)) return
    const { name, message, stack } = error
    const attributes = { 'exception.type': name, 'exception.message': message }
    this.event('exception', stack === undefined ? attributes : { ...attributes, 'exception.stacktrace': stack })
  }
  end(endMs = this.#recorder.now()): void {
    if (this.endMs !== undefined) return
    this.leave(endMs)
    this.endMs = Math.max(endMs, this.startMs)
    this.#recorder.ended(this)
  }
}
