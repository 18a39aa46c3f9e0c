/**
 * Runs openapi-work.ts in a thread of its own: a large document must not hold up the requests of everybody else.
 *
 * Callers: the OpenAPI downloads and the endpoint.
 */
import type { Clock } from '../../../lib/clock.ts'
import { Thread } from '../../../lib/thread.ts'
import type { RunOpenApiWork } from './openapi-work.ts'
import type { WorkOrder } from './openapi-worker.ts'

const IDLE_MS = 10_000
const MAX_HEAP_MB = 2048

export class OpenApiThread implements AsyncDisposable {
  readonly #thread: Thread<WorkOrder, never>

  constructor(clock: Clock) {
    this.#thread = new Thread({
      module: new URL('./openapi-worker', import.meta.url),
      name: 'openapi',
      maxHeapMb: MAX_HEAP_MB,
      idle: { clock, ms: IDLE_MS },
    })
  }
  get isRunning(): boolean {
    return this.#thread.isRunning
  }
  /** Rejects where the work throws, and where the thread breaks. */
  readonly run: RunOpenApiWork = (name, input) => this.#thread.run({ name, input })
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]()
  }
}
