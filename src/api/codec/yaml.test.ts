import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../../test/harness/property.ts'
import { JsonFloat } from './json-float.ts'
import { parseYaml } from './yaml-reader.ts'
import { encodeYaml } from './yaml-writer.ts'

const scalars: readonly [string, unknown][] = [
  ['y', true],
  ['No', false],
  ['off', false],
  ['"y"', 'y'],
  ['~', null],
  ['', null],
  ['null', null],
  ['010', 8],
  ['0x1F', 31],
  ['0b11', 3],
  ['1_000', 1000],
  ['-5', -5],
  ['9007199254740993', 9007199254740993n],
  ['1.5', 1.5],
  ['1e3', 1000],
  ['12:30:45', '12:30:45'],
  ['2001-01-01', '2001-01-01'],
  ['08', 8],
  ['1.2.3', '1.2.3'],
  ['!!str 5', '5'],
  ['yEs', 'yEs'],
]
for (const [text, want] of scalars) {
  test(`parseYaml: ${JSON.stringify(text)} is ${typeof want} ${String(want)}`, () => {
    assert.deepEqual(parseYaml(`a: ${text}`).value, { a: want })
  })
}

test('parseYaml: keys become text, merges do not replace own keys', () => {
  const { value } = parseYaml('base: &b {x: 1, z: 3}\nuse:\n  <<: *b\n  x: 2\n1: a\ntrue: b\n1.5: c\n')
  assert.deepEqual(value, { base: { x: 1, z: 3 }, use: { x: 2, z: 3 }, '1': 'a', true: 'b', '1.5': 'c' })
})
test('parseYaml: only the first document counts', () => {
  assert.deepEqual(parseYaml('a: 1\n---\nb: 2\n').value, { a: 1 })
})
test('parseYaml: integral floats are told apart on request', () => {
  assert.deepEqual(parseYaml('a: 1.0', true).value, { a: new JsonFloat(1, '1.0') })
})
test('parseYaml: an alias bomb is refused', () => {
  const levels = Array.from(
    { length: 9 },
    (_, i) =>
      `l${i}: &l${i} [${Array(9)
        .fill(i === 0 ? 'x' : `*l${i - 1}`)
        .join(', ')}]`,
  )
  assert.throws(() => parseYaml(levels.join('\n')), { message: 'yaml: document contains excessive aliasing' })
  assert.throws(() => parseYaml('a: &a [*a]'), { name: 'YamlError' })
})
test('parseYaml: errors name the line; deep nesting is refused, not a crash', () => {
  assert.throws(() => parseYaml('a: 1\nb: ['), { name: 'YamlError', message: /^yaml: line 2: / })
  assert.throws(() => parseYaml('['.repeat(200_000)), { name: 'YamlError' })
})
test('encodeYaml: keys are sorted, lists not indented, ambiguous texts quoted', () => {
  const text = encodeYaml({
    kind: 'A',
    data: { y: 'y', n: 'no', t: '12:30:45', o: '010', m: 'a\nb\n', e: {}, l: [1, { a: null }] },
  })
  assert.equal(
    text,
    'data:\n  e: {}\n  l:\n  - 1\n  - a: null\n  m: |\n    a\n    b\n  "n": "no"\n  o: "010"\n  t: "12:30:45"\n  "y": "y"\nkind: A\n',
  )
})
test('encodeYaml: what is written reads back the same', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      fc.pre(JSON.stringify(value).isWellFormed() && !/-0|[0-9]{16}/.test(JSON.stringify(value)))
      assert.deepEqual(parseYaml(encodeYaml({ value })).value, { value: JSON.parse(JSON.stringify(value)) })
    }),
    { numRuns: process.env['PORTICO_SOAK'] === '1' ? 20_000 : 300 },
  )
})
