import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { metaType, metaTypes } from '../../api/schema/meta-types.ts'
import { CompiledTypes, type TableFile } from '../../api/schema/type-table.ts'
import { inTurns } from '../../lib/next-turn.ts'
import { buildV2, buildV3 } from './build-documents.ts'
import type { DescribedGroupVersion } from './described-api.ts'
import { operationsOf } from './operations.ts'
import { eachReference } from './references.ts'
import type { Json } from './schemas.ts'

const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))

interface ResourceRow {
  resource: string
  kind: string
  namespaced: boolean
  verbs: string[]
  subresources?: { name: string; verbs: string[]; kind: string }[]
}
const index = read('../../servers/core/tables/index.json') as {
  groupVersions: { group: string; version: string; resources: ResourceRow[] }[]
}
function described(file: string): DescribedGroupVersion {
  const table = read(`../../servers/core/tables/types/${file}.json`) as TableFile
  const rows = index.groupVersions.find((gv) => gv.group === table.group && gv.version === table.version)!
  const types = new CompiledTypes(table, (_, name) => metaType(name))
  const resources = rows.resources.map((r) => ({
    ...r,
    type: types.type(r.kind)!,
    subresources: (r.subresources ?? []).map((s) => ({ ...s, type: types.type(s.kind)! })),
  }))
  return { group: table.group, version: table.version, resources }
}

const info = { title: 'test', version: 'v1.35.0' }
const core = described('core.v1')
const registration = described('apiregistration.k8s.io.v1')

interface RenderedOperation {
  operationId: string
  'x-kubernetes-action'?: string
  requestBody?: { content: Json }
  responses: Record<string, { content?: Json }>
  parameters?: { name: string }[]
}
const recorded = read('../../../fixtures/recorded/openapi/apiregistration-v1.json') as {
  schemas: string[]
  operations: Record<
    string,
    Record<
      string,
      { id: string; action?: string; consumes: string[]; produces: string[]; codes: string[]; params: string[] }
    >
  >
}
const v3 = buildV3(registration, info) as {
  paths: Record<string, Record<string, RenderedOperation>>
  components: { schemas: Json }
}

for (const [path, operations] of Object.entries(recorded.operations)) {
  for (const [method, want] of Object.entries(operations)) {
    test(`buildV3: ${method} ${path} is as kube-aggregator describes it`, () => {
      const operation = v3.paths[path]![method]!
      assert.equal(operation.operationId, want.id)
      assert.equal(operation['x-kubernetes-action'], want.action)
      assert.deepEqual(Object.keys(operation.requestBody?.content ?? {}), want.consumes)
      assert.deepEqual(Object.keys(operation.responses['200']!.content!), want.produces)
      assert.deepEqual(
        Object.keys(operation.responses).filter((code) => code < '300'),
        want.codes,
      )
      // The old watch paths list their parameters on the path there, on the operation here.
      if (!path.includes('/watch/'))
        assert.deepEqual(
          (operation.parameters ?? []).map((p) => p.name),
          want.params,
        )
    })
  }
}
test('buildV3: the paths and schemas are those of kube-aggregator', () => {
  assert.deepEqual(Object.keys(v3.paths).sort(), Object.keys(recorded.operations).sort())
  assert.deepEqual(Object.keys(v3.components.schemas), recorded.schemas)
})

test('operation ids name scope, kind and subresource', () => {
  const ids = new Set(operationsOf(core).map((o) => o.id))
  for (const id of [
    'listCoreV1ConfigMapForAllNamespaces',
    'listCoreV1NamespacedConfigMap',
    'createCoreV1NamespacedConfigMap',
    'deleteCoreV1CollectionNamespacedConfigMap',
    'readCoreV1NamespacedServiceStatus',
    'replaceCoreV1NamespaceFinalize',
    'watchCoreV1NamespacedConfigMap',
    'watchCoreV1NamespacedConfigMapList',
    'watchCoreV1ConfigMapListForAllNamespaces',
    'patchCoreV1Namespace',
  ])
    assert.ok(ids.has(id), id)
  assert.equal(ids.size, operationsOf(core).length, 'ids are unique')
})

test('schemas carry what merging needs', () => {
  const { schemas } = (
    buildV3(core, info) as { components: { schemas: Record<string, { properties: Record<string, Json> }> } }
  ).components
  const ports = schemas['io.k8s.api.core.v1.ServiceSpec']!.properties['ports']!
  assert.deepEqual(ports['x-kubernetes-list-map-keys'], ['port', 'protocol'])
  assert.equal(ports['x-kubernetes-list-type'], 'map')
  assert.equal(ports['x-kubernetes-patch-merge-key'], 'port')
  assert.equal(ports['x-kubernetes-patch-strategy'], 'merge')
  assert.deepEqual(Reflect.get(schemas['io.k8s.api.core.v1.ConfigMap']!, 'x-kubernetes-group-version-kind'), [
    { group: '', version: 'v1', kind: 'ConfigMap' },
  ])
})

for (const [name, document, prefix] of [
  ['buildV2', await inTurns(buildV2([core, registration], info)), '#/definitions/'],
  ['buildV3', buildV3(core, info), '#/components/schemas/'],
] as const) {
  test(`${name}: every reference has a target`, () => {
    const targets = (name === 'buildV2' ? document['definitions'] : (document['components'] as Json)['schemas']) as Json
    eachReference(document, (reference) => {
      assert.ok(reference.startsWith(prefix) && Object.hasOwn(targets, reference.slice(prefix.length)), reference)
    })
  })
}

test('schemas of CustomResourceDefinitions refer to themselves and to what may be something else', () => {
  const type = metaTypes().byKind('apiextensions.k8s.io/v1', 'CustomResourceDefinition')!
  const resource = { resource: 'customresourcedefinitions', kind: type.name, namespaced: false, verbs: ['get'], type }
  const document = buildV3({ group: 'apiextensions.k8s.io', version: 'v1', resources: [resource] }, info)
  const { schemas } = document['components'] as { schemas: Record<string, { properties: Record<string, Json> }> }
  const prefix = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1'
  const { properties } = schemas[`${prefix}.JSONSchemaProps`]!
  assert.deepEqual(properties['additionalProperties'], { $ref: `#/components/schemas/${prefix}.JSONSchemaPropsOrBool` })
  assert.deepEqual(properties['default'], { $ref: `#/components/schemas/${prefix}.JSON` })
  assert.deepEqual(schemas[`${prefix}.JSON`], {})
})
