import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../test/harness/property.ts'
import { labelSelectorOf, parseLabelSelector } from './label-selector.ts'

const objects = { ab: { a: '1', b: '2' }, a5: { a: '5' }, none: {}, empty: { a: '' } }
const matching: readonly [string, (keyof typeof objects)[]][] = [
  ['', ['ab', 'a5', 'none', 'empty']],
  ['a', ['ab', 'a5', 'empty']],
  ['!a', ['none']],
  ['a=1', ['ab']],
  ['a == 1,b=2', ['ab']],
  ['a!=1', ['a5', 'none', 'empty']],
  ['a in (1, 5)', ['ab', 'a5']],
  ['a notin (1,5)', ['none', 'empty']],
  ['a in (,)', ['empty']],
  ['a in ()', ['empty']],
  ['a=', ['empty']],
  ['a>1', ['a5']],
  ['a<5', ['ab']],
  ['in', []],
  ['a=in', []],
]
for (const [text, want] of matching) {
  test(`labelSelector ${JSON.stringify(text)} matches ${want.join(' ') || 'nothing'}`, () => {
    const selector = parseLabelSelector(text)
    assert.deepEqual(
      Object.keys(objects).filter((k) => selector.matches(objects[k as keyof typeof objects])),
      want,
    )
  })
}

const KEY_RULE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const errors: readonly [string, string][] = [
  ['a=b=c', "found '=', expected: ',' or 'end of string'"],
  ['a=bad!value', "found '!', expected: ',' or 'end of string'"],
  ['-bad', `unable to parse requirement: <nil>: Invalid value: "-bad": ${KEY_RULE}`],
  ['a,', "found '', expected: identifier after ','"],
  [',a', "found ',', expected: !, identifier, or 'end of string'"],
  ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
  ['a in b', "unable to parse requirement: found 'b' expected: '('"],
  ['a in (b', "unable to parse requirement: found '', expected: ',' or ')'"],
  [
    'a>b',
    `unable to parse requirement: values[0]: Invalid value: "b": for 'Gt', 'Lt' operators, the value must be an integer`,
  ],
]
for (const [text, message] of errors) {
  test(`labelSelector ${JSON.stringify(text)} is refused as Kubernetes refuses it`, () => {
    assert.throws(() => parseLabelSelector(text), { message })
  })
}

test('labelSelectorOf: expressions and labels all hold', () => {
  const selector = labelSelectorOf({
    matchLabels: { a: '1' },
    matchExpressions: [{ key: 'b', operator: 'Exists' }],
  })
  assert.equal(selector.matches({ a: '1', b: '' }), true)
  assert.equal(selector.matches({ a: '1' }), false)
  assert.equal(String(selector), 'a=1,b')
  assert.throws(
    () => labelSelectorOf({ matchExpressions: [{ key: 'b', operator: 'Has' }] }),
    /not a valid label selector/,
  )
})

test('labelSelector: any text parses or fails with an Error, and what parses prints to an equal selector', () => {
  const texts = fc.stringMatching(/^[ab1,=!<>() ]{0,20}$|^[ab] (in|notin) \([ab1,]*\)$/)
  fc.assert(
    fc.property(texts, (text) => {
      let printed: string
      try {
        printed = String(parseLabelSelector(text))
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof TypeError))
        return
      }
      assert.equal(String(parseLabelSelector(printed)), printed)
    }),
  )
})

test('parseLabelSelector: requirements and words are bounded', () => {
  const many = (n: number, part: string): string => Array.from({ length: n }, () => part).join(',')
  assert.equal(parseLabelSelector(many(500, '!a')).requirements.length, 500)
  assert.throws(() => parseLabelSelector(many(501, '!a')), { message: 'a selector may have at most 500 requirements' })
  assert.doesNotThrow(() => parseLabelSelector(`a in (${many(9_000, 'b')})`))
  assert.throws(() => parseLabelSelector(`a in (${many(11_000, 'b')})`), {
    message: 'a selector may have at most 20000 words',
  })
})
