/**
 * A span that has ended, as it goes from the thread that recorded it to the one that sends it: plain data.
 *
 * Callers: recorded-span.ts records it; span-worker.ts and what sends it read it.
 */
import type { SpanAttributes, SpanContext, StartSpan } from './tracer.ts'

export interface SpanEvent {
  readonly name: string
  /** Wall time in ms, with fractions. */
  readonly timeMs: number
  readonly attributes?: SpanAttributes | undefined
}
/** A span below it that has nothing more to tell. */
export interface Phase {
  readonly name: string
  readonly startMs: number
  endMs: number | undefined
  failure: string | undefined
}
export interface EndedSpan {
  readonly name: string
  readonly kind: NonNullable<StartSpan['kind']>
  readonly context: SpanContext
  readonly parent: SpanContext | undefined
  /** The parent is another process's. */
  readonly isParentRemote: boolean
  readonly link: SpanContext | undefined
  /** Wall time in ms, with fractions. */
  readonly startMs: number
  readonly endMs: number | undefined
  /** As they were set: of two of the same name the later counts. */
  readonly attributes: readonly SpanAttributes[]
  readonly events: readonly SpanEvent[]
  /** Why it failed; undefined: it did not. */
  readonly failure: string | undefined
  readonly phases: readonly Phase[]
}

/** Itself and its phases, as spans. */
export function withPhases(span: EndedSpan, newSpanId: () => string): EndedSpan[] {
  return [span, ...span.phases.map((phase) => spanOf(phase, span, newSpanId()))]
}
function spanOf({ name, startMs, endMs, failure }: Phase, { context }: EndedSpan, spanId: string): EndedSpan {
  return {
    name,
    kind: 'internal',
    context: { ...context, spanId },
    parent: context,
    isParentRemote: false,
    link: undefined,
    startMs,
    endMs,
    attributes: [],
    events: [],
    failure,
    phases: [],
  }
}
