/**
 * All BackendPolicies: the stored ones and those of files. A file's wins over a stored one of the same name.
 *
 * Owns:    what each APIService's settings are, kept until a policy or the APIService changes.
 * Callers: registration-controller.ts asks for each APIService; policy-status-controller.ts tells what is in force.
 */
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendPolicy } from '../../../api/backend-policy.ts'
import type { Informer } from '../../../client/informer.ts'
import { Publisher, type Published } from '../../../lib/published.ts'
import { effectivePolicy, type Resolved } from './effective-policy.ts'
import { validateBackendPolicy } from './policy-validation.ts'

export class Policies {
  /** Those that can be put into force. A new list with each change. */
  readonly list = new Publisher<readonly BackendPolicy[]>([])
  readonly #informer: Informer<BackendPolicy>
  readonly #files: Published<readonly BackendPolicy[]>
  #resolved = new WeakMap<APIService, Resolved>()

  constructor(informer: Informer<BackendPolicy>, files: Published<readonly BackendPolicy[]>) {
    this.#informer = informer
    this.#files = files
    const changed = (): void => this.#changed()
    informer.addHandler({
      added: changed,
      updated: (before, after) => {
        if (before.metadata.generation !== after.metadata.generation) changed()
      },
      deleted: changed,
    })
    files.subscribe(changed)
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
    const byName = new Map(this.#informer.lister.list().map((p) => [p.metadata.name!, p]))
    for (const policy of this.#files.value) byName.set(policy.metadata.name!, policy)
    this.#resolved = new WeakMap()
    // Stored by an older version with other rules: what is wrong now is left out as a whole, and its status says so.
    this.list.publish([...byName.values()].filter((p) => validateBackendPolicy(p).length === 0))
  }
}
