import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../../test/harness/property.ts'
import { FieldSet } from './field-set.ts'
import { readFieldsV1, writeFieldsV1 } from './fields-v1.ts'

type Path = readonly string[]
const step = fc.constantFrom('f:a', 'f:b', 'k:{"n":1}', 'k:{"n":"x"}', 'v:"a"', 'v:2', 'i:0')
const paths = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 8 })
const text = (path: Path): string => path.join(' ')
const startsWith = (path: Path, prefix: Path): boolean => prefix.every((element, i) => path[i] === element)

/** The same sets as plain lists of paths. */
function pathsOf(set: FieldSet, prefix: Path = []): Path[] {
  return Array.from(set.elements()).flatMap((element) => {
    const path = [...prefix, element]
    return [...(set.hasMember(element) ? [path] : []), ...pathsOf(set.below(element) ?? FieldSet.EMPTY, path)]
  })
}
const texts = (list: readonly Path[]): string[] => Array.from(new Set(list.map(text))).toSorted()

const rules: readonly {
  name: string
  ours: (a: FieldSet, b: FieldSet) => FieldSet
  naive: (a: readonly Path[], b: readonly Path[]) => readonly Path[]
}[] = [
  { name: 'union', ours: (a, b) => a.union(b), naive: (a, b) => [...a, ...b] },
  {
    name: 'intersection',
    ours: (a, b) => a.intersection(b),
    naive: (a, b) => a.filter((p) => b.some((q) => text(p) === text(q))),
  },
  {
    name: 'difference',
    ours: (a, b) => a.difference(b),
    naive: (a, b) => a.filter((p) => !b.some((q) => text(p) === text(q))),
  },
  {
    name: 'recursive difference',
    ours: (a, b) => a.recursiveDifference(b),
    naive: (a, b) => a.filter((p) => !b.some((q) => startsWith(p, q))),
  },
  {
    name: 'leaves',
    ours: (a) => a.leaves(),
    naive: (a) => a.filter((p) => !a.some((q) => q.length > p.length && startsWith(q, p))),
  },
]
for (const { name, ours, naive } of rules) {
  test(`FieldSet: ${name} is that of plain lists of paths`, () => {
    fc.assert(
      fc.property(paths, paths, (a, b) => {
        const [setA, setB] = [FieldSet.of(...a), FieldSet.of(...b)]
        assert.deepEqual(texts(pathsOf(ours(setA, setB))), texts(naive(a, b)))
        assert.deepEqual(texts(pathsOf(setA)), texts(a), 'inputs stay as they are')
      }),
    )
  })
}

test('FieldSet: equality and emptiness do not depend on how a set was made', () => {
  fc.assert(
    fc.property(paths, paths, (a, b) => {
      const set = FieldSet.of(...a).difference(FieldSet.of(...b))
      const rest = a.filter((p) => !b.some((q) => text(p) === text(q)))
      assert.ok(set.equals(FieldSet.of(...rest.toReversed())))
      assert.equal(set.isEmpty, rest.length === 0)
      for (const path of a) assert.equal(set.has(path), rest.includes(path))
    }),
  )
})

test('FieldsV1: what is written reads as the same set', () => {
  fc.assert(
    fc.property(paths, (list) => {
      const set = FieldSet.of(...list)
      const json = JSON.stringify(writeFieldsV1(set))
      assert.ok(readFieldsV1(JSON.parse(json)).equals(set))
      assert.equal(JSON.stringify(writeFieldsV1(readFieldsV1(JSON.parse(json)))), json)
    }),
  )
})
