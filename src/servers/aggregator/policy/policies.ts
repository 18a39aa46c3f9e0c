/**
 * All BackendPolicies that can be put into force.
 *
 * Owns:    what each APIService's settings are, kept until a policy or the APIService changes.
 * Callers: registration-controller.ts asks for each APIService; policy-status-controller.ts tells what is in force.
 */
import { isDeepStrictEqual } from 'node:util'
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendPolicy } from '../../../api/backend-policy.ts'
import type { Informer } from '../../../client/informer.ts'
import { Publisher } from '../../../lib/published.ts'
import { effectivePolicy, type Resolved } from './effective-policy.ts'
import { validateBackendPolicy } from './policy-validation.ts'

export class Policies {
  /** A new list with each change. */
  readonly list = new Publisher<readonly BackendPolicy[]>([])
  readonly #informer: Informer<BackendPolicy>
  #resolved = new WeakMap<APIService, Resolved>()

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
  for(apiService: APIService): Resolved {
    let resolved = this.#resolved.get(apiService)
    if (!resolved) {
      resolved = effectivePolicy(apiService, this.list.value)
      this.#resolved.set(apiService, resolved)
    }
    return resolved
  }

  #changed(): void {
    this.#resolved = new WeakMap()
    // Stored by an older version with other rules: what is wrong now is left out as a whole, and its status says so.
    this.list.publish(this.#informer.lister.list().filter((p) => validateBackendPolicy(p).length === 0))
  }
}
