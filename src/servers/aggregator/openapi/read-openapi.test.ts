import assert from 'node:assert/strict'
import { test } from 'node:test'
import { documentUrl, readOpenApi, withPathsOf } from './read-openapi.ts'

const nested = (depth: number): string => `{"x":${'['.repeat(depth)}${']'.repeat(depth)}}`

for (const { name, text, ok } of [
  { name: 'an object', text: '{"paths":{}}', ok: true },
  { name: 'null', text: 'null', ok: false },
  { name: 'a list', text: '[]', ok: false },
  { name: 'nested 100 deep', text: nested(100), ok: true },
  { name: 'nested 100,000 deep', text: nested(100_000), ok: false },
  { name: 'brackets and quotes in a text', text: `{"a":"\\"${'['.repeat(1000)}\\\\"}`, ok: true },
]) {
  test(`OpenAPI of a backend: ${name} ${ok ? 'is read' : 'is refused'}`, () => {
    if (ok) assert.equal(typeof readOpenApi(text), 'object')
    else assert.throws(() => readOpenApi(text), TypeError)
  })
}

test('OpenAPI of a backend: the document is only asked for below /openapi/v3', () => {
  const index = (url: unknown): string => JSON.stringify({ paths: { 'apis/g/v1': { serverRelativeURL: url } } })
  assert.equal(documentUrl(index('/openapi/v3/apis/g/v1?hash=1'), 'apis/g/v1'), '/openapi/v3/apis/g/v1?hash=1')
  for (const url of ['/apis/g/v1/secrets', 'https://elsewhere/openapi/v3/x', 5, null])
    assert.equal(documentUrl(index(url), 'apis/g/v1'), undefined)
  assert.equal(documentUrl('{"paths":null}', 'apis/g/v1'), undefined)
})

test('OpenAPI of a backend: paths of other group versions are left out', () => {
  const document = JSON.parse('{"paths":{"/apis/g/v1/a":{},"/api/v1/secrets":{},"/apis/g/v10/a":{},"__proto__":{}}}')
  assert.deepEqual(Object.keys(withPathsOf(document, ['/apis/g/v1/'])['paths'] as object), ['/apis/g/v1/a'])
})
