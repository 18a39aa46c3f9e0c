import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRequestInfo, queryFlag, type RequestInfo } from './request-info.ts'

const cases: readonly { method: string; url: string; want: Partial<RequestInfo> }[] = [
  { method: 'GET', url: '/', want: { isResourceRequest: false, verb: 'get', path: '/' } },
  { method: 'POST', url: '/api/v1', want: { isResourceRequest: false, verb: 'post' } },
  { method: 'GET', url: '/apis/apps/v1', want: { isResourceRequest: false, apiGroup: '' } },
  {
    method: 'GET',
    url: '/api/v1/namespaces',
    want: { isResourceRequest: true, verb: 'list', resource: 'namespaces', namespace: '' },
  },
  {
    method: 'GET',
    url: '/api/v1/namespaces/x',
    want: { verb: 'get', resource: 'namespaces', name: 'x', namespace: 'x' },
  },
  {
    method: 'PUT',
    url: '/api/v1/namespaces/x/status',
    want: { verb: 'update', resource: 'namespaces', name: 'x', namespace: 'x', subresource: 'status' },
  },
  { method: 'PUT', url: '/api/v1/namespaces/x/finalize', want: { resource: 'namespaces', subresource: 'finalize' } },
  {
    method: 'GET',
    url: '/api/v1/namespaces/x/pods',
    want: { verb: 'list', resource: 'pods', namespace: 'x', name: '' },
  },
  {
    method: 'GET',
    url: '/api/v1/namespaces/x/pods/p',
    want: { verb: 'get', resource: 'pods', namespace: 'x', name: 'p' },
  },
  { method: 'POST', url: '/api/v1/namespaces/x/pods/p/exec', want: { verb: 'create', subresource: 'exec' } },
  { method: 'GET', url: '/api/v1/namespaces/x/pods?watch', want: { verb: 'watch' } },
  { method: 'GET', url: '/api/v1/namespaces/x/pods?watch=0', want: { verb: 'list' } },
  { method: 'GET', url: '/api/v1/namespaces/x/pods/p?watch=true', want: { verb: 'get', name: 'p' } },
  {
    method: 'GET',
    url: '/api/v1/watch/namespaces/x/pods/p',
    want: { verb: 'watch', resource: 'pods', name: 'p', verbInPath: true },
  },
  {
    method: 'GET',
    url: '/api/v1/proxy/namespaces/x/services/s/a/b',
    want: { verb: 'proxy', resource: 'services', name: 's', subresource: '' },
  },
  {
    method: 'GET',
    url: '/api/v1/pods?fieldSelector=metadata.name=p',
    want: { verb: 'list', name: 'p', fieldSelector: 'metadata.name=p' },
  },
  { method: 'GET', url: '/api/v1/pods?fieldSelector=metadata.name!=p', want: { verb: 'list', name: '' } },
  {
    method: 'DELETE',
    url: '/apis/g/v1/things?labelSelector=a%3Db',
    want: { verb: 'deletecollection', labelSelector: 'a=b', apiGroup: 'g', apiVersion: 'v1' },
  },
  { method: 'DELETE', url: '/apis/g/v1/things/t', want: { verb: 'delete', name: 't' } },
  { method: 'HEAD', url: '/apis/g/v1/things/t', want: { verb: 'get' } },
  { method: 'TRACE', url: '/apis/g/v1/things/t', want: { verb: '', isResourceRequest: true } },
  { method: 'GET', url: '/apis/g/v1//things', want: { isResourceRequest: true, resource: '', name: 'things' } },
]
for (const { method, url, want } of cases) {
  test(`parseRequestInfo: ${method} ${url}`, () => {
    const u = new URL(url, 'https://x')
    const info = parseRequestInfo(method, u.pathname, u.searchParams)
    for (const [key, value] of Object.entries(want)) assert.deepEqual(info[key as keyof RequestInfo], value, key)
  })
}

test('parseRequestInfo: a path that ends after watch is an error', () => {
  assert.throws(
    () => parseRequestInfo('GET', '/api/v1/watch', new URLSearchParams()),
    /unable to determine kind and namespace from url, \/api\/v1\/watch/,
  )
})

test('queryFlag: absent, false and 0 are false; anything else present is true', () => {
  const q = new URLSearchParams('a&b=false&c=0&d=FALSE&e=no')
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((n) => queryFlag(q, n)),
    [true, false, false, false, true, false],
  )
})
