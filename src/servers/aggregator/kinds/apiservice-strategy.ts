import { type APIService, AVAILABLE, withCondition } from '../../../api/apiservice.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { pathSegment } from '../../../api/names.ts'
import { formatTime } from '../../../api/time.ts'
import type { Strategy } from '../../../registry/strategy.ts'
import { ambiguousPriorities, type Registered } from './ambiguity.ts'
import { localVerdict } from '../registrations/served-here.ts'
import { apiServiceWarnings, validateAPIService, validateConditions } from '../policy/apiservice-validation.ts'

const DEFAULT_PORT = 443

function fillDefaults(o: APIService): void {
  o.spec ??= { groupPriorityMinimum: 0, versionPriority: 0 }
  o.spec.groupPriorityMinimum ??= 0
  o.spec.versionPriority ??= 0
  if (o.spec.service) o.spec.service.port ??= DEFAULT_PORT
}

export const apiServiceStrategy = (registered: Registered): Strategy<APIService> => ({
  allowCreateOnUpdate: false,
  allowUnconditionalUpdate: false,
  resetFields: ['status'],
  nameRules: pathSegment,
  prepare: (w, o, old) => {
    fillDefaults(o)
    if (old) o.status = structuredClone(old.status ?? {})
    else if (o.spec.service) o.status = {}
    else {
      const condition = { type: AVAILABLE, ...localVerdict(registered, o.spec) }
      o.status = { conditions: withCondition([], condition, formatTime(w.now)) }
    }
  },
  validate: (_w, obj) => validateAPIService(obj),
  warnings: (_w, obj) => [...apiServiceWarnings(obj), ...ambiguousPriorities(obj, registered.apiServices())],
})

export const apiServiceStatusStrategy: Strategy<APIService> = {
  allowCreateOnUpdate: false,
  allowUnconditionalUpdate: false,
  resetFields: ['spec', 'metadata'],
  prepare: (_w, obj, old) => keepAllButStatus(obj, old!),
  validate: (_w, obj) => validateConditions(obj),
}

/** A write to the status changes the status alone. The spec, labels, annotations, finalizers and owners stay. */
export function keepAllButStatus<T extends KubeObject & { spec?: unknown }>(o: T, old: T): void {
  const stored = structuredClone(old)
  o.spec = stored.spec
  const kept = {
    labels: stored.metadata.labels,
    annotations: stored.metadata.annotations,
    finalizers: stored.metadata.finalizers,
    ownerReferences: stored.metadata.ownerReferences,
    generation: stored.metadata.generation,
  }
  for (const [key, value] of Object.entries(kept)) {
    if (value === undefined) delete (o.metadata as Record<string, unknown>)[key]
    else Object.assign(o.metadata, { [key]: value })
  }
}
