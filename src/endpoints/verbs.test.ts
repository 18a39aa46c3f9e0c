/** What each verb answers on the wire, whatever is behind it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answered, type Asked, openThings, thing } from '../../test/harness/asked-things.ts'

type Json = Record<string, unknown>
const ONE = '/namespaces/ns/things/a'
const ALL = '/namespaces/ns/things'
const JSON_PATCH = 'application/json-patch+json'
const MERGE_PATCH = 'application/merge-patch+json'

interface Row {
  readonly name: string
  readonly asked: Asked
  readonly status: number
  /** What the answer's JSON has at these paths (dots between names). */
  readonly has?: Readonly<Record<string, unknown>>
  readonly type?: string
  readonly warnings?: readonly string[]
}
function at(json: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as Json | undefined)?.[name], json)
}
const notFoundText = (name: string): string => `things.test "${name}" not found`

/** Each row is asked of a new server that has things a and b. */
const rows: Readonly<Record<string, readonly Row[]>> = {
  get: [
    {
      name: 'an object',
      asked: { target: ONE },
      status: 200,
      has: { kind: 'Thing', apiVersion: 'test/v1', 'metadata.name': 'a', 'metadata.namespace': 'ns', 'data.a': '1' },
      type: 'application/json',
    },
    {
      name: 'none',
      asked: { target: `${ALL}/z` },
      status: 404,
      has: {
        kind: 'Status',
        reason: 'NotFound',
        message: notFoundText('z'),
        'details.name': 'z',
        'details.kind': 'things',
        'details.group': 'test',
      },
    },
    {
      name: 'another namespace',
      asked: { target: '/namespaces/other/things/a' },
      status: 404,
      has: { message: notFoundText('a') },
    },
    { name: 'as YAML', asked: { target: ONE, accept: 'application/yaml' }, status: 200, type: 'application/yaml' },
    {
      name: 'as protobuf',
      asked: { target: ONE, accept: 'application/vnd.kubernetes.protobuf' },
      status: 200,
      type: 'application/vnd.kubernetes.protobuf',
    },
    {
      name: 'its metadata alone',
      asked: { target: ONE, accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' },
      status: 200,
      has: { kind: 'PartialObjectMetadata', 'metadata.name': 'a', data: undefined },
    },
    {
      name: 'as a table',
      asked: { target: ONE, accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' },
      status: 200,
      has: { kind: 'Table', 'rows.0.cells.0': 'a' },
    },
    {
      name: 'in a form that is not there',
      asked: { target: ONE, accept: 'image/png' },
      status: 406,
      has: { reason: 'NotAcceptable' },
    },
    {
      name: 'a method that is not there',
      asked: { method: 'POST', target: ONE, body: thing('a') },
      status: 405,
      has: { reason: 'MethodNotAllowed' },
    },
    { name: 'HEAD', asked: { method: 'HEAD', target: ONE }, status: 405 },
    {
      name: 'a subresource that is not there',
      asked: { target: `${ONE}/scale` },
      status: 404,
      has: { reason: 'NotFound' },
    },
  ],
  list: [
    {
      name: 'a namespace',
      asked: { target: ALL },
      status: 200,
      has: {
        kind: 'ThingList',
        apiVersion: 'test/v1',
        'items.length': 2,
        'items.0.metadata.name': 'a',
        'items.1.metadata.name': 'b',
      },
    },
    { name: 'all namespaces', asked: { target: '/things' }, status: 200, has: { 'items.length': 2 } },
    {
      name: 'an empty namespace',
      asked: { target: '/namespaces/other/things' },
      status: 200,
      has: { 'items.length': 0 },
    },
    {
      name: 'a page',
      asked: { target: `${ALL}?limit=1` },
      status: 200,
      has: { 'items.length': 1, 'metadata.remainingItemCount': 1 },
    },
    {
      name: 'by name',
      asked: { target: `${ALL}?fieldSelector=metadata.name%3Db` },
      status: 200,
      has: { 'items.length': 1, 'items.0.metadata.name': 'b' },
    },
    {
      name: 'by labels that none has',
      asked: { target: `${ALL}?labelSelector=x%3Dy` },
      status: 200,
      has: { 'items.length': 0 },
    },
    {
      name: 'by a selector that is none',
      asked: { target: `${ALL}?labelSelector=x%3D%3D%3D` },
      status: 400,
      has: { reason: 'BadRequest' },
    },
    {
      name: 'a continue token that is none',
      asked: { target: `${ALL}?continue=x` },
      status: 400,
      has: { reason: 'BadRequest' },
    },
    {
      name: 'as a table',
      asked: { target: ALL, accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' },
      status: 200,
      has: { kind: 'Table', 'rows.length': 2 },
    },
  ],
  create: [
    {
      name: 'an object',
      asked: { method: 'POST', target: ALL, body: thing('c') },
      status: 201,
      has: {
        kind: 'Thing',
        'metadata.name': 'c',
        'metadata.namespace': 'ns',
        'metadata.creationTimestamp': '2026-01-01T00:00:00Z',
        'data.a': '1',
      },
    },
    {
      name: 'a generated name',
      asked: { method: 'POST', target: ALL, body: { ...thing(''), metadata: { generateName: 'x-' } } },
      status: 201,
      has: { 'metadata.generateName': 'x-' },
    },
    {
      name: 'YAML',
      asked: {
        method: 'POST',
        target: ALL,
        type: 'application/yaml',
        body: 'apiVersion: test/v1\nkind: Thing\nmetadata: {name: c}\n',
      },
      status: 201,
      has: { 'metadata.name': 'c' },
    },
    {
      name: 'a dry run has no resourceVersion',
      asked: { method: 'POST', target: `${ALL}?dryRun=All`, body: thing('c') },
      status: 201,
      has: { 'metadata.name': 'c', 'metadata.resourceVersion': undefined },
    },
    {
      name: 'another value of dryRun',
      asked: { method: 'POST', target: `${ALL}?dryRun=Some`, body: thing('c') },
      status: 422,
      has: { reason: 'Invalid' },
    },
    {
      name: 'a name that is taken',
      asked: { method: 'POST', target: ALL, body: thing('a') },
      status: 409,
      has: { reason: 'AlreadyExists', message: 'things.test "a" already exists' },
    },
    {
      name: 'no name',
      asked: { method: 'POST', target: ALL, body: { ...thing(''), metadata: {} } },
      status: 422,
      has: { reason: 'Invalid' },
    },
    {
      name: 'another namespace in the body',
      asked: { method: 'POST', target: ALL, body: thing('c', {}, { namespace: 'x' }) },
      status: 400,
      has: { message: 'the namespace of the provided object does not match the namespace sent on the request' },
    },
    {
      name: 'a form that is not there',
      asked: { method: 'POST', target: ALL, type: 'text/plain', body: 'x' },
      status: 415,
      has: { reason: 'UnsupportedMediaType' },
    },
    { name: 'no JSON', asked: { method: 'POST', target: ALL, body: '{' }, status: 400, has: { reason: 'BadRequest' } },
    {
      name: 'another kind',
      asked: { method: 'POST', target: ALL, body: { ...thing('c'), kind: 'Other' } },
      status: 400,
      has: { reason: 'BadRequest' },
    },
    {
      name: 'a value of the wrong type',
      asked: { method: 'POST', target: ALL, body: thing('c', { a: 1 }) },
      status: 400,
      has: { reason: 'BadRequest' },
    },
    {
      name: 'an unknown field is warned of',
      asked: { method: 'POST', target: ALL, body: { ...thing('c'), foo: 1 } },
      status: 201,
      has: { foo: undefined },
      warnings: ['unknown field "foo"'],
    },
    {
      name: 'an unknown field, ignored',
      asked: { method: 'POST', target: `${ALL}?fieldValidation=Ignore`, body: { ...thing('c'), foo: 1 } },
      status: 201,
      warnings: [],
    },
    {
      name: 'an unknown field, strictly',
      asked: { method: 'POST', target: `${ALL}?fieldValidation=Strict`, body: { ...thing('c'), foo: 1 } },
      status: 400,
      has: { reason: 'BadRequest' },
    },
    { name: 'all namespaces at once', asked: { method: 'POST', target: '/things', body: thing('c') }, status: 405 },
    {
      name: 'an answer in a form that is not there',
      asked: { method: 'POST', target: ALL, body: thing('c'), accept: 'image/png' },
      status: 406,
    },
  ],
  update: [
    {
      name: 'an object',
      asked: { method: 'PUT', target: ONE, body: thing('a', { a: '2' }) },
      status: 200,
      has: { 'data.a': '2', 'metadata.name': 'a' },
    },
    {
      name: 'none',
      asked: { method: 'PUT', target: `${ALL}/z`, body: thing('z') },
      status: 404,
      has: { message: notFoundText('z') },
    },
    {
      name: 'another name in the body',
      asked: { method: 'PUT', target: ONE, body: thing('b') },
      status: 400,
      has: { message: 'the name of the object (b) does not match the name on the URL (a)' },
    },
    {
      name: 'no name in the body',
      asked: { method: 'PUT', target: ONE, body: { ...thing(''), metadata: {} } },
      status: 400,
      has: { message: 'the name of the object (a based on URL) was undeterminable: name must be provided' },
    },
    {
      name: 'another version than the stored one',
      asked: { method: 'PUT', target: ONE, body: thing('a', {}, { resourceVersion: '1' }) },
      status: 409,
      has: {
        reason: 'Conflict',
        message:
          'Operation cannot be fulfilled on things.test "a": the object has been modified; please apply your changes to the latest version and try again',
      },
    },
    {
      name: 'another uid',
      asked: { method: 'PUT', target: ONE, body: thing('a', {}, { uid: 'x' }) },
      status: 409,
      has: { reason: 'Conflict' },
    },
    {
      name: 'a form that is not there',
      asked: { method: 'PUT', target: ONE, type: 'text/plain', body: 'x' },
      status: 415,
    },
    { name: 'a collection', asked: { method: 'PUT', target: ALL, body: thing('a') }, status: 405 },
    {
      name: 'a dry run',
      asked: { method: 'PUT', target: `${ONE}?dryRun=All`, body: thing('a', { a: '2' }) },
      status: 200,
      has: { 'data.a': '2' },
    },
    {
      name: 'a subresource',
      asked: { method: 'PUT', target: `${ONE}/status`, body: thing('a', { a: '3' }) },
      status: 200,
      has: { 'data.a': '3' },
    },
  ],
  patch: [
    {
      name: 'a merge patch',
      asked: { method: 'PATCH', target: ONE, type: MERGE_PATCH, body: { data: { a: null, b: '2' } } },
      status: 200,
      has: { 'data.a': undefined, 'data.b': '2' },
    },
    {
      name: 'a JSON patch',
      asked: { method: 'PATCH', target: ONE, type: JSON_PATCH, body: [{ op: 'replace', path: '/data/a', value: '2' }] },
      status: 200,
      has: { 'data.a': '2' },
    },
    {
      name: 'a strategic merge patch',
      asked: {
        method: 'PATCH',
        target: ONE,
        type: 'application/strategic-merge-patch+json',
        body: { data: { $patch: 'replace', z: '1' } },
      },
      status: 200,
      has: { 'data.a': undefined, 'data.z': '1' },
    },
    {
      name: 'none',
      asked: { method: 'PATCH', target: `${ALL}/z`, type: MERGE_PATCH, body: {} },
      status: 404,
      has: { message: notFoundText('z') },
    },
    {
      name: 'a test that fails',
      asked: { method: 'PATCH', target: ONE, type: JSON_PATCH, body: [{ op: 'test', path: '/data/a', value: '9' }] },
      status: 422,
    },
    {
      name: 'no JSON',
      asked: { method: 'PATCH', target: ONE, type: MERGE_PATCH, body: '{' },
      status: 400,
      has: { reason: 'BadRequest' },
    },
    {
      name: 'another name',
      asked: { method: 'PATCH', target: ONE, type: MERGE_PATCH, body: { metadata: { name: 'x' } } },
      status: 400,
    },
    {
      name: 'another kind',
      asked: { method: 'PATCH', target: ONE, type: MERGE_PATCH, body: { kind: 'Other' } },
      status: 422,
    },
    {
      name: 'a value of the wrong type',
      asked: { method: 'PATCH', target: ONE, type: MERGE_PATCH, body: { data: { a: 1 } } },
      status: 422,
      has: { reason: 'Invalid' },
    },
    {
      name: 'a form that is not there',
      asked: { method: 'PATCH', target: ONE, body: {} },
      status: 415,
      has: { reason: 'UnsupportedMediaType' },
    },
    {
      name: 'force without apply',
      asked: { method: 'PATCH', target: `${ONE}?force=true`, type: MERGE_PATCH, body: {} },
      status: 422,
      has: { reason: 'Invalid' },
    },
    {
      name: 'a version that is not the stored one',
      asked: { method: 'PATCH', target: ONE, type: MERGE_PATCH, body: { metadata: { resourceVersion: '1' } } },
      status: 409,
      has: { reason: 'Conflict' },
    },
    {
      name: 'a dry run',
      asked: { method: 'PATCH', target: `${ONE}?dryRun=All`, type: MERGE_PATCH, body: { data: { a: '2' } } },
      status: 200,
      has: { 'data.a': '2' },
    },
  ],
  delete: [
    {
      name: 'an object',
      asked: { method: 'DELETE', target: ONE },
      status: 200,
      has: {
        kind: 'Status',
        status: 'Success',
        'details.name': 'a',
        'details.kind': 'things',
        'details.group': 'test',
        code: undefined,
      },
    },
    { name: 'none', asked: { method: 'DELETE', target: `${ALL}/z` }, status: 404, has: { message: notFoundText('z') } },
    {
      name: 'another uid',
      asked: {
        method: 'DELETE',
        target: ONE,
        body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'x' } },
      },
      status: 409,
      has: { reason: 'Conflict' },
    },
    { name: 'options that are none', asked: { method: 'DELETE', target: ONE, body: '{' }, status: 400 },
    {
      name: 'two ways to say what becomes of dependents',
      asked: {
        method: 'DELETE',
        target: ONE,
        body: { kind: 'DeleteOptions', apiVersion: 'v1', orphanDependents: true, propagationPolicy: 'Orphan' },
      },
      status: 422,
      has: { reason: 'Invalid' },
    },
    {
      name: 'a dry run',
      asked: { method: 'DELETE', target: `${ONE}?dryRun=All` },
      status: 200,
      has: { status: 'Success' },
    },
  ],
  deletecollection: [
    {
      name: 'all of a namespace',
      asked: { method: 'DELETE', target: ALL },
      status: 200,
      has: { kind: 'ThingList', 'items.length': 2 },
    },
    {
      name: 'what a selector finds',
      asked: { method: 'DELETE', target: `${ALL}?fieldSelector=metadata.name%3Db` },
      status: 200,
      has: { 'items.length': 1, 'items.0.metadata.name': 'b' },
    },
    {
      name: 'as protobuf',
      asked: { method: 'DELETE', target: ALL, accept: 'application/vnd.kubernetes.protobuf' },
      status: 200,
      type: 'application/vnd.kubernetes.protobuf',
    },
    { name: 'all namespaces at once', asked: { method: 'DELETE', target: '/things' }, status: 405 },
  ],
}

function check(answered: Answered, { status, has = {}, type, warnings }: Row): void {
  assert.equal(answered.status, status, answered.text)
  if (type !== undefined) assert.equal(answered.headers['content-type'], type)
  if (warnings) assert.deepEqual(answered.warnings, warnings)
  const entries = Object.entries(has)
  if (entries.length === 0) return
  const json: unknown = JSON.parse(answered.text)
  for (const [path, want] of entries) assert.deepEqual(at(json, path), want, path)
  if (status >= 400) assert.equal(at(json, 'code'), status)
}
for (const [verb, list] of Object.entries(rows))
  for (const row of list)
    test(`${verb}: ${row.name}: ${row.status}`, async () => {
      await using things = await openThings(['a', 'b'])
      check(await things.ask(row.asked), row)
    })
