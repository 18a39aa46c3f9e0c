/**
 * The span of one forwarded request that is recorded, and its phases: what it waits for. A connection that is there
 * already has neither connect nor tls.
 *
 *   pick --sent()--> connect --handshaking()--> tls --connected()--> first byte --answered()--> stream --ended()--> (over)
 *     `--connected()--> first byte
 */
import type { Span, SpanContext, Tracer } from '../observability/tracer.ts'

export class ForwardSpans {
  readonly #request: Span
  #picking = true
  #attempts = 0

  constructor(tracer: Tracer, method: string, parent: Span) {
    this.#request = tracer.start(`HTTP ${method}`, { kind: 'client', parent })
    this.#request.enter('pick')
  }
  /** What the backend is told. */
  get context(): SpanContext | undefined {
    return this.#request.context
  }
  picked(endpoint: string): void {
    this.#request.setAttributes({ 'portico.endpoint': endpoint, 'portico.attempt': ++this.#attempts })
  }
  /** The pool has the request. */
  sent(): void {
    if (this.#picking) this.#enter('connect')
  }
  handshaking(): void {
    this.#enter('tls')
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
    this.#enter('pick')
    this.#picking = true
  }
  ended(): void {
    this.#picking = false
    this.#request.end()
  }
  failed(error: unknown): void {
    this.#request.fail(error)
    this.ended()
  }
  #enter(phase: string): void {
    this.#picking = false
    this.#request.enter(phase)
  }
}
