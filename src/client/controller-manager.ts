/**
 * Makes the controllers of a process and runs them: each once what it reads from is there, some only while this process
 * holds a Lease.
 *
 * Owns:     their queues, and the workers until the process ends.
 * Callers:  servers/ and app/ add controllers, and start them from post-start hooks.
 * Not here: what one reconcile means (controller.ts), elections (leader-election.ts), which are handed in.
 *
 *   added --start()--> waits for its informers --synced--> works --process ends--> stopped
 *   added --startLed()--> follows --Lease gained--> works --Lease lost--> follows; its queue takes no keys meanwhile
 */
import type { Clock } from '../lib/clock.ts'
import { untilAborted } from '../lib/deferred.ts'
import type { Lifetime } from '../lib/lifetime.ts'
import type { Logger } from '../observability/logger.ts'
import type { Counter, Family, MetricsRecorder } from '../observability/metrics.ts'
import { type Outcome, type Reconciler, runWorkers } from './controller.ts'
import type { ControllerSwitches } from './controller-switches.ts'
import type { Informer } from './informer.ts'
import { WorkQueue } from './work-queue.ts'
import { WorkQueueMetrics } from './work-queue-metrics.ts'

/** As much of an informer as a start needs, whatever its objects are. */
export type NeededInformer = Pick<Informer<never>, 'start' | 'synced'>

export interface ControllerSpec<R extends Reconciler = Reconciler> {
  /** In `--controllers`, metrics and logs. No other controller of the process has it. */
  readonly name: string
  /** Keys at once. */
  readonly workers: number
  /** Started with the controller; no key is worked on before all of them are synced. */
  readonly needs: readonly NeededInformer[]
  /** What else has to be there before the first key. */
  readonly after?: readonly Promise<unknown>[]
  /** Name of the Lease whose holder runs it; absent: every process does. */
  readonly leader?: string
  /** The server cannot serve without it: `--controllers` does not know it. */
  readonly isEssential?: boolean
  make(queue: WorkQueue): R
}
export interface Controller<R extends Reconciler = Reconciler> {
  readonly name: string
  readonly queue: WorkQueue
  readonly reconciler: R
}
/** Calls lead while this process holds the Lease, with a signal that ends with it. Resolves when the last signal is aborted. */
export type Elect = (lease: string, lead: (term: AbortSignal) => Promise<void>, signal: AbortSignal) => Promise<void>

export interface ControllerManagerOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsRecorder
  readonly life: Lifetime
  readonly switches: ControllerSwitches
}
interface Entry {
  readonly spec: ControllerSpec
  readonly controller: Controller
  readonly count: Readonly<Record<Outcome, Counter>>
}

export class ControllerManager {
  readonly #o: ControllerManagerOptions
  readonly #queues: WorkQueueMetrics
  readonly #outcomes: Family<Counter>
  readonly #entries = new Map<string, Entry>()
  readonly #switchable = new Set<string>()

  constructor(o: ControllerManagerOptions) {
    this.#o = o
    this.#queues = new WorkQueueMetrics(o.metrics)
    this.#outcomes = o.metrics.counter({
      name: 'portico_controller_reconciles_total',
      help: 'Keys that controllers worked on, by outcome: done, requeued (to be looked at again), failed.',
      labels: ['controller', 'outcome'],
    })
  }
  /** Names that `--controllers` may hold. */
  get switchable(): readonly string[] {
    return [...this.#switchable].toSorted()
  }
  /** Names of controllers that this process, as it is configured, has no use for: known all the same. */
  reserve(...names: string[]): void {
    for (const name of names) this.#switchable.add(name)
  }

  /** Makes a controller; it does nothing before it is started. Keys that are added to its queue wait for that. */
  add<R extends Reconciler>(spec: ControllerSpec<R>): Controller<R> {
    const { name } = spec
    if (this.#entries.has(name)) throw new Error(`there are two controllers of the name ${name}`)
    const queue = new WorkQueue({ clock: this.#o.clock, metrics: this.#queues.bind(name) })
    const isOn = this.#isOn(spec)
    if (!isOn) this.#o.log.info('a controller is switched off', { controller: name })
    // The handlers of a controller that is off still hear of objects, for informers are shared. Its queue takes no keys.
    if (spec.leader !== undefined || !isOn) queue.suspend()
    this.#o.life.defer(() => queue[Symbol.dispose]())
    const controller = { name, queue, reconciler: spec.make(queue) }
    const counter = (outcome: Outcome): Counter => this.#outcomes.with(name, outcome)
    const count = { done: counter('done'), requeued: counter('requeued'), failed: counter('failed') }
    this.#entries.set(name, { spec, controller, count })
    if (spec.isEssential !== true) this.#switchable.add(name)
    return controller
  }
  /** Runs controllers until the process ends, those that are switched on. */
  start(...controllers: readonly Controller[]): void {
    const { signal } = this.#o.life
    for (const { name } of controllers) {
      const entry = this.#entries.get(name)!
      if (this.#isOn(entry.spec)) this.#track(this.#run(entry, signal), name)
    }
  }
  /** Runs the controllers of a Lease whenever this process holds it, until the process ends. */
  startLed(lease: string, elect: Elect): void {
    const led = [...this.#entries.values()].filter(({ spec }) => spec.leader === lease && this.#isOn(spec))
    const lead = async (term: AbortSignal): Promise<void> => {
      await Promise.all(led.map((entry) => this.#run(entry, term)))
    }
    if (led.length > 0) this.#track(elect(lease, lead, this.#o.life.signal), lease)
  }

  #isOn({ name, isEssential }: ControllerSpec): boolean {
    return isEssential === true || this.#o.switches.isOn(name)
  }
  #track(running: Promise<void>, name: string): void {
    const ended = running.catch((error: unknown) =>
      this.#o.log.error('a controller ended', { controller: name, error }),
    )
    this.#o.life.defer(() => ended)
  }
  /** One term: until the signal is aborted and the keys in work are done. */
  async #run({ spec, controller, count }: Entry, signal: AbortSignal): Promise<void> {
    const { name, queue, reconciler } = controller
    const { needs, after = [], workers } = spec
    for (const informer of needs) informer.start()
    await Promise.race([Promise.all([...needs.map((i) => i.synced), ...after]), untilAborted(signal)])
    if (signal.aborted) return
    queue.resume()
    reconciler.termBegins?.()
    const counted = (outcome: Outcome): void => count[outcome].inc()
    await runWorkers({ name, queue, reconciler, workers, log: this.#o.log, counted }, signal)
  }
}
