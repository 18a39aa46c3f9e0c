import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyMergePatch } from './merge-patch.ts'

// The examples of RFC 7396, appendix A, as far as the document and the patch are objects.
const cases: readonly [Record<string, unknown>, Record<string, unknown>, Record<string, unknown>][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]
for (const [document, patch, want] of cases) {
  test(`applyMergePatch: ${JSON.stringify(document)} with ${JSON.stringify(patch)}`, () => {
    const before = structuredClone(document)
    assert.deepEqual(applyMergePatch(document, patch), want)
    assert.deepEqual(document, before)
  })
}

test('applyMergePatch: a patch that is no object is malformed', () => {
  assert.throws(() => applyMergePatch({}, []), { kind: 'malformed' })
})
test('applyMergePatch: __proto__ is a key like any other', () => {
  const patched = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":true}}'))
  assert.deepEqual(Object.keys(patched), ['__proto__'])
})
