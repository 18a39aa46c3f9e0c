import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FieldSet } from './field-set.ts'
import { readFieldsV1, writeFieldsV1 } from './fields-v1.ts'

const again = (json: string): string => JSON.stringify(writeFieldsV1(readFieldsV1(JSON.parse(json))))

// Facts: kube-apiserver 1.35.4 was given the left side in metadata.managedFields and answered with the right one.
const canonical: readonly { name: string; given: string; want: string }[] = [
  {
    name: 'fields, keyed items, values, indexes',
    given: '{"i:3":{},"v:\\"x\\"":{},"v:1.50":{},"k:{\\"b\\":1,\\"a\\":2}":{},"f:b":{},"f:a":{}}',
    want: '{"f:a":{},"f:b":{},"k:{\\"a\\":2,\\"b\\":1}":{},"v:1.5":{},"v:\\"x\\"":{},"i:3":{}}',
  },
  {
    name: 'values of all types, numbers by size',
    given:
      '{"v:{\\"a\\":1}":{},"v:[1]":{},"v:null":{},"v:true":{},"v:1e3":{},"v:12345678901234567890":{},"v:-1":{},"v:2":{},"v:10":{}}',
    want: '{"v:-1":{},"v:2":{},"v:10":{},"v:1000":{},"v:12345678901234567000":{},"v:true":{},"v:[1]":{},"v:{\\"a\\":1}":{},"v:null":{}}',
  },
  {
    name: 'keys by number, not by text',
    given: '{"k:{\\"port\\":443,\\"protocol\\":\\"TCP\\"}":{},"k:{\\"port\\":80,\\"protocol\\":\\"TCP\\"}":{}}',
    want: '{"k:{\\"port\\":80,\\"protocol\\":\\"TCP\\"}":{},"k:{\\"port\\":443,\\"protocol\\":\\"TCP\\"}":{}}',
  },
  {
    name: 'a dot comes first, and is left out where nothing is below it',
    given: '{"f:q":{"f:z":{".":{}},".":{}}}',
    want: '{"f:q":{".":{},"f:z":{}}}',
  },
  { name: 'null is a member', given: '{"f:q":null}', want: '{"f:q":{}}' },
  { name: 'steps of an unknown kind are skipped', given: '{"x:y":{},"f:q":{}}', want: '{"f:q":{}}' },
  { name: 'the root is no member', given: '{".":{}}', want: '{}' },
  {
    name: 'names are sorted by their bytes',
    given: '{"f:\u{1f600}":{},"f:\uff21":{}}',
    want: '{"f:\uff21":{},"f:\u{1f600}":{}}',
  },
  { name: 'a name of the language is a name', given: '{"f:__proto__":{"f:x":{}}}', want: '{"f:__proto__":{"f:x":{}}}' },
]
for (const { name, given, want } of canonical) test(`FieldsV1: ${name}`, () => assert.equal(again(given), want))

const refused: readonly { name: string; given: string }[] = [
  { name: 'a step without a colon', given: '{"plain":{}}' },
  { name: 'an empty step', given: '{"":{}}' },
  { name: 'a step that starts as one of the language', given: '{"__proto__":{"f:x":{}}}' },
  { name: 'keys that are no JSON', given: '{"k:y":{}}' },
  { name: 'keys that are a list', given: '{"k:[]":{}}' },
  { name: 'a value that is no JSON', given: '{"v:y":{}}' },
  { name: 'an index that is no number', given: '{"i:y":{}}' },
  { name: 'a number for a set', given: '{"f:q":1}' },
  { name: 'a list for a set', given: '{"f:q":[]}' },
  { name: 'a text', given: '"f:q"' },
  { name: '10,000 levels', given: `${'{"f:a":'.repeat(10_000)}{}${'}'.repeat(10_000)}` },
]
for (const { name, given } of refused)
  test(`FieldsV1 is refused: ${name}`, () => assert.throws(() => readFieldsV1(JSON.parse(given)), Error))

test('FieldSet: paths as error texts show them, members first at each step', () => {
  const set = FieldSet.of(
    ['f:spec', 'f:ports', 'k:{"port":443,"protocol":"TCP"}', 'f:name'],
    ['f:spec', 'f:selector'],
    ['f:finalizers', 'v:"a\\"b"'],
    ['f:finalizers', 'i:3'],
    ['f:finalizers', 'v:true'],
  )
  assert.deepEqual(Array.from(set.texts()), [
    '.finalizers[="a\\"b"]',
    '.finalizers[=true]',
    '.finalizers[3]',
    '.spec.selector',
    '.spec.ports[port=443,protocol="TCP"].name',
  ])
})
