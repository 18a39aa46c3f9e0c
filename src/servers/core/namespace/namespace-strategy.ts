/** Namespaces: held by spec.finalizers until their content is gone. */
import type { KubeObject } from '../../../api/meta.ts'
import { dns1123Label } from '../../../api/names.ts'
import type { Strategy } from '../../../registry/strategy.ts'

export interface NamespaceObject extends KubeObject {
  spec?: { finalizers?: string[] }
  status?: { phase?: string; conditions?: unknown[] }
}

export const KUBERNETES_FINALIZER = 'kubernetes'
const NAME_LABEL = 'kubernetes.io/metadata.name'

export function namespaceStrategy(plain: Strategy): Strategy {
  return {
    ...plain,
    nameRules: dns1123Label,
    returnsDeletedObject: true,
    prepare: (_w, obj: NamespaceObject, old?: NamespaceObject) => {
      if (old) {
        obj.spec = structuredClone(old.spec ?? {})
        obj.status = structuredClone(old.status ?? {})
        return
      }
      obj.status = { phase: 'Active' }
      const finalizers = obj.spec?.finalizers ?? []
      if (!finalizers.includes(KUBERNETES_FINALIZER)) finalizers.push(KUBERNETES_FINALIZER)
      obj.spec = { ...obj.spec, finalizers }
    },
    canonicalize: (obj) => {
      obj.metadata.labels = { ...obj.metadata.labels, [NAME_LABEL]: obj.metadata.name! }
    },
    heldBy: (obj: NamespaceObject) => (obj.spec?.finalizers ?? []).length > 0,
    markDeleted: (obj: NamespaceObject) => {
      obj.status = { ...obj.status, phase: 'Terminating' }
      // Namespaces have no grace: theirs is the time their content needs.
      delete obj.metadata.deletionGracePeriodSeconds
    },
  }
}

/** PUT .../status: keeps the spec. */
export function namespaceStatusStrategy(main: Strategy): Strategy {
  return {
    ...main,
    prepare: (_w, obj: NamespaceObject, old?: NamespaceObject) => {
      if (old?.spec) obj.spec = structuredClone(old.spec)
    },
  }
}

/** PUT .../finalize: only spec.finalizers is taken. */
export function finalizeStrategy(main: Strategy): Strategy {
  return {
    ...main,
    prepare: (_w, obj: NamespaceObject, old?: NamespaceObject) => {
      if (old?.status) obj.status = structuredClone(old.status)
    },
  }
}
