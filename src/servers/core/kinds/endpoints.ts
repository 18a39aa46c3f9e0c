/** Endpoints: where the pods of a Service are reached, in the old form. */
import { type CellFunction, list, text, truncated } from '../../../endpoints/cell-values.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { type Fields, listAt, setDefault } from '../defaults/defaulting.ts'
import { validateEndpoints } from '../validation/endpoints.ts'

const cells: Record<string, CellFunction> = {
  endpoints: (o) =>
    truncated(list(o, 'subsets').flatMap(subsetAddresses), list(o, 'subsets').length === 0 ? '<none>' : ''),
}

export const endpoints: BuiltinKind = {
  defaults: (object) => {
    for (const subset of listAt(object as object as Fields, 'subsets'))
      for (const port of listAt(subset, 'ports')) setDefault(port, 'protocol', 'TCP')
  },
  validate: validateEndpoints,
  cells,
}

function subsetAddresses(subset: unknown): string[] {
  const ips = list(subset, 'addresses').map((a) => text(a, 'ip'))
  const ports = list(subset, 'ports')
  if (ports.length === 0) return ips
  return ports.flatMap((p) => ips.map((ip) => `${ip.includes(':') ? `[${ip}]` : ip}:${text(p, 'port')}`))
}
