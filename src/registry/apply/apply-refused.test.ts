import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configMaps, type Json, managerOfKind, services, widgets, WORKLOAD } from '../../../test/harness/apply-kinds.ts'
import { configMap, refusal, service, type Step, widget } from '../../../test/harness/apply-steps.ts'
import { FieldManager } from './field-manager.ts'

const conflicts: readonly {
  name: string
  manager: FieldManager
  steps: readonly Step[]
  message: string
  fields: string[]
}[] = [
  {
    name: 'one field of an updater',
    manager: configMaps,
    steps: [
      { by: 'u', config: configMap({ a: '1' }), update: true },
      { by: 'm', config: configMap({ a: '2' }) },
    ],
    message: 'Apply failed with 1 conflict: conflict with "u" using v1: .data.a',
    fields: ['.data.a'],
  },
  {
    name: 'several fields of one applier, members first',
    manager: services,
    steps: [
      { by: 'a', config: service({ selector: { a: 'b' }, ports: [{ port: 443, name: 's' }] }) },
      { by: 'm', config: service({ selector: { a: 'c' }, ports: [{ port: 443, name: 's2' }] }) },
    ],
    message:
      'Apply failed with 2 conflicts: conflicts with "a":\n- .spec.selector\n- .spec.ports[port=443,protocol="TCP"].name',
    fields: ['.spec.selector', '.spec.ports[port=443,protocol="TCP"].name'],
  },
  {
    name: 'several managers are sorted',
    manager: configMaps,
    steps: [
      { by: 'z', config: configMap({ a: '1' }, { labels: { l: '1' } }) },
      { by: 'b', config: configMap({ a: '1', c: '1' }) },
      { by: 'u', config: configMap({ a: '1', c: '1', d: '1' }, { labels: { l: '1' } }), update: true },
      { by: 'm', config: configMap({ a: '2', d: '2' }) },
    ],
    message:
      'Apply failed with 3 conflicts: conflicts with "b":\n- .data.a\nconflicts with "u" using v1:\n- .data.d\nconflicts with "z":\n- .data.a',
    fields: ['.data.a', '.data.d', '.data.a'],
  },
]
for (const { name, manager, steps, message, fields } of conflicts) {
  test(`apply is refused for conflicts: ${name}`, () => {
    const error = refusal(manager, steps)
    assert.equal(error.code, 409)
    assert.equal(error.reason, 'Conflict')
    assert.equal(error.message, message)
    const { causes } = error.details!
    assert.deepEqual(
      causes?.map(({ field }) => field),
      fields,
    )
    assert.ok(causes?.every((cause) => cause.reason === 'FieldManagerConflict'))
    assert.match(causes![0]!.message!, /^conflict with "\w+"( using v1)?$/)
  })
}

test('apply is refused for conflicts: the subresource of the other is named', () => {
  const status = managerOfKind(WORKLOAD.apiVersion, WORKLOAD.kind, { subresource: 'status' })
  const body = (replicas: number): Json => ({ ...WORKLOAD, metadata: { name: 'a' }, status: { replicas } })
  const error = refusal(status, [
    { by: 'u', config: body(1), update: true },
    { by: 'm', config: body(2) },
  ])
  assert.equal(
    error.message,
    'Apply failed with 1 conflict: conflict with "u" with subresource "status" using test.example.com/v1: .status.replicas',
  )
})

const typed = (name: string, problem: string): string => `failed to create typed patch object (/b; ${name}): ${problem}`
const ofConfigMap = (problem: string): string => typed('/v1, Kind=ConfigMap', problem)
const ofService = (problem: string): string => typed('/v1, Kind=Service', problem)
const refusals: readonly { name: string; manager: FieldManager; config: Json; code: number; message: string }[] = [
  {
    name: 'another kind',
    manager: configMaps,
    config: { ...configMap({}), kind: 'Secret' },
    code: 400,
    message: 'invalid object type: /v1, Kind=Secret',
  },
  {
    name: 'another version',
    manager: configMaps,
    config: { ...configMap({}), apiVersion: 'apps/v1' },
    code: 400,
    message: 'invalid object type: apps/v1, Kind=ConfigMap',
  },
  {
    name: 'managers of its own',
    manager: configMaps,
    config: configMap({}, { managedFields: [] }),
    code: 400,
    message: 'metadata.managedFields must be nil',
  },
  {
    name: 'no map',
    manager: configMaps,
    config: configMap('x'),
    code: 500,
    message: ofConfigMap('.data: expected map, got &{x}'),
  },
  {
    name: 'a list for a map',
    manager: configMaps,
    config: configMap(['x', 1]),
    code: 500,
    message: ofConfigMap('.data: expected map, got &{[x 1]}'),
  },
  {
    name: 'a number for a text',
    manager: configMaps,
    config: configMap({ x: 1 }),
    code: 500,
    message: ofConfigMap('.data.x: expected string, got &value.valueUnstructured{Value:1}'),
  },
  {
    name: 'a map for a text',
    manager: configMaps,
    config: configMap({ x: { y: '1' } }),
    code: 500,
    message: ofConfigMap(
      '.data.x: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"y":"1"}}',
    ),
  },
  {
    name: 'a text for a flag',
    manager: configMaps,
    config: { ...configMap({}), immutable: 'x' },
    code: 500,
    message: ofConfigMap('.immutable: expected boolean, got &{x}'),
  },
  {
    name: 'an unknown field',
    manager: configMaps,
    config: { ...configMap({}), foo: 1, bar: 1 },
    code: 500,
    message: ofConfigMap('.foo: field not declared in schema'),
  },
  {
    name: 'a name of the language',
    manager: configMaps,
    config: JSON.parse('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"__proto__":{"x":1}}') as Json,
    code: 500,
    message: ofConfigMap('.__proto__: field not declared in schema'),
  },
  {
    name: 'an item twice in a set',
    manager: configMaps,
    config: configMap(undefined, { finalizers: ['f/x', 'f/x'] }),
    code: 500,
    message: ofConfigMap('.metadata.finalizers: duplicate entries for key [="f/x"]'),
  },
  {
    name: 'a number in a set of texts',
    manager: configMaps,
    config: configMap(undefined, { finalizers: [1] }),
    code: 500,
    message: ofConfigMap('.metadata.finalizers[=1]: expected string, got &value.valueUnstructured{Value:1}'),
  },
  {
    name: 'a map in a set',
    manager: configMaps,
    config: configMap(undefined, { finalizers: [{ a: 1 }] }),
    code: 500,
    message: ofConfigMap(
      ".metadata.finalizers: element 0: associative list without keys has an element that's a map type",
    ),
  },
  {
    name: 'a null in a set',
    manager: configMaps,
    config: configMap(undefined, { finalizers: [null] }),
    code: 500,
    message: ofConfigMap(
      ".metadata.finalizers: element 0: associative list without keys has an element that's an explicit null",
    ),
  },
  {
    name: 'a null in a list map',
    manager: configMaps,
    config: configMap(undefined, { ownerReferences: [null] }),
    code: 500,
    message: ofConfigMap(
      '.metadata.ownerReferences: element 0: associative list with keys may not have a null element',
    ),
  },
  {
    name: 'keys twice, one by default',
    manager: services,
    config: service({ ports: [{ port: 443, protocol: 'TCP' }, { port: 443 }] }),
    code: 500,
    message: ofService('.spec.ports: duplicate entries for key [port=443,protocol="TCP"]'),
  },
  {
    name: 'a key that is left out is the zero value',
    manager: services,
    config: service({ ports: [{ name: 'a' }, { name: 'b' }] }),
    code: 500,
    message: ofService('.spec.ports: duplicate entries for key [port=0,protocol="TCP"]'),
  },
  {
    name: 'a text in a list map',
    manager: services,
    config: service({ ports: ['x'] }),
    code: 500,
    message: ofService('.spec.ports: element 0: associative list with keys may not have non-map elements'),
  },
  {
    name: 'a map for a list',
    manager: services,
    config: service({ ports: { a: 1 } }),
    code: 500,
    message: ofService('.spec.ports: expected list, got &{map[a:1]}'),
  },
  {
    name: 'several problems',
    manager: services,
    config: service({ clusterIP: 1, ports: [{ port: 'x', foo: 1 }], type: 3 }),
    code: 500,
    message: ofService(
      'errors:\n  .spec.clusterIP: expected string, got &value.valueUnstructured{Value:1}\n  .spec.ports[port="x",protocol="TCP"].port: expected numeric (int or float), got string\n  .spec.ports[port="x",protocol="TCP"].foo: field not declared in schema\n  .spec.type: expected string, got &value.valueUnstructured{Value:3}',
    ),
  },
  {
    name: 'a key without a default',
    manager: widgets,
    config: widget({ l: [{ j: '1' }] }),
    code: 500,
    message: typed(
      'test.example.com/v1, Kind=Widget',
      '.spec.l: element 0: associative list with keys has an element that omits key field "k" (and doesn\'t have default value)',
    ),
  },
]
for (const { name, manager, config, code, message } of refusals) {
  test(`apply is refused: ${name}`, () => {
    const error = refusal(manager, [{ by: 'm', config }])
    assert.equal(error.message, message)
    assert.equal(error.code, code)
    assert.equal(error.reason, code === 400 ? 'BadRequest' : '')
  })
}
