/** What code that makes spans depends on. The no-op form costs a method call; the SDK is loaded only when configured. */
export interface SpanContext {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  readonly sampled: boolean
  readonly traceState?: string
  /** Where it is at hand already: see formatTraceparent. */
  readonly traceparent?: string
}
export type SpanAttributes = Record<string, string | number | boolean>
export interface Span {
  readonly context: SpanContext | undefined
  /** False: attributes and children are thrown away, so do not build them. */
  readonly recording: boolean
  setAttributes(attributes: SpanAttributes): void
  event(name: string, attributes?: SpanAttributes): void
  /**
   * Begins a phase, and ends the one under way: a span below this one that has nothing more to tell and nothing below it.
   *
   * @param startMs wall time in ms; now when absent.
   */
  enter(phase: string, startMs?: number): void
  /** Ends the phase under way. */
  leave(endMs?: number): void
  /** The phase under way fails with it. */
  fail(error: unknown): void
  /** @param endMs wall time in ms; now when absent. */
  end(endMs?: number): void
}
export interface StartSpan {
  readonly kind?: 'server' | 'client' | 'internal'
  /** The span or remote context it belongs under; absent: a new trace. */
  readonly parent?: Span | SpanContext
  /** A remote context that is linked to and not followed (callers that may not force sampling). */
  readonly link?: SpanContext
  /** Wall time in ms, for spans made back-dated. */
  readonly startMs?: number
  readonly attributes?: SpanAttributes
}
export interface Tracer {
  /** False: nothing is recorded; callers may skip the work of describing spans. */
  readonly enabled: boolean
  /**
   * Whether a request is recorded is decided here, before anything is described: most are not.
   *
   * @param parent whose decision holds; absent: chance, at the sampling rate.
   * @returns a span that records nothing, whose context goes on; undefined: one is to be started.
   */
  leftOut(parent?: SpanContext): Span | undefined
  /** Records, unless its parent does not. */
  start(name: string, o?: StartSpan): Span
}

export const noopSpan: Span = {
  context: undefined,
  recording: false,
  setAttributes() {},
  event() {},
  enter() {},
  leave() {},
  fail() {},
  end() {},
}
export const noopTracer: Tracer = { enabled: false, leftOut: () => noopSpan, start: () => noopSpan }

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
/** Source: W3C Trace Context, section 3.2. @returns undefined where the header is not valid. */
export function parseTraceparent(header: string | undefined, traceState?: string): SpanContext | undefined {
  const m = header === undefined ? null : TRACEPARENT.exec(header)
  if (!m || m[1] === 'ff' || (m[1] === '00' && m[5] !== undefined)) return undefined
  if (/^0+$/.test(m[2]!) || /^0+$/.test(m[3]!)) return undefined
  return {
    traceId: m[2]!,
    spanId: m[3]!,
    sampled: (Number.parseInt(m[4]!, 16) & 1) === 1,
    ...(traceState === undefined ? {} : { traceState }),
  }
}
export function formatTraceparent(c: SpanContext): string {
  return c.traceparent ?? `00-${c.traceId}-${c.spanId}-${c.sampled ? '01' : '00'}`
}
