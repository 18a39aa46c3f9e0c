/** ServiceAccount: of the secrets that it names only the names are kept: they are in its namespace. */
import type { KubeObject } from '../../../api/meta.ts'
import type { BuiltinKind } from '../builtin-kind.ts'

interface ServiceAccountObject extends KubeObject {
  secrets?: readonly { readonly name?: string }[]
}

export const serviceAccount: BuiltinKind = {
  strategy: {
    returnsDeletedObject: true,
    prepare: (_w, obj: ServiceAccountObject) => {
      if (obj.secrets) obj.secrets = obj.secrets.map(({ name }) => (name === undefined ? {} : { name }))
    },
  },
}
