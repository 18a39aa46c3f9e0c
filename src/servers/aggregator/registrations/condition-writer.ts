/**
 * Writes the conditions of APIServices: what the replica that leads found out, and no oftener than is useful.
 *
 * Owns:     what each condition should say. Replicas that do not lead only remember it.
 * Callers:  availability, discovery and identity probes say what they found; the manager of controllers runs it while
 *           this replica leads.
 *
 *   first verdict on an APIService or on a new spec of it: at once; every other change: at most one write in 10 s
 */
import { isDeepStrictEqual } from 'node:util'
import { type APIService, type APIServiceCondition, withCondition } from '../../../api/apiservice.ts'
import { formatTime } from '../../../api/time.ts'
import type { ResourceClient } from '../../../client/client.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import { isStale } from '../../../client/is-stale.ts'
import type { Informer } from '../../../client/informer.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../observability/logger.ts'

export type WantedCondition = Pick<APIServiceCondition, 'type' | 'status' | 'reason' | 'message'>

export const defaultWriteIntervalMs = 10_000
const AGAIN: ReconcileResult = { kind: 'requeue', afterMs: 50 }

export interface ConditionWriterOptions {
  readonly informer: Pick<Informer<APIService>, 'lister' | 'addHandler'>
  readonly client: Pick<ResourceClient<APIService>, 'update'>
  readonly queue: WorkQueue
  readonly clock: Clock
  readonly log: Logger
  /** Between two writes of one APIService. */
  readonly intervalMs?: number
}

interface Wanted {
  readonly uid: string | undefined
  readonly conditions: Map<string, WantedCondition>
}

export class ConditionWriter implements Reconciler {
  readonly #o: ConditionWriterOptions
  readonly #wanted = new Map<string, Wanted>()
  readonly #written = new Map<string, { uid: string | undefined; spec: APIService['spec']; atMs: number }>()

  constructor(o: ConditionWriterOptions) {
    this.#o = o
    const wake = (a: APIService): void => this.#wake(a.metadata.name!)
    o.informer.addHandler({
      added: wake,
      updated: (_before, after) => wake(after),
      deleted: ({ metadata }) => {
        this.#wanted.delete(metadata.name!)
        this.#written.delete(metadata.name!)
      },
    })
  }
  get size(): number {
    return this.#wanted.size + this.#written.size
  }

  /** This process leads: what it found out before is written now. */
  termBegins(): void {
    for (const name of this.#wanted.keys()) this.#wake(name)
  }

  want({ metadata }: APIService, condition: WantedCondition): void {
    const name = metadata.name!
    // An APIService that was deleted meanwhile must leave nothing behind.
    if (this.#o.informer.lister.get(name)?.metadata.uid !== metadata.uid) return
    let wanted = this.#wanted.get(name)
    if (wanted?.uid !== metadata.uid || !wanted) {
      wanted = { uid: metadata.uid, conditions: new Map() }
      this.#wanted.set(name, wanted)
    }
    if (isDeepStrictEqual(wanted.conditions.get(condition.type), condition)) return
    wanted.conditions.set(condition.type, condition)
    this.#wake(name)
  }
  /** Wants a condition to be False where the APIService has or had it. A condition that never was True is not written. */
  wantFalse(apiService: APIService, condition: Omit<WantedCondition, 'status'>): void {
    const known =
      this.#wanted.get(apiService.metadata.name!)?.conditions.has(condition.type) === true ||
      (apiService.status?.conditions ?? []).some((c) => c.type === condition.type)
    if (known) this.want(apiService, { ...condition, status: 'False' })
  }

  #wake(name: string): void {
    this.#o.queue.add(name)
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const apiService = this.#o.informer.lister.get(name)
    const wanted = this.#wanted.get(name)
    if (!apiService || wanted?.uid !== apiService.metadata.uid || !wanted) return DONE
    // An APIService of a file is not stored: it has no conditions to write.
    if (!apiService.metadata.resourceVersion) return DONE
    const before = apiService.status?.conditions ?? []
    const now = formatTime(this.#o.clock.now())
    const conditions = [...wanted.conditions.values()].reduce((all, c) => withCondition(all, c, now), [...before])
    if (isDeepStrictEqual(conditions, before)) return DONE
    const waitMs = this.#waitMs(apiService)
    if (waitMs > 0) return { kind: 'requeue', afterMs: waitMs }
    return this.#write({ ...apiService, status: { ...apiService.status, conditions } }, signal)
  }

  #waitMs({ metadata, spec }: APIService): number {
    const last = this.#written.get(metadata.name!)
    if (last?.uid !== metadata.uid || !last || !isDeepStrictEqual(last.spec, spec)) return 0
    return last.atMs + (this.#o.intervalMs ?? defaultWriteIntervalMs) - this.#o.clock.monotonicMs()
  }

  async #write(apiService: APIService, signal: AbortSignal): Promise<ReconcileResult> {
    const { name = '', uid } = apiService.metadata
    const atMs = this.#o.clock.monotonicMs()
    try {
      await this.#o.client.update(apiService, { subresource: 'status', signal })
    } catch (e) {
      // A client changed or deleted it, and our copy is a step behind: look again at the newer state.
      if (isStale(e)) return AGAIN
      throw e
    }
    if (this.#wanted.get(name)?.uid === uid) this.#written.set(name, { uid, spec: apiService.spec, atMs })
    this.#o.log.verbose?.('conditions written', { apiService: name, conditions: apiService.status?.conditions })
    return DONE
  }
}
