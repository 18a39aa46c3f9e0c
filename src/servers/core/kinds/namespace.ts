/** Namespace: held by spec.finalizers until its content is gone. */
import type { KubeObject } from '../../../api/meta.ts'
import { dns1123Label, qualifiedName } from '../../../api/names.ts'
import { validateCoreFinalizer } from '../../../api/validate-object-meta.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { type Fields, objectAt, setDefault } from '../defaults/defaulting.ts'
import { view } from '../strategies.ts'
import { nameErrors } from '../validation/field-checks.ts'

export interface NamespaceObject extends KubeObject {
  spec?: { finalizers?: string[] }
  status?: { phase?: string; conditions?: unknown[] }
}

export const KUBERNETES_FINALIZER = 'kubernetes'
const NAME_LABEL = 'kubernetes.io/metadata.name'

export const namespace: BuiltinKind<NamespaceObject> = {
  /** The label comes before validation: a name that is no label value has two errors. */
  defaults: (object) => {
    setDefault(objectAt(object as object as Fields, 'status'), 'phase', 'Active')
    const { metadata } = object
    if ((metadata.name ?? '') !== '') metadata.labels = { ...metadata.labels, [NAME_LABEL]: metadata.name! }
  },
  /** Its finalizers; they count on creation and when they are set through /finalize. */
  validate: (object) =>
    (object.spec?.finalizers ?? []).flatMap((finalizer) => [
      ...nameErrors(finalizer, 'spec.finalizers', qualifiedName),
      ...validateCoreFinalizer(finalizer, 'spec.finalizers'),
    ]),
  strategy: {
    nameRules: dns1123Label,
    returnsDeletedObject: true,
    prepare: (_w, obj, old) => {
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
    heldBy: (obj) => (obj.spec?.finalizers ?? []).length > 0,
    markDeleted: (obj) => {
      obj.status = { ...obj.status, phase: 'Terminating' }
      // Namespaces have no grace: theirs is the time their content needs.
      delete obj.metadata.deletionGracePeriodSeconds
    },
  },
  views: {
    /** Keeps the spec. */
    status: (main) =>
      view(main, {
        resetFields: ['spec'],
        prepare: (_w, obj, old) => {
          if (old?.spec) obj.spec = structuredClone(old.spec)
        },
      }),
    /** Takes spec.finalizers alone. */
    finalize: (main) =>
      view(main, {
        resetFields: ['status'],
        prepare: (_w, obj, old) => {
          if (old?.status) obj.status = structuredClone(old.status)
        },
      }),
  },
}
