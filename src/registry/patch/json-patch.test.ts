import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../../test/harness/property.ts'
import { applyJsonPatch } from './json-patch.ts'
import { PatchError } from './patch-error.ts'

const document = { data: { a: '1', list: [1, 2, 3] }, metadata: { name: 'x', 'a/b~c': 1 } }
const good: readonly { name: string; patch: unknown[]; want: unknown }[] = [
  { name: 'no operations', patch: [], want: document },
  {
    name: 'add a key',
    patch: [{ op: 'add', path: '/data/b', value: '2' }],
    want: { ...document, data: { ...document.data, b: '2' } },
  },
  {
    name: 'add into a list, and at its end',
    patch: [
      { op: 'add', path: '/data/list/0', value: 0 },
      { op: 'add', path: '/data/list/-', value: 4 },
    ],
    want: { ...document, data: { a: '1', list: [0, 1, 2, 3, 4] } },
  },
  {
    name: 'replace of a missing key adds it',
    patch: [{ op: 'replace', path: '/data/b', value: 1 }],
    want: { ...document, data: { ...document.data, b: 1 } },
  },
  { name: 'escaped pointers', patch: [{ op: 'test', path: '/metadata/a~1b~0c', value: 1 }], want: document },
  { name: 'a missing key equals null', patch: [{ op: 'test', path: '/data/b', value: null }], want: document },
  {
    name: 'move',
    patch: [{ op: 'move', from: '/data/a', path: '/metadata/a' }],
    want: { data: { list: [1, 2, 3] }, metadata: { ...document.metadata, a: '1' } },
  },
  {
    name: 'a copy is independent',
    patch: [
      { op: 'copy', from: '/data/list', path: '/data/other' },
      { op: 'remove', path: '/data/list/0' },
    ],
    want: { ...document, data: { a: '1', list: [2, 3], other: [1, 2, 3] } },
  },
  {
    name: 'a negative index counts from the end',
    patch: [{ op: 'remove', path: '/data/list/-1' }],
    want: { ...document, data: { a: '1', list: [1, 2] } },
  },
]
for (const { name, patch, want } of good) {
  test(`applyJsonPatch: ${name}`, () => {
    const before = structuredClone(document)
    assert.deepEqual(applyJsonPatch(document, patch), want)
    assert.deepEqual(document, before, 'the document must not change')
  })
}

const failing: readonly [string, unknown][] = [
  ['a test that does not hold', { op: 'test', path: '/data/a', value: '2' }],
  ['removing what is not there', { op: 'remove', path: '/data/none' }],
  ['adding below what is not there', { op: 'add', path: '/spec/x', value: 1 }],
  ['an unknown operation', { op: 'frob', path: '/data/a' }],
  ['no path', { op: 'add', value: 1 }],
  ['no pointer', { op: 'add', path: 'data', value: 1 }],
  ['the root', { op: 'replace', path: '', value: {} }],
  ['an index beyond the end', { op: 'add', path: '/data/list/9', value: 1 }],
  ['a path through a text', { op: 'add', path: '/data/a/b', value: 1 }],
]
for (const [name, operation] of failing) {
  test(`applyJsonPatch fails on ${name}`, () => {
    assert.throws(
      () => applyJsonPatch(document, [operation]),
      (e) => e instanceof PatchError && e.kind === 'failed',
    )
  })
}

test('applyJsonPatch: limits and form', () => {
  assert.throws(() => applyJsonPatch({}, { a: 1 }), {
    kind: 'malformed',
    message: 'json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp',
  })
  const many = Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/data/none', value: null }))
  assert.throws(() => applyJsonPatch(document, many), {
    kind: 'too-large',
    message: 'The allowed maximum operations in a JSON patch is 10000, got 10001',
  })
  const doubling = Array.from({ length: 30 }, (_, i) => ({ op: 'copy', from: '/data', path: `/data/again${i}` }))
  assert.throws(() => applyJsonPatch(document, doubling), { kind: 'failed', message: 'too much is copied' })
})

test('applyJsonPatch: __proto__ is a key like any other', () => {
  const patched = applyJsonPatch({}, [{ op: 'add', path: '/__proto__', value: { polluted: true } }]) as object
  assert.deepEqual(Object.keys(patched), ['__proto__'])
  assert.equal(Reflect.get({}, 'polluted'), undefined)
})

test('applyJsonPatch: whatever the patch, the document stays and errors are PatchErrors', () => {
  const pointer = fc.constantFrom('/a', '/a/b', '/a/0', '/l/0', '/l/-', '/l/1/x', '')
  const operation = fc.record({
    op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
    path: pointer,
    from: pointer,
    value: fc.jsonValue({ maxDepth: 2 }),
  })
  fc.assert(
    fc.property(
      fc.record({ a: fc.jsonValue({ maxDepth: 2 }), l: fc.array(fc.jsonValue({ maxDepth: 1 })) }),
      fc.array(operation),
      (doc, patch) => {
        const before = structuredClone(doc)
        try {
          applyJsonPatch(doc, patch)
        } catch (e) {
          assert.ok(e instanceof PatchError, String(e))
        }
        assert.equal(JSON.stringify(doc), JSON.stringify(before))
      },
    ),
  )
})
