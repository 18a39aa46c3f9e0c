/**
 * Which validator a resource of the core server has. Metadata is the registry's matter; these check the rest.
 */
import type { FieldError } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { qualifiedName } from '../../../api/names.ts'
import { validateCoreFinalizer } from '../../../api/validate-object-meta.ts'
import { validateConfigMap, validateSecret } from './config-map.ts'
import { validateEndpointSlice } from './endpoint-slice.ts'
import { validateEndpoints } from './endpoints.ts'
import { validateEvent } from './event.ts'
import { nameErrors } from './field-checks.ts'
import { validateLease } from './lease.ts'
import { validateService } from './service.ts'
import type { Service } from './service-types.ts'

export type Validator = (object: KubeObject, old?: KubeObject) => FieldError[]

const VALIDATORS: ReadonlyMap<string, Validator> = new Map<string, Validator>([
  ['configmaps', validateConfigMap],
  ['secrets', validateSecret],
  ['namespaces', validateNamespace],
  ['services', (object, old) => validateService(object as Service, old as Service | undefined)],
  ['endpoints', validateEndpoints],
  ['endpointslices.discovery.k8s.io', validateEndpointSlice],
  ['leases.coordination.k8s.io', validateLease],
  ['events', (object, old) => validateEvent(object, 'v1', old)],
  ['events.events.k8s.io', (object, old) => validateEvent(object, 'events.k8s.io/v1', old)],
])

/**
 * @param groupResource `secrets`, `leases.coordination.k8s.io`. Events of both groups in the form of core/v1.
 * @returns undefined where a resource has no rules beyond its metadata.
 */
export function validatorOf(groupResource: string): Validator | undefined {
  return VALIDATORS.get(groupResource)
}

/** Its finalizers; they count on creation and when they are set through /finalize. */
export function validateNamespace(namespace: KubeObject): FieldError[] {
  const { spec } = namespace as KubeObject & { spec?: { finalizers?: readonly string[] } }
  return (spec?.finalizers ?? []).flatMap((finalizer) => [
    ...nameErrors(finalizer, 'spec.finalizers', qualifiedName),
    ...validateCoreFinalizer(finalizer, 'spec.finalizers'),
  ])
}
