import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fc } from '../../../test/harness/property.ts'
import type { KubeObject } from '../meta.ts'
import { metaTypes } from '../schema/meta-types.ts'
import { CompiledTypes, type TableFile, type TypeTable } from '../schema/type-table.ts'
import {
  conform,
  DecodeError,
  decodeBody,
  decodeProtobuf,
  decodeUntyped,
  type Encoding,
  encodeJson,
  encodeProtobuf,
  encodeYaml,
  strictDecodingMessage,
} from './codec.ts'
import { encodeMessage } from './protobuf-encode.ts'
import { listEnvelope, listItemLead, unwrapProtobuf } from './protobuf-envelope.ts'
import { ProtobufReader } from './protobuf-wire.ts'

const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
const types = coreTypes()
const configMap = { apiVersion: 'v1', kind: 'ConfigMap' }
const bytes = (text: string): Buffer => Buffer.from(text)
const json = (value: unknown): Buffer => bytes(JSON.stringify(value))

/** The tables of two groups, read as they are committed; the loader itself belongs to the core server. */
function coreTypes(): TypeTable {
  const load = (
    name: string,
    foreign: (pkg: string, type: string) => ReturnType<CompiledTypes['type']>,
  ): CompiledTypes => new CompiledTypes(read(`../../servers/core/tables/types/${name}.json`) as TableFile, foreign)
  const meta = (type: string): ReturnType<CompiledTypes['type']> =>
    metaTypes().byModel(`io.k8s.apimachinery.pkg.apis.meta.v1.${type}`)
  const core = load('core.v1', (_, type) => meta(type))
  const events = load('events.k8s.io.v1', (pkg, type) => (pkg === 'core' ? core.type(type) : meta(type)))
  const all = [core, events]
  return {
    byModel: (model) => all.map((t) => t.byModel(model)).find(Boolean) ?? metaTypes().byModel(model),
    byKind: (apiVersion, kind) =>
      all.find((t) => t.apiVersion === apiVersion)?.type(kind) ?? metaTypes().byKind(apiVersion, kind),
  }
}

const { objects } = read('../../../fixtures/recorded/codec/objects.json') as {
  objects: { name: string; json: Required<KubeObject>; protobuf: string }[]
}
for (const { name, json: object, protobuf } of objects) {
  const model = types.byKind(object.apiVersion, object.kind)!
  test(`codec: a recorded ${name} reads the same from protobuf as from JSON`, () => {
    assert.equal(encodeJson(decodeProtobuf(types, Buffer.from(protobuf, 'base64'))), encodeJson(object))
    assert.equal(encodeJson(conform(model, object)), encodeJson(object))
  })
  test(`codec: a recorded ${name} is written to the same protobuf bytes`, () => {
    assert.equal(Buffer.from(encodeProtobuf(types, model.model, object)).toString('base64'), protobuf)
  })
}

const { bodies } = read('../../../fixtures/recorded/codec/bodies.json') as {
  bodies: { name: string; type: Encoding; body: string; message?: string }[]
}
for (const { name, type, body, message } of bodies) {
  test(`decodeBody: ${name}`, () => {
    const decode = (): unknown => decodeBody(Buffer.from(body, 'latin1'), type, types, configMap)
    if (message === undefined) assert.doesNotThrow(decode)
    // The words of the YAML parser are its own; the rest of the sentence is not.
    else if (type === 'yaml')
      assert.throws(decode, {
        message: /^the object provided is unrecognized \(must be of type ConfigMap\): yaml: line 1: .* \(613a205b\)$/,
      })
    else assert.throws(decode, { name: 'DecodeError', message })
  })
}

test('decodeBody: strict problems come in the order of the document', () => {
  const body =
    '{"metadata":{"name":"x","bogus":1},"dta":{},"data":{"a":"1","b":"2","a":"3"},"metadata":{"name":"y","more":1}}'
  const { object, problems } = decodeBody(bytes(body), 'json', types, configMap)
  assert.deepEqual(problems, [
    'unknown field "metadata.more"',
    'unknown field "dta"',
    'duplicate field "data.a"',
    'duplicate field "metadata"',
  ])
  assert.equal(
    encodeJson(object),
    '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"y"},"data":{"a":"3","b":"2"}}',
  )
  assert.equal(
    strictDecodingMessage('ConfigMap', 'v1', 'ConfigMap', problems.slice(0, 1)),
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "metadata.more"',
  )
})

test('decodeBody: problems inside lists carry the index', () => {
  const body = json({ ...configMap, kind: 'Service', spec: { ports: [{ port: 1 }, { port: 2, prot: 'x' }] } })
  assert.deepEqual(decodeBody(body, 'json', types, { apiVersion: 'v1', kind: 'Service' }).problems, [
    'unknown field "spec.ports[1].prot"',
  ])
})

test('decodeBody: YAML reports repeated keys with their line', () => {
  const body = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fy}\ndta: {}\ndata: {a: b, a: c}\n'
  const { problems, object } = decodeBody(bytes(body), 'yaml', types, configMap)
  assert.deepEqual(problems, ['yaml: unmarshal errors:\n  line 5: key "a" already set in map', 'unknown field "dta"'])
  assert.deepEqual(Reflect.get(object, 'data'), { a: 'c' })
})

const mismatches: readonly [unknown, string][] = [
  [{ data: { a: 1 } }, 'json: cannot unmarshal number into Go struct field ConfigMap.data of type string'],
  [{ binaryData: { a: '***' } }, 'illegal base64 data at input byte 0'],
  [{ immutable: 'x' }, 'json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool'],
  [
    { metadata: { generation: 1.5 } },
    'json: cannot unmarshal number 1.5 into Go struct field ObjectMeta.metadata.generation of type int64',
  ],
  [
    { metadata: { creationTimestamp: 'x' } },
    'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
  ],
  [{ metadata: [] }, 'json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta'],
]
for (const [fields, detail] of mismatches) {
  test(`decodeBody refuses ${JSON.stringify(fields)}`, () => {
    const decode = (): unknown => decodeBody(json({ ...configMap, ...(fields as object) }), 'json', types, configMap)
    assert.throws(decode, { detail, message: `ConfigMap in version "v1" cannot be handled as a ConfigMap: ${detail}` })
  })
}

test('decodeBody: a float literal is no integer, even an integral one', () => {
  assert.throws(() => decodeBody(bytes('{"metadata":{"generation":1.0}}'), 'json', types, configMap), {
    detail: 'json: cannot unmarshal number 1.0 into Go struct field ObjectMeta.metadata.generation of type int64',
  })
})

test('decodeBody: the form is that of Go: nulls and empty values go, times are UTC, plain structs stay', () => {
  const body = json({
    kind: 'Service',
    metadata: { name: '', labels: {}, annotations: null, creationTimestamp: '2026-01-02T03:04:05.5+01:00' },
    spec: { ports: [{ port: 80 }], clusterIP: '', loadBalancerClass: '' },
  })
  const { object } = decodeBody(body, 'json', types, { apiVersion: 'v1', kind: 'Service' })
  assert.equal(
    encodeJson(object),
    '{"kind":"Service","apiVersion":"v1","metadata":{"creationTimestamp":"2026-01-02T02:04:05Z"},"spec":{"ports":[{"port":80,"targetPort":0}],"loadBalancerClass":""},"status":{"loadBalancer":{}}}',
  )
})

test('decodeBody: integers of 64 bits survive every encoding', () => {
  const { object } = decodeBody(
    bytes('{"metadata":{"generation":9007199254740993,"deletionGracePeriodSeconds":-9223372036854775808}}'),
    'json',
    types,
    configMap,
  )
  assert.equal(object.metadata.generation as unknown, 9007199254740993n)
  const model = types.byKind('v1', 'ConfigMap')!.model
  assert.deepEqual(decodeProtobuf(types, encodeProtobuf(types, model, object)), object)
  assert.deepEqual(decodeBody(bytes(encodeYaml(object)), 'yaml', types, configMap).object, object)
  assert.match(encodeJson(object), /"generation":9007199254740993,"deletionGracePeriodSeconds":-9223372036854775808/)
})

test('decodeBody: nesting that the server cannot walk is refused, not a crash', () => {
  const deep = `${'{"a":'.repeat(9900)}1${'}'.repeat(9900)}`
  const body = bytes(`{"metadata":{"managedFields":[{"fieldsV1":${deep}}]}}`)
  assert.throws(() => decodeBody(body, 'json', types, configMap), { name: 'DecodeError', detail: 'exceeded max depth' })
})

test('decodeBody: __proto__ is a key like any other', () => {
  const { object } = decodeBody(
    bytes('{"metadata":{"labels":{"__proto__":"x"}},"__proto__":{"a":1}}'),
    'json',
    types,
    configMap,
  )
  assert.equal(encodeJson(object), '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"labels":{"__proto__":"x"}}}')
  assert.equal(Reflect.get({}, 'a'), undefined)
})

test('decodeUntyped: floats are plain numbers, duplicates are reported by object', () => {
  const { value, duplicates } = decodeUntyped(bytes('{"spec":{"n":2.0,"n":3.0}}'), 'json', 'Widget')
  assert.deepEqual(value, { spec: { n: 3 } })
  assert.deepEqual([...duplicates!.values()], [[{ key: 'n', at: 1 }]])
})

const crd = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' }
const crdWith = (schema: object): object => ({
  ...crd,
  metadata: { name: 'a.b.c' },
  spec: {
    group: 'b.c',
    names: { plural: 'a', kind: 'A' },
    scope: 'Namespaced',
    versions: [
      { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema }, subresources: { status: {} } },
    ],
  },
  status: { conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: null },
})

test('codec: a CustomResourceDefinition survives JSON and protobuf, with schemas that may be something else', () => {
  const schema = {
    $ref: '#/a',
    type: 'object',
    default: { n: 1.5 },
    maximum: 3,
    enum: ['a', null, 1],
    items: { type: 'string' },
    properties: {
      list: { items: [{ type: 'string' }, { type: 'integer' }] },
      open: { additionalProperties: true },
      closed: { additionalProperties: false },
      map: { additionalProperties: { type: 'string' } },
    },
    dependencies: { a: ['b', 'c'], b: { type: 'string' } },
    'x-kubernetes-preserve-unknown-fields': true,
  }
  const given = crdWith(schema)
  const { object, problems } = decodeBody(json(given), 'json', metaTypes(), crd)
  assert.deepEqual(problems, [])
  assert.deepEqual(object, given)
  const { model } = metaTypes().byKind(crd.apiVersion, crd.kind)!
  assert.equal(encodeJson(decodeProtobuf(metaTypes(), encodeProtobuf(metaTypes(), model, object))), encodeJson(object))
})

test('decodeBody: strictness ends, as in Go, where a schema may be something else', () => {
  const body = json(crdWith({ properties: { a: { frob: 1, items: { frob: 2 } } } }))
  assert.deepEqual(decodeBody(body, 'json', metaTypes(), crd).problems, [
    'unknown field "spec.versions[0].schema.openAPIV3Schema.properties.a.frob"',
  ])
  const wrong = json(crdWith({ additionalProperties: 'x' }))
  assert.throws(() => decodeBody(wrong, 'json', metaTypes(), crd), { detail: 'boolean or JSON schema expected' })
})

test('protobuf: a list is joined from the messages of its items', () => {
  const type = types.byKind('v1', 'ConfigMap')!
  const items = ['a', 'b'].map((name) => encodeMessage(type, { metadata: { name } }))
  const listMeta = encodeMessage(types.byModel('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta')!, {
    resourceVersion: '5',
  })
  for (const value of ['', 'x'.repeat(200), 'x'.repeat(20_000)]) {
    const long = encodeMessage(type, { data: { value } })
    const parts = [...items, long].flatMap((item) => [Buffer.from(listItemLead(item.length), 'latin1'), item])
    const about = { apiVersion: 'v1', kind: 'ConfigMapList', listMeta }
    const { head, tail } = listEnvelope(about, Buffer.concat(parts).length)
    const list = unwrapProtobuf(Buffer.concat([head, ...parts, tail]))
    assert.deepEqual([list.apiVersion, list.kind], ['v1', 'ConfigMapList'])
    const reader = new ProtobufReader(list.raw)
    const fields: [number, Buffer][] = []
    while (!reader.done) fields.push([reader.tag().number, Buffer.from(reader.bytes())])
    assert.deepEqual(fields, [[1, Buffer.from(listMeta)], ...[...items, long].map((item) => [2, Buffer.from(item)])])
  }
})

test('protobuf: damaged bytes are refused with a DecodeError, never otherwise', () => {
  const whole = Buffer.from(objects[0]!.protobuf, 'base64')
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), fc.boolean(), (at, byte, cut) => {
      const damaged = Buffer.from(cut ? whole.subarray(0, at) : whole)
      if (!cut) damaged[at] = byte
      try {
        decodeBody(damaged, 'protobuf', types, configMap)
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error))
      }
    }),
    { numRuns: process.env['PORTICO_SOAK'] === '1' ? 100_000 : 1000 },
  )
})

test('codec: any ConfigMap survives JSON, YAML and protobuf', () => {
  const text = fc.string({ unit: 'binary' }).map((s) => s.toWellFormed())
  const key = fc.oneof(text, fc.constantFrom('__proto__', 'y', '1', 'a'))
  const object = fc.record({
    labels: fc.dictionary(key, text, { minKeys: 1 }),
    data: fc.dictionary(key, text, { minKeys: 1 }),
    bytes: fc.uint8Array(),
  })
  fc.assert(
    fc.property(object, (o) => {
      const given = {
        ...configMap,
        metadata: { labels: o.labels },
        data: o.data,
        binaryData: { b: Buffer.from(o.bytes).toString('base64') },
      }
      const first = decodeBody(json(given), 'json', types, configMap).object
      const model = types.byKind('v1', 'ConfigMap')!.model
      assert.equal(encodeJson(decodeProtobuf(types, encodeProtobuf(types, model, first))), encodeJson(first))
      assert.equal(encodeJson(decodeBody(bytes(encodeYaml(first)), 'yaml', types, configMap).object), encodeJson(first))
    }),
    { numRuns: process.env['PORTICO_SOAK'] === '1' ? 20_000 : 200 },
  )
})
