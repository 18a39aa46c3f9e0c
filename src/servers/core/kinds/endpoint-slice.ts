/** EndpointSlice: a part of a Service's endpoints. Its generation counts changes of all but annotations. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../../api/meta.ts'
import { type CellFunction, list, text, truncated } from '../../../endpoints/cell-values.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { type Fields, listAt } from '../defaults/defaulting.ts'
import { validateEndpointSlice } from '../validation/endpoint-slice.ts'

const cells: Record<string, CellFunction> = {
  endpointSlicePorts: (o) =>
    truncated(
      list(o, 'ports').map((p) => text(p, 'port') || text(p, 'name') || '*'),
      '<unset>',
    ),
  endpointSliceAddresses: (o) =>
    truncated(
      list(o, 'endpoints').flatMap((e) => list(e, 'addresses').map(String)),
      '<unset>',
    ),
}

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
  cells,
}

function differs(a: KubeObject, b: KubeObject): boolean {
  const { metadata: ma, ...ra } = a
  const { metadata: mb, ...rb } = b
  return !isDeepStrictEqual([ra, ma.labels], [rb, mb.labels])
}
