/** Endpoints: where the pods of a Service are reached, in the old form. */
import type { BuiltinKind } from '../builtin-kind.ts'
import { type Fields, listAt, setDefault } from '../defaults/defaulting.ts'
import { validateEndpoints } from '../validation/endpoints.ts'

export const endpoints: BuiltinKind = {
  defaults: (object) => {
    for (const subset of listAt(object as object as Fields, 'subsets'))
      for (const port of listAt(subset, 'ports')) setDefault(port, 'protocol', 'TCP')
  },
  validate: validateEndpoints,
}
