/** Tells in each stored BackendPolicy which APIServices it is in force for. All replicas come to the same result: none needs a lease. */
import { isDeepStrictEqual } from 'node:util'
import { type APIService, type APIServiceCondition, withCondition } from '../../../api/apiservice.ts'
import type { BackendPolicy, PolicyTargetStatus } from '../../../api/backend-policy.ts'
import { fieldErrorMessage } from '../../../api/field-error.ts'
import { StatusError } from '../../../api/status-error.ts'
import { formatTime } from '../../../api/time.ts'
import type { ResourceClient } from '../../../client/client.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import type { Informer } from '../../../client/informer.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import type { Clock } from '../../../lib/clock.ts'
import { overlappingPolicies } from '../ambiguity.ts'
import type { Policies } from './policies.ts'
import { validateBackendPolicy } from './policy-validation.ts'

const ACCEPTED = 'Accepted'
/** Another policy has the same sections for the same APIServices. */
const OVERLAPPING = 'Overlapping'
const AGAIN: ReconcileResult = { kind: 'requeue', afterMs: 50 }

export interface PolicyStatusOptions {
  readonly informer: Informer<BackendPolicy>
  readonly apiServices: Informer<APIService>
  readonly policies: Policies
  readonly client: ResourceClient<BackendPolicy>
  readonly queue: WorkQueue
  readonly clock: Clock
}

export class PolicyStatusController implements Reconciler {
  readonly #o: PolicyStatusOptions

  constructor(o: PolicyStatusOptions) {
    this.#o = o
    const all = (): void => {
      for (const p of o.informer.lister.list()) o.queue.add(p.metadata.name!)
    }
    o.policies.list.subscribe(all)
    o.apiServices.addHandler({
      added: all,
      updated: (before, after) => {
        if (!isDeepStrictEqual([before.spec, before.metadata.labels], [after.spec, after.metadata.labels])) all()
      },
      deleted: all,
    })
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { informer, client, clock } = this.#o
    const policy = informer.lister.get(name)
    // One of a file has nothing stored.
    if (!policy?.metadata.resourceVersion) return DONE
    const generation = policy.metadata.generation ?? 0
    const errors = validateBackendPolicy(policy)
    const verdict =
      errors.length === 0
        ? { status: 'True' as const, reason: 'Accepted', message: 'the policy is in force for its targets' }
        : { status: 'False' as const, reason: 'Invalid', message: errors.map(fieldErrorMessage).join(', ') }
    const before = policy.status?.conditions ?? []
    const conditions = [{ type: ACCEPTED, ...verdict }, ...this.#overlapping(policy)]
      .reduce((all, c) => withCondition(all, c, formatTime(clock.now())), [...before])
      .map((c) => ({ ...c, observedGeneration: generation }))
    const status = { observedGeneration: generation, targets: this.#targetsOf(name), conditions }
    if (isDeepStrictEqual(withoutEmpty(policy.status), withoutEmpty(status))) return DONE
    try {
      await client.update({ ...policy, status }, { subresource: 'status', signal })
      return DONE
    } catch (e) {
      if (e instanceof StatusError && (e.code === 409 || e.code === 404)) return AGAIN
      throw e
    }
  }

  /** One that never overlapped says nothing of it. */
  #overlapping(policy: BackendPolicy): Pick<APIServiceCondition, 'type' | 'status' | 'reason' | 'message'>[] {
    const { apiServices, policies } = this.#o
    const found = overlappingPolicies(policy, policies.list.value, apiServices.lister.list())
    if (found.length > 0)
      return [{ type: OVERLAPPING, status: 'True', reason: 'SameSections', message: found.join('; ') }]
    if (!policy.status?.conditions?.some((c) => c.type === OVERLAPPING)) return []
    return [{ type: OVERLAPPING, status: 'False', reason: 'Alone', message: 'no other policy says the same' }]
  }
  #targetsOf(name: string): PolicyTargetStatus[] {
    const { apiServices, policies } = this.#o
    return apiServices.lister
      .list()
      .flatMap((a) => {
        const sections = policies.for(a).sections.get(name)
        return sections ? [{ apiService: a.metadata.name!, sections: [...sections] }] : []
      })
      .toSorted((a, b) => (a.apiService < b.apiService ? -1 : 1))
  }
}

/** As it comes back from the storage. */
function withoutEmpty(status: BackendPolicy['status']): unknown {
  return JSON.parse(
    JSON.stringify(status ?? {}, (_key, value) => (Array.isArray(value) && value.length === 0 ? undefined : value)),
  )
}
