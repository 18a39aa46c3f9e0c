/**
 * The spans of one forwarded request: itself, and within it connecting, waiting for the first byte, streaming.
 *
 *   connect --connected()--> first byte --answered()--> stream --ended()--> (over)
 */
import type { Span, SpanContext, Tracer } from '../observability/tracer.ts'

export class ForwardSpans {
  readonly #tracer: Tracer
  readonly #request: Span
  #phase: Span | undefined

  constructor(tracer: Tracer, method: string, parent: Span) {
    this.#tracer = tracer
    this.#request = tracer.start(`HTTP ${method}`, { kind: 'client', parent })
    this.#enter('connect')
  }
  /** What the backend is told. */
  get context(): SpanContext | undefined {
    return this.#request.context
  }
  /** The request is on a connection, new or reused. */
  connected(): void {
    this.#enter('first byte')
  }
  answered(status: number): void {
    this.#request.setAttributes({ 'http.response.status_code': status })
    this.#enter('stream')
  }
  sentAgain(why: string): void {
    this.#request.event('sent again', { 'error.message': why })
    this.#enter('connect')
  }
  ended(): void {
    this.#phase?.end()
    this.#phase = undefined
    this.#request.end()
  }
  failed(error: unknown): void {
    this.#phase?.fail(error)
    this.#request.fail(error)
    this.ended()
  }
  #enter(phase: string): void {
    this.#phase?.end()
    this.#phase = this.#request.recording ? this.#tracer.start(phase, { parent: this.#request }) : undefined
  }
}
