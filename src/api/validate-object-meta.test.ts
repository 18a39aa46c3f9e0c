import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldErrorMessage } from './field-error.ts'
import type { ObjectMeta } from './meta.ts'
import { dns1123Subdomain } from './names.ts'
import { validateFieldManager, validateObjectMeta, validateObjectMetaUpdate } from './validate-object-meta.ts'

const rules = { namespaced: true, name: dns1123Subdomain, coreFinalizers: true }
const owner = (name: string): NonNullable<ObjectMeta['ownerReferences']>[number] => ({
  apiVersion: 'v1',
  kind: 'X',
  name,
  uid: name,
  controller: true,
})

const creations: readonly { name: string; meta: ObjectMeta; want: string[] }[] = [
  { name: 'a plain object', meta: { name: 'a', labels: { 'x.io/y': 'z' }, finalizers: ['a.b/c', 'orphan'] }, want: [] },
  { name: 'no name', meta: {}, want: ['metadata.name: Required value: name or generateName is required'] },
  { name: 'a generateName may end in a dash', meta: { generateName: 'a-', name: 'a-x' }, want: [] },
  {
    name: 'label keys and values',
    meta: { name: 'a', labels: { '/x': 'v' } },
    want: ['metadata.labels: Invalid value: "/x": prefix part must be non-empty'],
  },
  { name: 'an annotation prefix may have upper case', meta: { name: 'a', annotations: { 'A.io/X': '' } }, want: [] },
  {
    name: 'the size of all annotations',
    meta: { name: 'a', annotations: { a: 'x'.repeat(262144) } },
    want: ['metadata.annotations: Too long: may not be more than 262144 bytes'],
  },
  {
    name: 'a core finalizer needs a slash',
    meta: { name: 'a', finalizers: ['plain'] },
    want: [
      'metadata.finalizers[0]: Invalid value: "plain": name is neither a standard finalizer name nor is it fully qualified',
    ],
  },
  {
    name: 'orphan and foregroundDeletion exclude each other',
    meta: { name: 'a', finalizers: ['orphan', 'foregroundDeletion'] },
    want: [
      'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
    ],
  },
  {
    name: 'two controllers',
    meta: { name: 'a', ownerReferences: [owner('a'), owner('b')] },
    want: [
      'metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"X","name":"a","uid":"a","controller":true},{"apiVersion":"v1","kind":"X","name":"b","uid":"b","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for X/a and X/b',
    ],
  },
  {
    name: 'an owner without fields',
    meta: { name: 'a', ownerReferences: [{ apiVersion: '', kind: '', name: '', uid: '' }] },
    want: [
      'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
      'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
      'metadata.ownerReferences.name: Invalid value: "": must not be empty',
      'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ],
  },
  {
    name: 'an Event owns nothing',
    meta: { name: 'a', ownerReferences: [{ apiVersion: 'v1', kind: 'Event', name: 'a', uid: 'u' }] },
    want: [
      'metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"a","uid":"u"}: /v1, Kind=Event is disallowed from being an owner',
    ],
  },
]
for (const { name, meta, want } of creations) {
  test(`validateObjectMeta: ${name}`, () => {
    const errors = validateObjectMeta({ namespace: 'ns', ...meta }, rules)
    assert.deepEqual(errors.map(fieldErrorMessage), want)
  })
}

test('validateObjectMeta: the namespace is required, or not allowed', () => {
  const messages = (namespaced: boolean, meta: ObjectMeta): string[] =>
    validateObjectMeta(meta, { namespaced, name: dns1123Subdomain }).map(fieldErrorMessage)
  assert.deepEqual(messages(true, { name: 'a' }), ['metadata.namespace: Required value'])
  assert.deepEqual(messages(false, { name: 'a', namespace: 'b' }), [
    'metadata.namespace: Forbidden: not allowed on this type',
  ])
})

const stored: ObjectMeta = {
  name: 'a',
  namespace: 'n',
  uid: 'u',
  resourceVersion: '1',
  creationTimestamp: 't',
  generation: 2,
}
const updates: readonly { name: string; old?: ObjectMeta; change: ObjectMeta; want: string[] }[] = [
  { name: 'labels may change', change: { labels: { a: 'b' } }, want: [] },
  { name: 'the uid may not', change: { uid: 'v' }, want: ['metadata.uid: Invalid value: "v": field is immutable'] },
  {
    name: 'deletionTimestamp may not be set',
    change: { deletionTimestamp: '2020-01-01T00:00:00Z' },
    want: ['metadata.deletionTimestamp: Invalid value: "2020-01-01T00:00:00Z": field is immutable'],
  },
  {
    name: 'a generation does not shrink',
    change: { generation: 1 },
    want: ['metadata.generation: Invalid value: 1: must not be decremented'],
  },
  {
    name: 'a dying object gets no new finalizers',
    old: { ...stored, deletionTimestamp: 'd', finalizers: ['a/b'] },
    change: { deletionTimestamp: 'd', finalizers: ['a/b', 'c/d'] },
    want: [
      String.raw`metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}`,
    ],
  },
]
for (const { name, old = stored, change, want } of updates) {
  test(`validateObjectMetaUpdate: ${name}`, () => {
    const errors = validateObjectMetaUpdate({ ...stored, ...change }, old)
    assert.deepEqual(errors.map(fieldErrorMessage), want)
  })
}

test('validateFieldManager: printable, and at most 128 bytes', () => {
  assert.deepEqual(validateFieldManager('kubectl edit', 'fieldManager'), [])
  assert.deepEqual(validateFieldManager('a\tb', 'fieldManager').map(fieldErrorMessage), [
    String.raw`fieldManager: Invalid value: "a\tb": invalid character U+0009 (at position 1)`,
  ])
  assert.deepEqual(validateFieldManager('x'.repeat(129), 'fieldManager').map(fieldErrorMessage), [
    'fieldManager: Too long: may not be more than 128 bytes',
  ])
})
