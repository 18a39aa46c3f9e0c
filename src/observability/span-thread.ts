/**
 * Sends spans from a thread of its own: to write them and hand them over costs more than to record them, and the SDK, a
 * quarter of a second to load and 40 MiB.
 *
 * Callers: opentelemetry-tracer.ts.
 */
import { Thread } from '../lib/thread.ts'
import type { EndedSpan } from './ended-span.ts'
import type { SpanOrigin } from './otlp-exporters.ts'

const MAX_HEAP_MB = 256

export interface SpanThreadOptions extends SpanOrigin {
  /** `http://host:port`: OTLP over HTTP; `host:port`: over gRPC, without TLS. */
  readonly endpoint: string
}

export class SpanThread implements AsyncDisposable {
  readonly #thread: Thread<readonly EndedSpan[], void>

  constructor(options: SpanThreadOptions) {
    const module = new URL('./span-worker', import.meta.url)
    this.#thread = new Thread({ module, name: 'spans', data: options, maxHeapMb: MAX_HEAP_MB })
    this.#thread.start()
  }
  /** @throws where they did not arrive, after further attempts. */
  export(spans: readonly EndedSpan[]): Promise<void> {
    return this.#thread.run(spans)
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]()
  }
}
