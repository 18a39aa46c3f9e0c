/**
 * All BackendPolicies that can be put into force.
 *
 * Owns:    what each APIService's settings are, kept until a policy that speaks of it or the APIService changes.
 * Callers: registration-controller.ts asks for each APIService; policy-status-controller.ts tells what is in force.
 */
import { isDeepStrictEqual } from 'node:util'
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendPolicy } from '../../../api/backend-policy.ts'
import type { Informer } from '../../../client/informer.ts'
import { Publisher } from '../../../lib/published.ts'
import { effectivePolicy, type Resolved } from './effective-policy.ts'
import { PolicyIndex } from './policy-index.ts'
import { validateBackendPolicy } from './policy-validation.ts'

export class Policies {
  /** A new list with each change. */
  readonly list = new Publisher<readonly BackendPolicy[]>([])
  readonly #informer: Informer<BackendPolicy>
  #index: PolicyIndex | undefined
  readonly #resolved = new WeakMap<APIService, Kept>()
  /** A policy is never changed in place. */
  readonly #valid = new WeakMap<BackendPolicy, boolean>()

  constructor(informer: Informer<BackendPolicy>) {
    this.#informer = informer
    const changed = (): void => this.#changed()
    informer.addHandler({
      added: changed,
      updated: (before, after) => {
        if (!isDeepStrictEqual(before.spec, after.spec)) changed()
      },
      deleted: changed,
    })
    this.#changed()
  }
  get index(): PolicyIndex {
    return (this.#index ??= new PolicyIndex(this.list.value))
  }
  for(apiService: APIService): Resolved {
    const { index } = this
    const known = this.#resolved.get(apiService)
    if (known?.index === index) return known.resolved
    const policies = index.for(apiService)
    const isSame = known?.policies.length === policies.length && policies.every((p, i) => p === known.policies[i])
    const resolved = isSame ? known.resolved : effectivePolicy(apiService, policies)
    this.#resolved.set(apiService, { index, policies, resolved })
    return resolved
  }

  #changed(): void {
    this.#index = undefined
    // Stored by an older version with other rules: what is wrong now is left out as a whole, and its status says so.
    this.list.publish(this.#informer.lister.list().filter((p) => this.#isValid(p)))
  }
  #isValid(policy: BackendPolicy): boolean {
    let valid = this.#valid.get(policy)
    if (valid === undefined) this.#valid.set(policy, (valid = validateBackendPolicy(policy).length === 0))
    return valid
  }
}

interface Kept {
  readonly index: PolicyIndex
  readonly policies: readonly BackendPolicy[]
  readonly resolved: Resolved
}
