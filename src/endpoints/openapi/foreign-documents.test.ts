import assert from 'node:assert/strict'
import { test } from 'node:test'
import { convertV2ToV3 } from './convert-v2-to-v3.ts'
import { OpenApiProtobuf } from './document-protobuf.ts'
import { filterPaths, mergeV2 } from './merge-v2.ts'
import type { Json } from './schemas.ts'

const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], maxLength: 5, minimum: 1.5 }
const query = { name: 'a', in: 'query', type: 'string', uniqueItems: true }
const operation = { parameters: [query], responses: { 200: { description: '', schema } }, tags: ['t'], produces: ['p'] }
const DOCUMENT: Json = {
  swagger: '2.0',
  info: { title: 'a', version: '1' },
  paths: { '/apis/g/v1/x': { get: operation, parameters: [query] } },
  definitions: { D: { ...schema, 'x-kubernetes-group-version-kind': [{ group: 'g', kind: 'K', version: 'v1' }] } },
  parameters: { q: query },
  security: [],
}
const WRONG: readonly unknown[] = [
  5,
  -1,
  1.5,
  1e300,
  null,
  'x',
  true,
  [],
  [null],
  [5],
  { a: null },
  { toString: 5, valueOf: 5 },
]

function* placesIn(value: object, path: readonly string[] = []): Generator<readonly string[]> {
  for (const [key, child] of Object.entries(value)) {
    yield [...path, key]
    if (typeof child === 'object' && child !== null) yield* placesIn(child, [...path, key])
  }
}
function withValue(document: Json, path: readonly string[], value: unknown): Json {
  const changed = structuredClone(document)
  const parent = path.slice(0, -1).reduce((o, key) => o[key] as Json, changed)
  parent[path.at(-1)!] = value
  return changed
}

test("OpenAPI: no value of the wrong type in a backend's document breaks the document it is merged into", () => {
  const [v2, v3] = [new OpenApiProtobuf(2), new OpenApiProtobuf(3)]
  for (const path of placesIn(DOCUMENT)) {
    for (const value of WRONG) {
      const where = `${path.join(' ')} = ${JSON.stringify(value)}`
      assert.doesNotThrow(() => {
        const foreign = withValue(DOCUMENT, path, value)
        v2.encode(mergeV2([DOCUMENT, filterPaths(foreign, ['/apis/g/v1/'])])!)
        for (const converted of convertV2ToV3(foreign).values()) v3.encode(converted)
      }, where)
    }
  }
})
