/**
 * Runs openapi-work.ts in a thread of its own: a large document must not hold up the requests of everybody else.
 *
 * Owns:    the thread. It starts with the first work, ends when there was none for a while, and is started anew where it
 *          broke: a document that takes more memory than it may costs its own work alone.
 * Callers: the OpenAPI downloads and the endpoint.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Cancel, Clock } from '../../../lib/clock.ts'
import { Deferred } from '../../../lib/deferred.ts'
import { nextTurn } from '../../../lib/next-turn.ts'
import type { RunOpenApiWork } from './openapi-work.ts'
import type { WorkDone, WorkOrder } from './openapi-worker.ts'

const IDLE_MS = 10_000
const MAX_HEAP_MB = 2048

export class OpenApiThread implements AsyncDisposable {
  readonly #clock: Clock
  /** In the order in which they are done. One at a time is handed over: each costs the main thread a copy. */
  readonly #orders = new Map<number, { readonly order: WorkOrder; readonly done: Deferred<never> }>()
  #worker: Worker | undefined
  #cancelIdle: Cancel = () => {}
  #last = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }
  get isRunning(): boolean {
    return this.#worker !== undefined
  }
  /** Rejects where the work throws, and where the thread breaks. */
  readonly run: RunOpenApiWork = (name, input) => {
    this.#cancelIdle()
    const order: WorkOrder = { id: ++this.#last, name, input }
    const done = new Deferred<never>()
    this.#orders.set(order.id, { order, done })
    if (this.#orders.size === 1) this.#next()
    return done.promise
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end(new Error('the server stops'))
  }

  #next(): void {
    const [first] = this.#orders.values()
    if (!first) return
    this.#worker ??= this.#start()
    this.#worker.postMessage(first.order)
  }
  #start(): Worker {
    const worker = new Worker(new URL(`./openapi-worker${extname(import.meta.filename)}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    })
    worker.on('message', (done: WorkDone) => this.#done(done))
    const broke = (why: Error): void => {
      if (worker === this.#worker) void this.#end(why)
    }
    worker.on('error', broke)
    worker.on('exit', () => broke(new Error('the thread for OpenAPI ended')))
    return worker
  }
  #done({ id, result, problem }: WorkDone): void {
    const found = this.#orders.get(id)
    this.#orders.delete(id)
    if (problem === undefined) found?.done.resolve(result as never)
    else found?.done.reject(new TypeError(problem))
    if (this.#orders.size > 0) return void nextTurn().then(() => this.#next())
    this.#cancelIdle = this.#clock.after(IDLE_MS, () => void this.#end(new Error('idle')))
  }
  async #end(why: Error): Promise<void> {
    this.#cancelIdle()
    const worker = this.#worker
    this.#worker = undefined
    for (const { done } of this.#orders.values()) done.reject(why)
    this.#orders.clear()
    await worker?.terminate()
  }
}
