/** Admission: nothing is created in a namespace that is missing or going, and some namespaces stay for good. */
import type { KubeObject } from '../../../api/meta.ts'
import { StatusError, forbidden, notFound } from '../../../api/status-error.ts'
import { type Admission, type Scope, groupResourceOf } from '../../../endpoints/scope.ts'
import { keyOf } from '../../../registry/keys.ts'

const NAMESPACES = { group: '', resource: 'namespaces' }
const IMMORTAL = new Set(['default', 'kube-system', 'kube-public'])

/** @param namespaces the scope of namespaces; asked late, since it is itself made with this admission. */
export function namespaceLifecycle(namespaces: () => Scope): Admission {
  return async (ctx, scope, operation, object) => {
    const isNamespace = scope.resource.resource === 'namespaces' && scope.resource.group === ''
    if (isNamespace) {
      const name = object?.metadata.name ?? ctx.info.name
      if (operation === 'delete' && IMMORTAL.has(name))
        throw forbidden(NAMESPACES, name, 'this namespace may not be deleted')
      return
    }
    const namespace = object?.metadata.namespace ?? ''
    if (operation === 'delete' || namespace === '' || !scope.resource.namespaced) return
    const found = await find(namespaces(), namespace)
    if (!found) throw notFound(NAMESPACES, namespace)
    if (operation === 'create' && found.metadata.deletionTimestamp !== undefined)
      throw terminating(scope, object, namespace)
  }
}

/** The cache may lag behind a namespace that was made a moment ago: what it lacks is asked of the storage. */
async function find(namespaces: Scope, name: string): Promise<KubeObject | undefined> {
  const cached = namespaces.cache.peek(keyOf(namespaces.resource, '', name))
  if (cached) return cached.object
  try {
    return await namespaces.registry.get('', name)
  } catch (e) {
    if (e instanceof StatusError && e.code === 404) return undefined
    throw e
  }
}

function terminating(scope: Scope, object: KubeObject | undefined, namespace: string): StatusError {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  const refused = forbidden(groupResourceOf(scope), object?.metadata.name ?? '', why)
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  }
  return new StatusError(403, 'Forbidden', refused.message, { details: { ...refused.details, causes: [cause] } })
}
