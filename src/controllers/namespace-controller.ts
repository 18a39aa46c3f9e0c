/**
 * Empties namespaces that are to go, then lets go of them: deletes everything namespaced that discovery knows, and
 * takes the finalizer `kubernetes` off once nothing is left.
 */
import type { KubeObject } from '../api/meta.ts'
import type { Client, ResourceClient } from '../client/client.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../client/controller.ts'
import { isConflict, isNotFound, isStale } from '../client/is-stale.ts'
import type { Informer } from '../client/informer.ts'
import type { WorkQueue } from '../client/work-queue.ts'
import type { Clock } from '../lib/clock.ts'
import { formatTime } from '../api/time.ts'

const FINALIZER = 'kubernetes'
const LOOK_AGAIN_MS = 1000
const DELETES_AT_ONCE = 16

interface Condition {
  type: string
  status: 'True' | 'False'
  lastTransitionTime?: string
  reason: string
  message: string
}
export interface Namespace extends KubeObject {
  spec?: { finalizers?: string[] }
  status?: { phase?: string; conditions?: Condition[] }
}
/** A namespaced resource whose objects can be listed and deleted. */
export interface NamespacedResource {
  readonly group: string
  readonly version: string
  readonly resource: string
}
export interface NamespaceControllerOptions {
  readonly client: Client
  readonly queue: WorkQueue
  readonly informer: Informer<Namespace>
  /** Resources that discovery knows now. `failed` are group versions that cannot be asked. */
  readonly resources: () => { readonly known: readonly NamespacedResource[]; readonly failed: readonly string[] }
  readonly clock: Clock
}

/** Objects and failures that keep a namespace from going. */
interface Obstacles {
  readonly remaining: readonly string[]
  /** Resources that could not be emptied, with the reason. */
  readonly failures: readonly string[]
  /** Group versions that cannot be asked what they serve. */
  readonly failed: readonly string[]
}

export class NamespaceController implements Reconciler {
  readonly #o: NamespaceControllerOptions
  readonly #namespaces: ResourceClient<Namespace>
  readonly #informer: Informer<Namespace>

  constructor(o: NamespaceControllerOptions) {
    this.#o = o
    this.#namespaces = o.client.resource<Namespace>({ group: '', version: 'v1', resource: 'namespaces' })
    this.#informer = o.informer
    const wake = (n: Namespace): void => {
      if (n.metadata.deletionTimestamp !== undefined) o.queue.add(n.metadata.name!)
    }
    this.#informer.addHandler({ added: wake, updated: (_before, after) => wake(after) })
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const namespace = this.#informer.lister.get(name)
    if (namespace?.metadata.deletionTimestamp === undefined) return DONE
    if ((namespace.spec?.finalizers ?? []).length === 0) return DONE
    const { known, failed } = this.#o.resources()
    const remaining: string[] = []
    const failures: string[] = []
    // A resource that cannot be emptied, because its backend is down for example, holds up no other.
    for (const resource of known) {
      const what = `${resource.resource}.${resource.group}`
      try {
        const left = await this.#empty(resource, name, signal)
        if (left > 0) remaining.push(`${what} has ${left} resource instances`)
      } catch (e) {
        if (signal.aborted) throw e
        failures.push(`${what}: ${(e as Error).message}`)
      }
    }
    if (remaining.length + failures.length + failed.length > 0) {
      await this.#report(namespace, { remaining, failures, failed })
      return { kind: 'requeue', afterMs: LOOK_AGAIN_MS }
    }
    await this.#finalize(name, signal)
    return DONE
  }

  /** @returns how many objects are still there. */
  async #empty(resource: NamespacedResource, namespace: string, signal: AbortSignal): Promise<number> {
    const client = this.#o.client.resource<KubeObject>(resource)
    const { items } = await client.list({ namespace, signal })
    const queue = items.values()
    const worker = async (): Promise<void> => {
      for (const { metadata } of queue) {
        try {
          await client.delete(metadata.name!, { namespace, propagationPolicy: 'Background', signal })
        } catch (e) {
          if (!isNotFound(e)) throw e
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(DELETES_AT_ONCE, items.length) }, worker))
    return items.length === 0 ? 0 : (await client.list({ namespace, signal })).items.length
  }

  async #finalize(name: string, signal: AbortSignal): Promise<void> {
    try {
      const live = await this.#namespaces.get(name, { signal })
      const finalizers = (live.spec?.finalizers ?? []).filter((f) => f !== FINALIZER).sort()
      await this.#namespaces.update(
        { ...live, spec: { ...live.spec, finalizers } },
        { subresource: 'finalize', signal },
      )
    } catch (e) {
      if (!isStale(e)) throw e
      if (isConflict(e)) this.#o.queue.add(name)
    }
  }

  /** Says in the status what it waits for. */
  async #report(namespace: Namespace, found: Obstacles): Promise<void> {
    const time = formatTime(this.#o.clock.now())
    const conditions = conditionsOf(found)
    const before = namespace.status?.conditions ?? []
    const next = conditions.map((c) => {
      const old = before.find((b) => b.type === c.type)
      return { ...c, lastTransitionTime: old?.status === c.status ? (old.lastTransitionTime ?? time) : time }
    })
    if (JSON.stringify(before) === JSON.stringify(next)) return
    await this.#namespaces
      .updateStatus({ ...namespace, status: { ...namespace.status, conditions: next } })
      .catch((e: unknown) => {
        if (!isStale(e)) throw e
      })
  }
}

function conditionsOf({ remaining, failures, failed }: Obstacles): Condition[] {
  return [
    conditionOf('NamespaceDeletionDiscoveryFailure', failed.length > 0, {
      bad: ['DiscoveryFailed', `Discovery failed for some groups, ${failed.length} failing: ${failed.join(', ')}`],
      good: ['ResourcesDiscovered', 'All resources successfully discovered'],
    }),
    conditionOf('NamespaceDeletionContentFailure', failures.length > 0, {
      bad: [
        'ContentDeletionFailed',
        `Failed to delete all resource types, ${failures.length} remaining: ${failures.join(', ')}`,
      ],
      good: ['ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
    }),
    conditionOf('NamespaceContentRemaining', remaining.length > 0, {
      bad: ['SomeResourcesRemain', `Some resources are remaining: ${remaining.join(', ')}`],
      good: ['ContentRemoved', 'All content successfully removed'],
    }),
  ]
}

function conditionOf(
  type: string,
  isBad: boolean,
  texts: Record<'bad' | 'good', readonly [reason: string, message: string]>,
): Condition {
  const [reason, message] = isBad ? texts.bad : texts.good
  return { type, status: isBad ? 'True' : 'False', reason, message }
}
