/**
 * Policies by what their targets name: which of thousands speak of an APIService is known without asking each.
 *
 * Callers: policies.ts, policy-status-controller.ts.
 */
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendPolicy } from '../../../api/backend-policy.ts'
import { policiesFor } from './effective-policy.ts'

export class PolicyIndex {
  readonly policies: readonly BackendPolicy[]
  readonly #byApiService = new Map<string, BackendPolicy[]>()
  readonly #byGroup = new Map<string, BackendPolicy[]>()
  readonly #selecting: BackendPolicy[] = []

  constructor(policies: readonly BackendPolicy[]) {
    this.policies = policies
    for (const policy of policies)
      for (const { apiService = '', group = '' } of policy.spec?.targets ?? []) {
        if (apiService !== '') entry(this.#byApiService, apiService).push(policy)
        else if (group !== '') entry(this.#byGroup, group).push(policy)
        else this.#selecting.push(policy)
      }
  }
  /** Those that speak of it, in the order in which they are asked. */
  for(apiService: APIService): BackendPolicy[] {
    const candidates = new Set([
      ...(this.#byApiService.get(apiService.metadata.name!) ?? []),
      ...(this.#byGroup.get(apiService.spec.group ?? '') ?? []),
      ...this.#selecting,
    ])
    return policiesFor(apiService, [...candidates])
  }
}

function entry(map: Map<string, BackendPolicy[]>, key: string): BackendPolicy[] {
  let list = map.get(key)
  if (!list) map.set(key, (list = []))
  return list
}
