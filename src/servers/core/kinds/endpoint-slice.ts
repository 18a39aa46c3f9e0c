/** EndpointSlice: a part of a Service's endpoints. Its generation counts changes of all but annotations. */
import type { KubeObject } from '../../../api/meta.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { type Fields, listAt } from '../defaults/defaulting.ts'
import { validateEndpointSlice } from '../validation/endpoint-slice.ts'

export const endpointSlice: BuiltinKind = {
  defaults: (object) => {
    for (const port of listAt(object as object as Fields, 'ports')) {
      port['name'] ??= ''
      port['protocol'] ??= 'TCP'
    }
  },
  validate: validateEndpointSlice,
  strategy: {
    prepare: (_w, obj, old) => {
      if (!old) obj.metadata.generation = 1
      else if (differs(obj, old)) obj.metadata.generation = (old.metadata.generation ?? 0) + 1
    },
  },
}

function differs(a: KubeObject, b: KubeObject): boolean {
  const { metadata: ma, ...ra } = a
  const { metadata: mb, ...rb } = b
  return JSON.stringify([ra, ma.labels]) !== JSON.stringify([rb, mb.labels])
}
