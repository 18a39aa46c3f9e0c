import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompiledTypes, type TableFile } from '../schema/type-table.ts'
import type { MergeShape } from './merge-shape.ts'
import { TableShapes } from './table-shapes.ts'

const file: TableFile = {
  source: 'test',
  package: 'test',
  model: 'test',
  go: 'v1',
  group: '',
  version: 'v1',
  types: {
    Thing: {
      fields: [
        ['text', 'string', 1, { a: 1 }],
        ['number', 'int64', 2, { a: 1 }],
        ['flag', 'bool', 3],
        ['size', 'quantity', 4],
        ['whole', 'raw', 5],
        ['plainList', '[]Item', 6],
        ['typedMap', '[]Item', 7, { list: 'map', keys: ['port', 'protocol'], patch: 'merge', merge: 'port' }],
        ['patchMap', '[]Item', 8, { patch: 'merge,retainKeys', merge: 'name' }],
        ['patchSet', '[]string', 9, { patch: 'merge' }],
        ['atomicInSpiteOfPatch', '[]Item', 10, { list: 'atomic', patch: 'merge', merge: 'name' }],
        ['retainKeys', '[]Item', 11, { patch: 'retainKeys' }],
        ['map', 'map[string]string', 12],
        ['atomicMap', 'map[string]string', 13, { map: 'atomic' }],
        ['listsByName', 'map[string][]string', 14],
        ['pointer', 'Thing', 15, { p: 1, a: 1 }],
        ['struct', 'Whole', 16, { a: 1 }],
        ['atomicField', 'Item', 17, { map: 'atomic' }],
        ['granularField', 'Item', 18],
      ],
    },
    Whole: { map: 'atomic', fields: [['a', 'string', 1]] },
    Item: {
      fields: [
        ['name', 'string', 1, { a: 1 }],
        ['port', 'int32', 2, { a: 1 }],
        ['protocol', 'string', 3, { def: 'TCP' }],
        ['zone', 'string', 4],
      ],
    },
  },
}
const type = new CompiledTypes(file, () => undefined).type('Thing')!
const shapes = new TableShapes()

function short(shape: MergeShape | undefined): string {
  if (!shape) return 'none'
  if (shape.kind === 'scalar') return shape.type
  if (shape.kind === 'deduced') return 'deduced'
  if (shape.kind === 'map') return shape.atomic ? 'atomic map' : 'map'
  const keys = shape.keys.map(({ name, default: standIn }) => `${name}=${JSON.stringify(standIn)}`)
  return [shape.relation, 'of', short(shape.item), ...keys].join(' ')
}

const members: Readonly<Record<string, string>> = {
  text: 'string',
  number: 'numeric',
  flag: 'boolean',
  size: 'untyped',
  whole: 'untyped',
  plainList: 'atomic of map',
  typedMap: 'map of map port=0 protocol="TCP"',
  patchMap: 'map of map name=""',
  patchSet: 'set of string',
  atomicInSpiteOfPatch: 'atomic of map',
  retainKeys: 'atomic of map',
  map: 'map',
  atomicMap: 'atomic map',
  pointer: 'map',
  struct: 'atomic map',
  atomicField: 'atomic map',
  granularField: 'map',
  unknown: 'none',
  apiVersion: 'none',
}
for (const [name, want] of Object.entries(members)) {
  test(`TableShapes: ${name} is ${want}`, () => {
    const shape = shapes.of(type)
    assert.equal(shape.kind === 'map' && short(shape.member(name)), want)
  })
}

test('TableShapes: a kind has apiVersion and kind, a type of its own has not', () => {
  const kind = shapes.kind(type)
  assert.ok(kind.kind === 'map')
  assert.equal(short(kind.member('apiVersion')), 'string')
  assert.ok(kind.isField('kind'))
  assert.ok(kind.isField('text'))
})

test('TableShapes: zero values of fields that are always there', () => {
  const shape = shapes.of(type)
  assert.deepEqual(shape.kind === 'map' && Object.fromEntries(shape.present), {
    text: '',
    number: 0,
    pointer: null,
    struct: {},
  })
})

test('TableShapes: keys of a map are no fields; its values have one shape', () => {
  const shape = shapes.of(type)
  const lists = shape.kind === 'map' ? shape.member('listsByName') : undefined
  assert.ok(lists?.kind === 'map')
  assert.equal(lists.isField('a'), false)
  assert.equal(short(lists.member('a')), 'atomic of string')
})

test('TableShapes: each type has one shape, also where types refer to themselves', () => {
  const shape = shapes.of(type)
  assert.equal(shape, shapes.of(type))
  assert.equal(shape.kind === 'map' && shape.member('pointer'), shape)
})
