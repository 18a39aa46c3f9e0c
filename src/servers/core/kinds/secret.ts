/** Secret: stringData is written into data and never stored itself. */
import type { KubeObject } from '../../../api/meta.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { type Fields, setDefault } from '../defaults/defaulting.ts'
import { validateSecret } from '../validation/config-map.ts'

interface SecretObject extends KubeObject {
  data?: Record<string, string>
  stringData?: Record<string, string>
  type?: string
}

/** What is written as text belongs to whoever writes it as bytes: field managers see `data` alone. */
function fillDefaults(object: KubeObject): void {
  const o = object as SecretObject
  if (o.stringData) {
    const encoded = Object.entries(o.stringData).map(([k, v]) => [k, Buffer.from(v).toString('base64')])
    o.data = { ...o.data, ...Object.fromEntries(encoded) }
    delete o.stringData
  }
  setDefault(o as object as Fields, 'type', 'Opaque')
}

export const secret: BuiltinKind = {
  defaults: fillDefaults,
  validate: validateSecret,
  strategy: {
    prepare: (_w, obj: SecretObject, old?: SecretObject) => {
      if ((obj.type ?? '') === '') obj.type = old?.type ?? 'Opaque'
    },
  },
}
