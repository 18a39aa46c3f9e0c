/** Selectors of a SubjectAccessReview, in the words of kube-apiserver 1.35.4. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldErrorMessage } from '../../../api/field-error.ts'
import { readSelectors, type SelectorAttributes, selectorErrors } from './selector-attributes.ts'

const NEEDED = "Required value: must be specified when `operator` is 'In' or 'NotIn'"
const FORBIDDEN = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
const one = (key: string, operator: string, values?: string[]): SelectorAttributes => ({
  requirements: [{ key, operator, ...(values ? { values } : {}) }],
})
const NEITHER = 'x.requirements: Required value: when x is specified, requirements or rawSelector is required'

const refused: readonly [selector: SelectorAttributes, field: readonly string[], label?: readonly string[]][] = [
  [{}, [NEITHER]],
  [{ requirements: [] }, [NEITHER]],
  [
    { rawSelector: 'a=b', ...one('a', 'In', ['b']) },
    ['x.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements'],
  ],
  [one('a', 'In'), [`x.requirements[0].values: ${NEEDED}`]],
  [one('a', 'NotIn'), [`x.requirements[0].values: ${NEEDED}`]],
  [one('a', 'Exists', ['b']), [`x.requirements[0].values: ${FORBIDDEN}`]],
  [one('a', 'Foo', ['b']), []],
  [one('a', 'In', ['b', 'c']), []],
  [{ rawSelector: '!!' }, []],
]
for (const [selector, field, label = field] of refused)
  test(`selectorErrors: ${JSON.stringify(selector)}`, () => {
    for (const [name, want] of [
      ['fieldSelector', field],
      ['labelSelector', label],
    ] as const)
      assert.deepEqual(
        selectorErrors({ [name]: selector }, 'spec').map(fieldErrorMessage),
        want.map((text) => text.replaceAll(/\bx\b/g, `spec.${name}`)),
      )
  })
test('selectorErrors: a field has any key but none, a label a valid one and valid values', () => {
  const [fields, labels] = [
    selectorErrors({ fieldSelector: one('', 'In', ['!']) }, 'spec'),
    selectorErrors({ labelSelector: one('', 'In', ['!']) }, 'spec'),
  ]
  assert.deepEqual(fields.map(fieldErrorMessage), [
    'spec.fieldSelector.requirements[0].key: Required value: must be specified',
  ])
  const at = 'spec.labelSelector.requirements[0]'
  assert.deepEqual(
    labels.map((e) => e.field),
    [`${at}.key`, `${at}.key`, `${at}.values[0]`],
  )
})

const IGNORED = 'ignored due to parse error'
const read: readonly [
  selector: SelectorAttributes,
  fields: readonly string[] | undefined,
  problem: string,
  labels: readonly string[] | undefined,
  problem: string,
][] = [
  [{ rawSelector: 'a=b' }, ['a In b'], '', ['a In b'], ''],
  [{ rawSelector: 'a!=b,c=d' }, ['a NotIn b', 'c In d'], '', ['a NotIn b', 'c In d'], ''],
  [{ rawSelector: 'a,!b' }, undefined, IGNORED, ['a Exists ', 'b DoesNotExist '], ''],
  [{ rawSelector: '!!' }, undefined, IGNORED, undefined, IGNORED],
  [one('a', 'In', ['b']), ['a In b'], '', ['a In b'], ''],
  [one('a', 'In', ['b', 'c']), undefined, IGNORED, ['a In b,c'], ''],
  [one('a', 'Foo', ['b']), undefined, IGNORED, undefined, IGNORED],
  [
    {
      requirements: [
        { key: 'a', operator: 'Exists' },
        { key: 'b', operator: 'In', values: ['c'] },
      ],
    },
    ['b In c'],
    `partially ${IGNORED}`,
    ['a Exists ', 'b In c'],
    '',
  ],
]
for (const [selector, fields, fieldProblem, labels, labelProblem] of read)
  test(`readSelectors: ${JSON.stringify(selector)}`, () => {
    for (const [name, want, problem] of [
      ['fieldSelector', fields, fieldProblem],
      ['labelSelector', labels, labelProblem],
    ] as const) {
      const found = readSelectors({ [name]: selector }, 'spec')
      assert.deepEqual(
        found[name]?.map((r) => `${r.key} ${r.operator} ${(r.values ?? []).join()}`),
        want,
        name,
      )
      assert.deepEqual(found.problems, problem === '' ? [] : [`spec.${name} ${problem}`])
    }
  })
