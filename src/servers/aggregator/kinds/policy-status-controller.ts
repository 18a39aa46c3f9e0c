/** Tells in each stored BackendPolicy which APIServices it is in force for. All replicas come to the same result: none needs a lease. */
import { isStale } from '../../../client/is-stale.ts'
import { isDeepStrictEqual } from 'node:util'
import { type APIService, type APIServiceCondition, withCondition } from '../../../api/apiservice.ts'
import type { BackendPolicy, PolicyTargetStatus } from '../../../api/backend-policy.ts'
import { fieldErrorMessage } from '../../../api/field-error.ts'
import { formatTime } from '../../../api/time.ts'
import type { ResourceClient } from '../../../client/client.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import type { Informer } from '../../../client/informer.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import type { Clock } from '../../../lib/clock.ts'
import { overlappingPolicies } from './ambiguity.ts'
import { targetRank } from '../policy/effective-policy.ts'
import type { Policies } from '../policy/policies.ts'
import type { PolicyIndex } from '../policy/policy-index.ts'
import { validateBackendPolicy } from '../policy/policy-validation.ts'

const ACCEPTED = 'Accepted'
/** Another policy has the same sections for the same APIServices. */
const OVERLAPPING = 'Overlapping'
/** A queue key that is no policy's name. It re-checks every policy that another one's change concerns. */
const OTHERS = ''
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
  /** The policies as they were when their changes were last looked at. */
  #seen: PolicyIndex

  constructor(o: PolicyStatusOptions) {
    this.#o = o
    this.#seen = o.policies.index
    const look = (policies: readonly BackendPolicy[]): void => {
      for (const p of policies) o.queue.add(p.metadata.name!)
    }
    o.informer.addHandler({
      added: (policy) => look([policy]),
      updated: (before, after) => {
        if (!isDeepStrictEqual(before.spec, after.spec)) look([after])
      },
      deleted: () => {},
    })
    o.policies.list.subscribe(() => o.queue.add(OTHERS))
    const about = (apiService: APIService): void => look(o.policies.index.for(apiService))
    o.apiServices.addHandler({
      added: about,
      updated: (before, after) => {
        if (isDeepStrictEqual([before.spec, before.metadata.labels], [after.spec, after.metadata.labels])) return
        about(before)
        about(after)
      },
      deleted: about,
    })
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    if (name === OTHERS) return this.#lookAtOthers()
    const { informer, client, clock } = this.#o
    const policy = informer.lister.get(name)
    // A policy of a file is not stored: it has no status to write.
    if (!policy?.metadata.resourceVersion) return DONE
    const generation = policy.metadata.generation ?? 0
    const errors = validateBackendPolicy(policy)
    // A policy that is not valid is in force nowhere, and its selectors may be no selectors.
    const isValid = errors.length === 0
    const verdict = isValid
      ? { status: 'True' as const, reason: 'Accepted', message: 'the policy is in force for its targets' }
      : { status: 'False' as const, reason: 'Invalid', message: errors.map(fieldErrorMessage).join(', ') }
    const before = policy.status?.conditions ?? []
    const conditions = [{ type: ACCEPTED, ...verdict }, ...(isValid ? this.#overlapping(policy) : [])]
      .reduce((all, c) => withCondition(all, c, formatTime(clock.now())), [...before])
      .map((c) => ({ ...c, observedGeneration: generation }))
    const status = { observedGeneration: generation, targets: isValid ? this.#targetsOf(policy) : [], conditions }
    if (isDeepStrictEqual(withoutEmpty(policy.status), withoutEmpty(status))) return DONE
    try {
      await client.update({ ...policy, status }, { subresource: 'status', signal })
      return DONE
    } catch (e) {
      if (isStale(e)) return AGAIN
      throw e
    }
  }

  /** Policies for the same APIServices as those that changed, came or went. */
  #lookAtOthers(): ReconcileResult {
    const { policies, apiServices, queue } = this.#o
    const [before, after] = [this.#seen, policies.index]
    this.#seen = after
    const changed = changedNames(before.policies, after.policies)
    const concerned = new Set(changed)
    for (const apiService of apiServices.lister.list()) {
      const now = after.for(apiService)
      if ([...before.for(apiService), ...now].some((p) => changed.has(p.metadata.name!)))
        for (const p of now) concerned.add(p.metadata.name!)
    }
    for (const name of concerned) queue.add(name)
    return DONE
  }
  /** A policy that never overlapped has no such condition. */
  #overlapping(policy: BackendPolicy): Pick<APIServiceCondition, 'type' | 'status' | 'reason' | 'message'>[] {
    const { apiServices, policies } = this.#o
    const found = overlappingPolicies(policy, policies.list.value, apiServices.lister.list())
    if (found.length > 0)
      return [{ type: OVERLAPPING, status: 'True', reason: 'SameSections', message: found.join('; ') }]
    if (!policy.status?.conditions?.some((c) => c.type === OVERLAPPING)) return []
    return [{ type: OVERLAPPING, status: 'False', reason: 'Alone', message: 'no other policy says the same' }]
  }
  #targetsOf(policy: BackendPolicy): PolicyTargetStatus[] {
    const { apiServices, policies } = this.#o
    return apiServices.lister
      .list()
      .filter((a) => targetRank(policy, a) > 0)
      .flatMap((a) => {
        const sections = policies.for(a).sections.get(policy.metadata.name!)
        return sections ? [{ apiService: a.metadata.name!, sections: [...sections] }] : []
      })
      .toSorted((a, b) => (a.apiService < b.apiService ? -1 : 1))
  }
}

function changedNames(before: readonly BackendPolicy[], after: readonly BackendPolicy[]): Set<string> {
  const gone = new Map(before.map((p) => [p.metadata.name!, p]))
  const changed = new Set<string>()
  for (const p of after) {
    const name = p.metadata.name!
    const was = gone.get(name)
    gone.delete(name)
    if (was !== p && !isDeepStrictEqual(was?.spec, p.spec)) changed.add(name)
  }
  return new Set([...changed, ...gone.keys()])
}
/** The status as it comes back from the storage. */
function withoutEmpty(status: BackendPolicy['status']): unknown {
  return JSON.parse(
    JSON.stringify(status ?? {}, (_key, value) => (Array.isArray(value) && value.length === 0 ? undefined : value)),
  )
}
