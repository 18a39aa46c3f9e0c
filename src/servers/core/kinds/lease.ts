/** Lease: without coordinated leader election it has no strategy; one that is stored already stays. */
import type { KubeObject } from '../../../api/meta.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { validateLease } from '../validation/lease.ts'

interface LeaseObject extends KubeObject {
  spec?: { strategy?: string; preferredHolder?: string }
}

export const lease: BuiltinKind = {
  validate: validateLease,
  strategy: {
    prepare: (_w, obj: LeaseObject, old?: LeaseObject) => {
      for (const field of ['strategy', 'preferredHolder'] as const)
        if (old?.spec?.[field] === undefined) delete obj.spec?.[field]
    },
  },
}
