import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../../test/harness/property.ts'
import { ExactJsonReader } from './json-exact-reader.ts'
import { JsonFloat } from './json-float.ts'
import { parseJson } from './json-reader.ts'
import { MAX_DEPTH } from './json-scan.ts'
import { encodeJson } from './json-writer.ts'

const SOAK = process.env['PORTICO_SOAK'] === '1'

const errors: readonly [string, string][] = [
  ['', 'unexpected end of JSON input'],
  ['{"a":', 'unexpected end of JSON input'],
  ['tru', 'unexpected end of JSON input'],
  ['1.', 'unexpected end of JSON input'],
  ['{"a":1} x', "invalid character 'x' after top-level value"],
  ['[1,]', "invalid character ']' looking for beginning of value"],
  ['{1}', "invalid character '1' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a":1 "b"}', `invalid character '"' after object key:value pair`],
  ['[1 2]', "invalid character '2' after array element"],
  ['01', "invalid character '1' after top-level value"],
  ['-x', "invalid character 'x' in numeric literal"],
  ['1.x', "invalid character 'x' after decimal point in numeric literal"],
  ['1e+x', "invalid character 'x' in exponent of numeric literal"],
  ['"\n"', String.raw`invalid character '\n' in string literal`],
  [String.raw`"\x"`, "invalid character 'x' in string escape code"],
  [String.raw`"\u00g0"`, String.raw`invalid character 'g' in \u hexadecimal character escape`],
  ['nulL', "invalid character 'L' in literal null (expecting 'l')"],
  ['\ufeff{}', "invalid character 'ï' looking for beginning of value"],
  ['1e999', 'json: cannot unmarshal number 1e999 into Go value of type float64'],
]
for (const [text, message] of errors) {
  test(`parseJson refuses ${JSON.stringify(text)} in Go's words`, () => {
    assert.throws(() => parseJson(text), { name: 'JsonSyntaxError', message })
  })
}

test('parseJson: integers are exact, beyond int64 they are floats', () => {
  assert.deepEqual(parseJson('[9007199254740993,-9223372036854775808,9223372036854775808,1234567890123456]').value, [
    9007199254740993n,
    -9223372036854775808n,
    9223372036854775808,
    1234567890123456,
  ])
})
test('parseJson: integral floats are told apart on request', () => {
  assert.deepEqual(parseJson('[1.0,1e3,1.5,1]', { floats: 'wrap' }).value, [
    new JsonFloat(1, '1.0'),
    new JsonFloat(1000, '1e3'),
    1.5,
    1,
  ])
  assert.deepEqual(parseJson('[1.0,1e3]').value, [1, 1000])
})
test('parseJson: lone surrogates are replaced', () => {
  assert.equal(parseJson(String.raw`"\ud800x\ud83d\ude00"`).value, '\ufffdx\u{1f600}')
})
test('parseJson: depth', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  assert.doesNotThrow(() => parseJson(nested(MAX_DEPTH)))
  assert.throws(() => parseJson(nested(MAX_DEPTH + 1)), { message: "invalid character '[' exceeded max depth" })
  assert.throws(() => parseJson('{"a":'.repeat(1_000_000)), { message: "invalid character '{' exceeded max depth" })
})
test('parseJson: repeated keys are found, also where a string looks like one', () => {
  assert.equal(parseJson(String.raw`{"a":":","b\\":"\":"}`).duplicates, undefined)
  const { value, duplicates } = parseJson('{"a":1,"b":{"c":1,"c":2},"a":3}')
  assert.deepEqual(value, { a: 3, b: { c: 2 } })
  assert.deepEqual([...duplicates!.values()], [[{ key: 'c', at: 1 }], [{ key: 'a', at: 2 }]])
})
test('parseJson: __proto__ is a key like any other', () => {
  for (const text of ['{"__proto__":{"x":1}}', '{"__proto__":{"x":1},"a":1,"a":2}']) {
    const value = parseJson(text).value as object
    assert.equal(Object.getPrototypeOf(value), Object.prototype)
    assert.ok(Object.hasOwn(value, '__proto__'))
  }
})

test('parseJson agrees with JSON.parse on what is JSON and on its value', () => {
  const texts = fc.oneof(
    fc.json(),
    fc.stringMatching(/^[[\]{}",:0-9.eE+\- truefalsn\\/]{0,30}$/),
    fc
      .tuple(fc.json(), fc.nat(), fc.string({ maxLength: 1 }))
      .map(([text, at, c]) => text.slice(0, at % (text.length + 1)) + c + text.slice(at % (text.length + 1))),
  )
  const attempt = (read: () => unknown): string => {
    try {
      return encodeJson(read())
    } catch {
      return 'refused'
    }
  }
  fc.assert(
    fc.property(texts, (text) => {
      // Big integers, infinities and lone surrogates are read differently on purpose.
      fc.pre(!/[0-9]{16}|[eE][+]?[0-9]{3}|\\u[dD][89a-fA-F]/.test(text) && text.isWellFormed())
      const want = attempt(() => JSON.parse(text))
      assert.equal(
        attempt(() => parseJson(text).value),
        want,
      )
      assert.equal(
        attempt(() => new ExactJsonReader(text, false).read().value),
        want,
      )
    }),
    { numRuns: SOAK ? 200_000 : 3000 },
  )
})

test('encodeJson escapes as Go does', () => {
  assert.equal(
    encodeJson({ a: '<a&b>\u2028\u2029"\\\b\f\u0001é' }),
    String.raw`{"a":"\u003ca\u0026b\u003e\u2028\u2029\"\\\b\f\u0001é"}`,
  )
  assert.equal(
    encodeJson({ big: 9007199254740993n, list: [], map: {} }, { pretty: true }),
    '{\n  "big": 9007199254740993,\n  "list": [],\n  "map": {}\n}',
  )
})
