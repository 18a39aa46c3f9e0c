import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFieldSelector } from './field-selector.ts'

const object: Record<string, string> = { 'metadata.name': 'a', 'status.phase': 'Active', odd: 'x,y=\\' }
const cases: readonly [string, boolean][] = [
  ['', true],
  ['metadata.name=a', true],
  ['metadata.name==a,status.phase!=Active', false],
  ['metadata.name!=b,,', true],
  ['missing=', true],
  [String.raw`odd=x\,y\=\\`, true],
]
for (const [text, want] of cases) {
  test(`fieldSelector ${JSON.stringify(text)} ${want ? 'matches' : 'does not match'}`, () => {
    const selector = parseFieldSelector(text)
    assert.equal(selector.matches(object), want)
    assert.deepEqual(parseFieldSelector(String(selector)).requirements, selector.requirements)
  })
}

const errors: readonly [string, string][] = [
  ['metadata.name', "invalid selector: 'metadata.name'; can't understand 'metadata.name'"],
  ['a=b=c', 'invalid field selector: unescaped character in value: ='],
  [String.raw`a=\b`, String.raw`invalid field selector: invalid escape sequence: \b`],
]
for (const [text, message] of errors) {
  test(`fieldSelector ${JSON.stringify(text)} is refused as Kubernetes refuses it`, () => {
    assert.throws(() => parseFieldSelector(text), { message })
  })
}

test('exactValue: the value a field must have', () => {
  assert.equal(parseFieldSelector('metadata.name=a,x!=y').exactValue('metadata.name'), 'a')
  assert.equal(parseFieldSelector('metadata.name!=a').exactValue('metadata.name'), undefined)
})

test('parseFieldSelector: requirements are bounded', () => {
  const many = (n: number): string => Array.from({ length: n }, () => 'a!=b').join(',')
  assert.equal(parseFieldSelector(many(500)).requirements.length, 500)
  assert.throws(() => parseFieldSelector(many(501)), { message: 'a selector may have at most 500 requirements' })
})
