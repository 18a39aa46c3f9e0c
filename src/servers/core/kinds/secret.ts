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

export const secret: BuiltinKind = {
  defaults: (object) => setDefault(object as object as Fields, 'type', 'Opaque'),
  validate: validateSecret,
  strategy: {
    prepare: (_w, obj: SecretObject, old?: SecretObject) => {
      if (obj.stringData) {
        const encoded = Object.entries(obj.stringData).map(([k, v]) => [k, Buffer.from(v).toString('base64')])
        obj.data = { ...obj.data, ...Object.fromEntries(encoded) }
        delete obj.stringData
      }
      if ((obj.type ?? '') === '') obj.type = old?.type ?? 'Opaque'
    },
  },
}
