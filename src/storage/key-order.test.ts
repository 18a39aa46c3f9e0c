import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../test/harness/property.ts'
import { compareKeys, keyAfter, lowerBound } from './key-order.ts'

const anyText = fc.string({
  unit: fc.oneof(fc.constantFrom('a', '/', '\uffee', '\ud7ff', '\ue000', '😀', '\0'), fc.string()),
})

test('compareKeys: the order is that of the UTF-8 bytes', () => {
  fc.assert(
    fc.property(anyText, anyText, (a, b) => {
      if (!a.isWellFormed() || !b.isWellFormed()) return
      assert.equal(Math.sign(compareKeys(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
  )
})
test('lowerBound: the first element that is not less', () => {
  const sorted = ['b', 'd', 'f']
  const cases: [string, number][] = [
    ['a', 0],
    ['b', 0],
    ['c', 1],
    ['f', 2],
    ['g', 3],
  ]
  for (const [key, want] of cases)
    assert.equal(
      lowerBound(sorted, key, (k) => k),
      want,
    )
  assert.equal(
    lowerBound([], 'a', (k: string) => k),
    0,
  )
})
test('keyAfter: nothing fits between', () => {
  assert.ok(compareKeys('a', keyAfter('a')) < 0)
  assert.ok(compareKeys(keyAfter('a'), 'a\u0001') < 0)
})
