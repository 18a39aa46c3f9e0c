/** The modules of the built-in kinds that have logic, by `group/Kind`, or `group/version/Kind` where versions differ. */
import type { BuiltinKind } from './builtin-kind.ts'
import { ADMISSION_DEFAULTERS } from './defaults/admissionregistration.ts'
import type { Defaulter, Fields } from './defaults/defaulting.ts'
import { FLOW_CONTROL_DEFAULTERS } from './defaults/flowcontrol.ts'
import { validateConfigMap } from './validation/config-map.ts'
import { validateWebhooks } from './validation/webhooks.ts'
import { endpointSlice } from './kinds/endpoint-slice.ts'
import { endpoints } from './kinds/endpoints.ts'
import { autoscaler, olderAutoscaler } from './kinds/horizontal-pod-autoscaler.ts'
import { event, newerEvent } from './kinds/event.ts'
import { lease } from './kinds/lease.ts'
import { namespace } from './kinds/namespace.ts'
import { secret } from './kinds/secret.ts'
import { serviceAccount } from './kinds/service-account.ts'
import { service } from './kinds/service.ts'

const NO_LOGIC: BuiltinKind = {}

const KINDS: ReadonlyMap<string, BuiltinKind> = new Map<string, BuiltinKind>([
  ['/ConfigMap', { validate: validateConfigMap }],
  ['/Endpoints', endpoints],
  ['/Event', event],
  ['/Namespace', namespace],
  ['/Secret', secret],
  ['/Service', service],
  ['/ServiceAccount', serviceAccount],
  ['autoscaling/HorizontalPodAutoscaler', autoscaler],
  ['autoscaling/v1/HorizontalPodAutoscaler', olderAutoscaler],
  ['coordination.k8s.io/Lease', lease],
  ['discovery.k8s.io/EndpointSlice', endpointSlice],
  ['events.k8s.io/Event', newerEvent],
  ...defaultedKinds('admissionregistration.k8s.io', ADMISSION_DEFAULTERS),
  ...defaultedKinds('flowcontrol.apiserver.k8s.io', FLOW_CONTROL_DEFAULTERS),
])

/** What a version has of its own goes before what all versions of its kind have. */
export function builtinKind(group: string, kind: string, version: string): BuiltinKind {
  return KINDS.get(`${group}/${version}/${kind}`) ?? KINDS.get(`${group}/${kind}`) ?? NO_LOGIC
}
/** Those that have a module. */
export const KINDS_WITH_LOGIC: Iterable<string> = KINDS.keys()

function defaultedKinds(group: string, all: ReadonlyMap<string, Defaulter>): [string, BuiltinKind][] {
  return [...all].map(([kind, fill]) => [
    `${group}/${kind}`,
    {
      defaults: (o) => fill(o as object as Fields),
      ...(kind.endsWith('WebhookConfiguration') ? { validate: validateWebhooks } : {}),
    },
  ])
}
