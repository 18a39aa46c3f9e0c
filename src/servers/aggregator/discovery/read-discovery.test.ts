import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readAggregated, readResourceList } from './read-discovery.ts'

const FLOWERS = { resource: 'flowers', scope: 'Namespaced', singularResource: 'flower', verbs: ['get', 'list'] }
const EMPTY_KIND = { group: '', version: '', kind: '' }
const document = (resources: unknown): string =>
  JSON.stringify({
    items: [
      { metadata: { name: 'bad.example.com' }, versions: [{ version: 'v1', resources }] },
      { metadata: { name: 'good.example.com' }, versions: [{ version: 'v1', resources: [FLOWERS] }] },
    ],
  })

for (const { name, resources } of [
  { name: 'resources that are no list', resources: 'flowers' },
  { name: 'a resource that is null', resources: [null] },
  { name: 'a resource without a name', resources: [{ ...FLOWERS, resource: undefined }] },
  { name: 'verbs that are no list', resources: [{ ...FLOWERS, verbs: 'get' }] },
  { name: 'a verb that is no text', resources: [{ ...FLOWERS, verbs: [1] }] },
  { name: 'subresources of the wrong type', resources: [{ ...FLOWERS, subresources: [{ subresource: {} }] }] },
]) {
  test(`discovery of a backend: ${name} spoil that version alone`, () => {
    assert.deepEqual([...readAggregated(document(resources)).keys()], ['good.example.com/v1'])
  })
}

test('discovery of a backend: null lists are empty, a missing kind is an empty one, unknown fields go', () => {
  const read = readAggregated(document([{ ...FLOWERS, verbs: null, shortNames: null, made: 'up' }]))
  const expected = { ...FLOWERS, verbs: [], responseKind: EMPTY_KIND }
  assert.deepEqual(read.get('bad.example.com/v1'), [expected])
  assert.equal(readAggregated('{"items":null}').size, 0)
  assert.equal(readAggregated('{"items":[{"metadata":{"name":"g"},"versions":null},{"versions":5},null]}').size, 0)
})

test('discovery of a backend: names of built-in properties are names', () => {
  const text = '{"resources":[{"name":"__proto__","kind":"P","verbs":["get"],"__proto__":{"namespaced":true}}]}'
  const [resource] = readResourceList(text, 'g', 'v1').resources
  assert.equal(resource?.resource, '__proto__')
  assert.equal(resource?.scope, 'Cluster')
})

for (const text of [
  'null',
  '[]',
  '{"resources":{}}',
  '{"resources":[{"name":5}]}',
  '{"resources":[{"name":"a","verbs":{}}]}',
]) {
  test(`discovery of a backend: the legacy document ${text} is none`, () => {
    assert.throws(() => readResourceList(text, 'g', 'v1'), TypeError)
  })
}
