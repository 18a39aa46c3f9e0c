/** A resource for tests of what serves any: `things` of group `test`, with `data` as a ConfigMap has it. */
import type { KindVersion } from '../../src/api/kinds/kind-version.ts'
import { tableKind } from '../../src/api/kinds/table-kind.ts'
import { TableShapes } from '../../src/api/kinds/table-shapes.ts'
import type { KubeObject } from '../../src/api/meta.ts'
import { metaType, metaTypes } from '../../src/api/schema/meta-types.ts'
import { CompiledTypes, type TypeTable } from '../../src/api/schema/type-table.ts'
import type { Resource } from '../../src/registry/resource.ts'

export interface Thing extends KubeObject {
  data?: Record<string, string>
}

const types = new CompiledTypes(
  {
    source: 'test',
    package: 'test',
    model: 'test.v1',
    go: 'v1',
    group: 'test',
    version: 'v1',
    types: {
      Thing: {
        fields: [
          ['metadata', 'meta.ObjectMeta', 1, { a: 1 }],
          ['data', 'map[string]string', 2],
        ],
      },
    },
  },
  (pkg, name) => (pkg === 'meta' ? metaType(name) : undefined),
)
export const THINGS: Resource = {
  group: 'test',
  version: 'v1',
  kind: 'Thing',
  resource: 'things',
  singular: 'thing',
  namespaced: true,
  storagePrefix: '/registry/things',
  selectableFields: [],
  coreFinalizers: false,
}
/** All that objects of the test are known by. */
export const THING_TYPES: TypeTable = {
  byModel: (model) => types.byModel(model) ?? metaTypes().byModel(model),
  byKind: (apiVersion, kind) => types.type(kind) ?? metaTypes().byKind(apiVersion, kind),
}
export const THING_SHAPES = new TableShapes()
export const THING_FORM: KindVersion = tableKind({
  group: 'test',
  version: 'v1',
  kind: 'Thing',
  type: types.type('Thing')!,
  types: THING_TYPES,
  shapes: THING_SHAPES,
})
