import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompiledTypes, type TableFile } from '../../api/schema/type-table.ts'
import { applyStrategicMergePatch } from './strategic-merge.ts'

const table: TableFile = {
  source: 'test',
  package: 'test',
  model: 'test',
  go: 'v1',
  group: '',
  version: 'v1',
  types: {
    Thing: {
      fields: [
        ['ports', '[]Port', 1, { patch: 'merge', merge: 'port' }],
        ['plain', '[]Port', 2],
        ['finalizers', '[]string', 3, { patch: 'merge' }],
        ['labels', 'map[string]string', 4],
        ['union', 'Union', 5, { patch: 'retainKeys' }],
        ['nested', 'Thing', 6, { p: 1 }],
        ['whole', 'Union', 7, { patch: 'replace' }],
      ],
    },
    Port: {
      fields: [
        ['port', 'int32', 1],
        ['name', 'string', 2],
      ],
    },
    Union: {
      fields: [
        ['type', 'string', 1],
        ['a', 'string', 2],
        ['b', 'string', 3],
      ],
    },
  },
}
const thing = new CompiledTypes(table, () => undefined).type('Thing')!
const p = (port: number, name?: string): Record<string, unknown> => (name === undefined ? { port } : { port, name })

type Json = Record<string, unknown>
const cases: readonly { name: string; document: Json; patch: Json; want: Json }[] = [
  {
    name: 'list items merge by key, new ones come first',
    document: { ports: [p(1, 'a'), p(2)] },
    patch: { ports: [p(3), p(1, 'b')] },
    want: { ports: [p(3), p(1, 'b'), p(2)] },
  },
  {
    name: 'a list without a strategy is replaced',
    document: { plain: [p(1), p(2)] },
    patch: { plain: [p(3)] },
    want: { plain: [p(3)] },
  },
  {
    name: 'scalars merge as a set',
    document: { finalizers: ['a', 'b'] },
    patch: { finalizers: ['c', 'a'] },
    want: { finalizers: ['c', 'a', 'b'] },
  },
  {
    name: 'null deletes',
    document: { labels: { a: '1', b: '2' } },
    patch: { labels: { a: null } },
    want: { labels: { b: '2' } },
  },
  {
    name: 'an item is deleted by its key',
    document: { ports: [p(1), p(2)] },
    patch: { ports: [{ $patch: 'delete', port: 1 }] },
    want: { ports: [p(2)] },
  },
  {
    name: 'a list is replaced on request',
    document: { ports: [p(1), p(2)] },
    patch: { ports: [{ $patch: 'replace' }, p(9)] },
    want: { ports: [p(9)] },
  },
  {
    name: 'a map is replaced on request',
    document: { labels: { a: '1' } },
    patch: { labels: { $patch: 'replace', b: '2' } },
    want: { labels: { b: '2' } },
  },
  {
    name: 'a map is emptied on request',
    document: { labels: { a: '1' } },
    patch: { labels: { $patch: 'delete' } },
    want: { labels: {} },
  },
  {
    name: 'scalars are removed from a list',
    document: { finalizers: ['a', 'b'] },
    patch: { '$deleteFromPrimitiveList/finalizers': ['a'] },
    want: { finalizers: ['b'] },
  },
  {
    name: 'the order is set',
    document: { ports: [p(1), p(2), p(3)] },
    patch: { '$setElementOrder/ports': [p(3), p(1)] },
    want: { ports: [p(2), p(3), p(1)] },
  },
  {
    name: 'the order is set while items change',
    document: { ports: [p(1), p(2)] },
    patch: { '$setElementOrder/ports': [p(4), p(2)], ports: [p(4), { $patch: 'delete', port: 1 }] },
    want: { ports: [p(4), p(2)] },
  },
  {
    name: 'order and removal of scalars together',
    document: { finalizers: ['a', 'b', 'c'] },
    patch: {
      '$setElementOrder/finalizers': ['c', 'd'],
      finalizers: ['d'],
      '$deleteFromPrimitiveList/finalizers': ['a'],
    },
    want: { finalizers: ['b', 'c', 'd'] },
  },
  {
    name: '$retainKeys drops the others',
    document: { union: { type: 'A', a: '1' } },
    patch: { union: { $retainKeys: ['type', 'b'], type: 'B', b: '2' } },
    want: { union: { type: 'B', b: '2' } },
  },
  {
    name: 'directives are dropped where nothing was',
    document: {},
    patch: { ports: [{ $patch: 'delete', port: 1 }, p(2)], labels: { a: null, b: '1' } },
    want: { ports: [p(2)], labels: { b: '1' } },
  },
  {
    name: 'an unknown field is merged like JSON',
    document: { odd: { a: 1 } },
    patch: { odd: { b: 2 }, list: [1] },
    want: { odd: { a: 1, b: 2 }, list: [1] },
  },
  {
    name: 'a replaced struct',
    document: { whole: { type: 'x', a: '1' } },
    patch: { whole: { b: '2' } },
    want: { whole: { b: '2' } },
  },
  {
    name: 'deeper levels',
    document: { nested: { ports: [p(1)] } },
    patch: { nested: { ports: [p(1, 'n')] } },
    want: { nested: { ports: [p(1, 'n')] } },
  },
  { name: 'another shape is taken as it is', document: { ports: [p(1)] }, patch: { ports: 'x' }, want: { ports: 'x' } },
]
for (const { name, document, patch, want } of cases) {
  test(`applyStrategicMergePatch: ${name}`, () => {
    const before = structuredClone([document, patch])
    assert.deepEqual(applyStrategicMergePatch(thing, document, patch), want)
    assert.deepEqual([document, patch], before, 'neither document nor patch may change')
  })
}

const errors: readonly { patch: Json; message: string | RegExp }[] = [
  { patch: { ports: [{ name: 'x' }] }, message: 'map: map[name:x] does not contain declared merge key: port' },
  {
    patch: { ports: [{ port: 1, $patch: 'frob' }] },
    message: 'unknown patch type: frob in map: map[$patch:frob port:1]',
  },
  { patch: { $patch: 'frob' }, message: 'unknown patch type: frob in map: map[$patch:frob]' },
  { patch: { union: { $retainKeys: ['a'], b: '1' } }, message: 'invalid patch format of retainKeys' },
  { patch: { ports: [p(2), p(1)], '$setElementOrder/ports': [p(1), p(2)] }, message: /^The order in patch list/ },
]
for (const { patch, message } of errors) {
  test(`applyStrategicMergePatch refuses ${JSON.stringify(patch)}`, () => {
    assert.throws(() => applyStrategicMergePatch(thing, { ports: [p(1)], union: { type: 'A' } }, patch), {
      kind: 'rejected',
      message,
    })
  })
}
