import { isDeepStrictEqual } from 'node:util'
import type { BackendPolicy } from '../../../api/backend-policy.ts'
import type { Strategy } from '../../../registry/strategy.ts'
import { overlappingPolicies, type Registered } from './ambiguity.ts'
import { keepAllButStatus } from './apiservice-strategy.ts'
import { validateConditions } from '../policy/apiservice-validation.ts'
import { backendPolicyWarnings, validateBackendPolicy } from '../policy/policy-validation.ts'

const DEFAULT_PORT = 443

/** Settings that are left out stay out: what applies then may be another policy's. */
function fillDefaults(o: BackendPolicy): void {
  o.spec ??= {}
  for (const b of o.spec.backends ?? []) {
    if (b.dns) b.dns.port ??= DEFAULT_PORT
    if (b.service) b.service.port ??= DEFAULT_PORT
    for (const e of b.endpoints ?? []) e.port ??= DEFAULT_PORT
    for (const source of b.tls?.ca ?? []) {
      const reference = source.secret ?? source.configMap
      if (reference) reference.key ??= 'ca.crt'
    }
  }
  for (const route of o.spec.routes ?? []) for (const d of route.to ?? []) d.weight ??= 1
}

export const backendPolicyStrategy = (registered: Registered): Strategy<BackendPolicy> => ({
  allowCreateOnUpdate: false,
  allowUnconditionalUpdate: false,
  resetFields: ['status'],
  prepare: (_w, o, before) => {
    fillDefaults(o)
    if (before?.status) o.status = structuredClone(before.status)
    else delete o.status
    const generation = before?.metadata.generation ?? 0
    o.metadata.generation = before && isDeepStrictEqual(before.spec, o.spec) ? generation : generation + 1
  },
  validate: (_w, obj) => validateBackendPolicy(obj),
  warnings: (_w, obj) => [
    ...backendPolicyWarnings(obj),
    ...overlappingPolicies(obj, registered.policies(), registered.apiServices()),
  ],
})

export const backendPolicyStatusStrategy: Strategy<BackendPolicy> = {
  allowCreateOnUpdate: false,
  allowUnconditionalUpdate: false,
  resetFields: ['spec', 'metadata'],
  prepare: (_w, obj, old) => keepAllButStatus(obj, old!),
  validate: (_w, obj) => validateConditions(obj),
}
