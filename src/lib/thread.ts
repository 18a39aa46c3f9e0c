/**
 * Work in a thread of its own, so that it holds up nobody: an order in, an answer out, one at a time.
 *
 * Owns: the thread. It starts with the first order or start(), ends when there was none for a while, and is started anew
 *       where it broke: what takes more memory than it may costs its own work alone.
 */
import { extname } from 'node:path'
import { parentPort, Worker } from 'node:worker_threads'
import type { Cancel, Clock } from './clock.ts'
import { Deferred } from './deferred.ts'
import { nextTurn } from './next-turn.ts'

export interface ThreadOptions {
  /** Of the module that calls answerOrders(), without its extension: that of this module. */
  readonly module: URL
  /** For the module, as `workerData`. */
  readonly data?: unknown
  /** As the system lists it. */
  readonly name: string
  readonly maxHeapMb: number
  /** Absent: it waits for orders until it is disposed of. */
  readonly idle?: { readonly clock: Clock; readonly ms: number }
  /** The time limit of one order: an order that takes longer ends with its thread. Absent: none. */
  readonly limit?: { readonly clock: Clock; readonly ms: number }
}
type Answer<Out> = { readonly result: Out } | { readonly problem: string }

export class Thread<In, Out> implements AsyncDisposable {
  readonly #o: ThreadOptions
  /** In the order in which they are done. One at a time is handed over: each costs this thread a copy. */
  readonly #orders: { readonly order: In; readonly done: Deferred<Out> }[] = []
  #worker: Worker | undefined
  /** The first order is with the thread. */
  #handedOver = false
  #cancelIdle: Cancel = () => {}
  #cancelLimit: Cancel = () => {}

  constructor(o: ThreadOptions) {
    this.#o = o
  }
  get isRunning(): boolean {
    return this.#worker !== undefined
  }
  /**
   * @param order copied as by structuredClone when it is its turn.
   * @throws TypeError with the message of what the work threw; Error for what broke the thread.
   */
  run(order: In): Promise<Out> {
    this.#cancelIdle()
    const done = new Deferred<Out>()
    this.#orders.push({ order, done })
    if (this.#orders.length === 1) this.#next()
    return done.promise
  }
  /** Ahead of the first order. */
  start(): void {
    this.#worker ??= this.#started()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { done } of this.#orders.splice(this.#handedOver ? 1 : 0)) done.reject(STOPPED)
    const ended = this.#end(STOPPED)
    this.#cancelIdle()
    await ended
  }

  #next(): void {
    const [first] = this.#orders
    if (!first) return
    this.start()
    this.#handedOver = true
    const { limit } = this.#o
    if (limit) this.#cancelLimit = limit.clock.after(limit.ms, () => void this.#end(TOO_LONG))
    try {
      this.#worker!.postMessage(first.order)
    } catch (e) {
      this.#settle((done) => done.reject(e)) // not to be copied
    }
  }
  #started(): Worker {
    const { module, name, data, maxHeapMb } = this.#o
    const worker = new Worker(new URL(`${module.href}${extname(import.meta.filename)}`), {
      name,
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
    })
    worker.on('message', (answer: Answer<Out>) => {
      if (worker === this.#worker) this.#settle((done) => settleBy(done, answer))
    })
    const broke = (why: Error): void => {
      if (worker === this.#worker) void this.#end(why)
    }
    worker.on('error', broke)
    worker.on('exit', () => broke(new Error('the thread ended')))
    return worker
  }
  #settle(how: (done: Deferred<Out>) => void): void {
    const first = this.#orders.shift()
    this.#handedOver = false
    this.#cancelLimit()
    if (this.#orders.length > 0) void nextTurn().then(() => this.#next())
    else this.#waitIdle()
    if (first) how(first.done)
  }
  #waitIdle(): void {
    const { idle } = this.#o
    if (idle) this.#cancelIdle = idle.clock.after(idle.ms, () => void this.#end(new Error('idle')))
  }
  /** Fails what it was doing; what waits is done by the next thread. */
  async #end(why: Error): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    if (this.#handedOver) this.#settle((done) => done.reject(why))
    await worker?.terminate()
  }
}
function settleBy<Out>(done: Deferred<Out>, answer: Answer<Out>): void {
  if ('problem' in answer) done.reject(new TypeError(answer.problem))
  else done.resolve(answer.result)
}
const TOO_LONG = new Error('it took too long')
const STOPPED = new Error('the server stops')

/** In the thread. @param work what it throws fails its order alone. */
export function answerOrders<In>(work: (order: In) => unknown): void {
  parentPort?.on('message', (order: In) => void answerTo(work, order).then((answer) => parentPort!.postMessage(answer)))
}
async function answerTo<In>(work: (order: In) => unknown, order: In): Promise<Answer<unknown>> {
  try {
    return { result: await work(order) }
  } catch (e) {
    return { problem: (e as Error).message }
  }
}
