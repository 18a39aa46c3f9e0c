/** What bounds a body while it is read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metaTypes } from '../schema/meta-types.ts'
import { decodeBody } from './codec.ts'
import { parseJson } from './json-reader.ts'
import { wrapProtobuf } from './protobuf-envelope.ts'
import { jsonToYaml, yamlToJson } from './yaml-json.ts'

const OPTIONS = { apiVersion: 'v1', kind: 'DeleteOptions' }

const documents: readonly (readonly [text: string, values: number])[] = [
  ['1', 1],
  ['[]', 2],
  ['[1,2,3]', 4],
  ['{"a":{"b":"[,{,"},"c":[]}', 5],
]
for (const [text, values] of documents)
  test(`parseJson: ${text} has at most ${values} values`, () => {
    assert.doesNotThrow(() => parseJson(text, { maxValues: values }))
    assert.throws(() => parseJson(text, { maxValues: values - 1 }), {
      name: 'JsonSyntaxError',
      message: `exceeded max number of values of ${values - 1}`,
    })
  })

test('decodeBody: the fields of a protobuf message and of those in it are counted together', () => {
  // Preconditions with a uid; each is a field, and so is what it holds.
  const preconditions = Buffer.from([0x12, 0x03, 0x0a, 0x01, 0x61])
  const body = wrapProtobuf({ ...OPTIONS, raw: Buffer.concat([preconditions, preconditions]) })
  assert.doesNotThrow(() => decodeBody(body, 'protobuf', metaTypes(), { ...OPTIONS, maxValues: 4 }))
  assert.throws(() => decodeBody(body, 'protobuf', metaTypes(), { ...OPTIONS, maxValues: 3 }), {
    name: 'DecodeError',
    message: /exceeded max number of fields of 3/,
  })
  assert.doesNotThrow(() => decodeBody(body, 'protobuf', metaTypes(), OPTIONS))
})

test('numbers of many digits take no time that grows with their square', () => {
  const digits = '9'.repeat(1_000_000)
  assert.throws(() => parseJson(`[${digits}]`), { message: /into Go value of type float64|number/ })
  assert.deepEqual(parseJson('[9223372036854775807,-9223372036854775808,18446744073709551616]').value, [
    9223372036854775807n,
    -9223372036854775808n,
    18446744073709552000,
  ])
})

const yaml: readonly (readonly [name: string, text: string, json: string | RegExp])[] = [
  [
    'numbers keep their kind',
    'a: 1.0\nb: 1e3\nc: 1\nd: 9007199254740993\ne: 1.5',
    '{"a":1.0,"b":1000.0,"c":1,"d":9007199254740993,"e":1.5}',
  ],
  ['an alias stands for the last node before it that has the anchor', '- &a 1\n- *a\n- &a 2\n- *a', '[1,1,2,2]'],
  ['an anchor inside of an alias is not set anew', '- &a [&b 1]\n- &b 2\n- *a\n- *b', '[[1],2,[1],2]'],
  ['an alias of what comes later', '- *a\n- &a 1', /unknown anchor 'a' referenced/],
  ['an alias of what holds it', 'a: &a [*a]', /value contains itself/],
  ['depth', '['.repeat(1_001), /exceeded max depth of 1000/],
  ['depth by indicators', '- '.repeat(1_001), /exceeded max depth of 1000/],
  ['what closes nothing', '- a\n- ]', /^yaml: line 2: did not find expected node content$/],
  ['tokens', '#\n'.repeat(300_000), /exceeded max number of tokens of 500000/],
  ['a long text repeated by aliases', `a: &a ${'x'.repeat(100_000)}\nb: [${'*a,'.repeat(40)}]`, /excessive aliasing/],
  ['as much of it as a body may have', `a: &a ${'x'.repeat(1_000)}\nb: [${'*a,'.repeat(40)}]`, /./],
]
for (const [name, text, want] of yaml)
  test(`yamlToJson: ${name}`, () => {
    const result = yamlToJson(text)
    if (typeof want === 'string') assert.deepEqual(result, { json: want, problem: undefined })
    else if (want.source === '.') assert.ok('json' in result)
    else assert.match('failure' in result ? result.failure : 'no failure', want)
  })

test('jsonToYaml: as encodeYaml writes it', () => {
  assert.equal(jsonToYaml('{"b":"no","a":[1]}'), 'a:\n- 1\nb: "no"\n')
})

test('yamlToJson: repeated keys are told, a hundred at most', () => {
  const result = yamlToJson('a: 1\n'.repeat(300))
  assert.ok('problem' in result && result.problem !== undefined)
  assert.equal(result.problem.split('\n').length, 101)
})
