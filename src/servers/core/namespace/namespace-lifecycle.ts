/** Admission plug-in NamespaceLifecycle: nothing is created in a namespace that is missing or going, and some namespaces stay for good. */
import type { AdmissionAttributes, AdmissionPlugin, Operation } from '../../../access/admission/admission.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { StatusError, forbidden, notFound } from '../../../api/status-error.ts'
import { isNotFound } from '../../../client/is-stale.ts'
import type { Scope } from '../../../endpoints/scope.ts'
import { keyOf } from '../../../registry/keys.ts'

const NAMESPACES = { group: '', resource: 'namespaces' }
const CHECKED = new Set<Operation>(['create', 'update'])
const IMMORTAL = new Set(['default', 'kube-system', 'kube-public'])

/** @param namespaces the scope of namespaces; asked late, since it is itself made with this admission. */
export function namespaceLifecycle(namespaces: () => Scope): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    handles: (a) => (isNamespace(a) ? a.operation === 'delete' : CHECKED.has(a.operation) && a.namespace !== ''),
    mutate: (a) => (isNamespace(a) ? keepImmortal(a) : checkNamespace(a, namespaces())),
  }
}

const isNamespace = ({ resource }: AdmissionAttributes): boolean =>
  resource.group === '' && resource.resource === 'namespaces'

function keepImmortal({ name }: AdmissionAttributes): void {
  if (IMMORTAL.has(name)) throw forbidden(NAMESPACES, name, 'this namespace may not be deleted')
}

function checkNamespace(a: AdmissionAttributes, namespaces: Scope): void | Promise<void> {
  const check = (found: KubeObject | undefined): void => {
    if (!found) throw notFound(NAMESPACES, a.namespace)
    if (a.operation === 'create' && found.metadata.deletionTimestamp !== undefined) throw terminating(a)
  }
  const cached = namespaces.cache.peek(keyOf(namespaces.resource, '', a.namespace))
  return cached ? check(cached.object) : fromStorage(namespaces, a.namespace).then(check)
}

/** The cache may lag behind a namespace that was made a moment ago: what it lacks is asked of the storage. */
async function fromStorage(namespaces: Scope, name: string): Promise<KubeObject | undefined> {
  try {
    return await namespaces.registry.get('', name)
  } catch (e) {
    if (isNotFound(e)) return undefined
    throw e
  }
}

function terminating({ resource, object, namespace }: AdmissionAttributes): StatusError {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  const refused = forbidden(resource, object?.metadata.name ?? '', why)
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  }
  return new StatusError(403, 'Forbidden', refused.message, { details: { ...refused.details, causes: [cause] } })
}
