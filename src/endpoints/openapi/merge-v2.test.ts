import assert from 'node:assert/strict'
import { test } from 'node:test'
import { convertV2ToV3 } from './convert-v2-to-v3.ts'
import { filterPaths, mergeV2 } from './merge-v2.ts'
import type { Json } from './schemas.ts'

const ref = (name: string): Json => ({ $ref: `#/definitions/${name}` })
const path = (model: string): Json => ({ get: { responses: { 200: { description: 'OK', schema: ref(model) } } } })
const gvk = (group: string): Json => ({ 'x-kubernetes-group-version-kind': [{ group, version: 'v1', kind: 'Thing' }] })
const a: Json = {
  swagger: '2.0',
  info: { title: 'a' },
  paths: { '/apis/a/v1/x': path('Thing'), '/apis/b/v1/y': path('Other'), '/version': path('Info') },
  definitions: {
    Thing: { type: 'object', ...gvk('a') },
    Other: { type: 'object', properties: { deep: ref('Deep') } },
    Deep: { type: 'string' },
    Info: { type: 'object' },
    Unused: { type: 'string' },
  },
}
const frozen = (value: Json): Json => {
  for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) frozen(child as Json)
  return Object.freeze(value)
}
frozen(a)

test('filterPaths: definitions go that only dropped paths led to, those never referred to stay', () => {
  const filtered = filterPaths(a, ['/apis/a/v1/'])
  assert.deepEqual(Object.keys(filtered['paths'] as Json), ['/apis/a/v1/x'])
  assert.deepEqual(Object.keys(filtered['definitions'] as Json), ['Thing', 'Unused'])
})

test('mergeV2: the first document wins a path and gives the title', () => {
  const b = frozen({
    swagger: '2.0',
    info: { title: 'b' },
    paths: { '/apis/a/v1/x': path('Mine'), '/apis/c/v1/z': path('Mine2') },
    definitions: { Mine: { type: 'number' }, Mine2: { type: 'number' } },
  })
  const merged = mergeV2([a, b])!
  assert.deepEqual(merged['info'], { title: 'a' })
  assert.deepEqual((merged['paths'] as Json)['/apis/a/v1/x'], path('Thing'))
  assert.ok(Object.hasOwn(merged['paths'] as Json, '/apis/c/v1/z'))
  assert.deepEqual(
    Object.keys(merged['definitions'] as Json).filter((n) => n.startsWith('Mine')),
    ['Mine2'],
    'what the lost path led to is gone',
  )
})

test('mergeV2: equal definitions are shared and know the kinds of both', () => {
  const b = frozen({
    paths: { '/apis/c/v1/z': path('Thing') },
    definitions: { Thing: { type: 'object', ...gvk('c') } },
  })
  const merged = mergeV2([a, b])!
  assert.deepEqual((merged['definitions'] as Record<string, Json>)['Thing'], {
    type: 'object',
    'x-kubernetes-group-version-kind': [
      ...(gvk('a')['x-kubernetes-group-version-kind'] as Json[]),
      ...(gvk('c')['x-kubernetes-group-version-kind'] as Json[]),
    ],
  })
})

test('mergeV2: different definitions of one name are renamed, references follow, equal ones of a third are reused', () => {
  const different = (at: string): Json =>
    frozen({ paths: { [at]: path('Thing') }, definitions: { Thing: { type: 'string' } } })
  const merged = mergeV2([a, different('/apis/c/v1/z'), different('/apis/d/v1/z')])!
  const paths = merged['paths'] as Json
  assert.deepEqual([paths['/apis/c/v1/z'], paths['/apis/d/v1/z']], [path('Thing_v2'), path('Thing_v2')])
  assert.deepEqual((merged['definitions'] as Json)['Thing_v2'], { type: 'string' })
  assert.deepEqual((merged['definitions'] as Json)['Thing_v3'], undefined)
})

test('mergeV2: of nothing is nothing', () => {
  assert.equal(mergeV2([]), undefined)
})

test('convertV2ToV3: one document per group version, bodies and answers by media type', () => {
  const document = frozen({
    info: { title: 'old' },
    parameters: { pretty: { name: 'pretty', in: 'query', type: 'string', uniqueItems: true } },
    paths: {
      '/apis/a/v1/x': {
        parameters: [{ $ref: '#/parameters/pretty' }],
        post: {
          consumes: ['application/json'],
          produces: ['application/json', 'application/yaml'],
          schemes: ['https'],
          operationId: 'createX',
          parameters: [{ name: 'body', in: 'body', required: true, schema: ref('Thing') }],
          responses: { 200: { description: 'OK', schema: ref('Thing') }, 401: { description: 'Unauthorized' } },
        },
      },
      '/version/': path('Info'),
    },
    definitions: {
      Thing: { type: 'object', properties: { deep: ref('Deep') } },
      Deep: { type: 'string' },
      Info: { type: 'object' },
    },
  })
  const converted = convertV2ToV3(document)
  const thing = { schema: { $ref: '#/components/schemas/Thing' } }
  assert.deepEqual([...converted.keys()], ['apis/a/v1'])
  assert.deepEqual(converted.get('apis/a/v1'), {
    openapi: '3.0.0',
    info: { title: 'old' },
    paths: {
      '/apis/a/v1/x': {
        parameters: [{ name: 'pretty', in: 'query', schema: { type: 'string', uniqueItems: true } }],
        post: {
          operationId: 'createX',
          requestBody: { required: true, content: { 'application/json': thing } },
          responses: {
            200: { description: 'OK', content: { 'application/json': thing, 'application/yaml': thing } },
            401: { description: 'Unauthorized' },
          },
        },
      },
    },
    components: {
      schemas: {
        Thing: { type: 'object', properties: { deep: { $ref: '#/components/schemas/Deep' } } },
        Deep: { type: 'string' },
      },
    },
  })
})
