/**
 * The spans of one forwarded request that is recorded: itself, and within it what it waits for. A connection that is there already has
 * neither connect nor tls.
 *
 *   pick --picked()--> connect --handshaking()--> tls --connected()--> first byte --answered()--> stream --ended()--> (over)
 */
import type { Span, SpanContext, Tracer } from '../observability/tracer.ts'

export class ForwardSpans {
  readonly #tracer: Tracer
  readonly #request: Span
  #phase: Span | undefined
  #attempts = 0

  constructor(tracer: Tracer, method: string, parent: Span) {
    this.#tracer = tracer
    this.#request = tracer.start(`HTTP ${method}`, { kind: 'client', parent })
    this.#enter('pick')
  }
  /** What the backend is told. */
  get context(): SpanContext | undefined {
    return this.#request.context
  }
  picked(endpoint: string): void {
    this.#request.setAttributes({ 'portico.endpoint': endpoint, 'portico.attempt': ++this.#attempts })
    this.#enter('connect')
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
    this.#phase = this.#tracer.start(phase, { parent: this.#request })
  }
}
