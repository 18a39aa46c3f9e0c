/** What a person tries first with curl, on the secure and on the insecure port. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Answer, type HttpClient, httpClient } from '../harness/http-client.ts'
import { freePort } from '../harness/prometheus.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

const CURL = { 'user-agent': 'curl/8.5.0', accept: '*/*' }
const ADVERTISED = '192.0.2.7'

interface Row {
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly status: number
  readonly type?: RegExp
  readonly want: RegExp
}
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const JSON_TYPE = /^application\/json$/
const TEXT = /^text\/plain; charset=utf-8$/

const ROWS: readonly Row[] = [
  {
    path: '/',
    status: 200,
    type: JSON_TYPE,
    want: /^\{\n {2}"paths": \[\n {4}"\/api",\n {4}"\/api\/v1",\n {4}"\/apis",/,
  },
  {
    path: '/api',
    status: 200,
    type: JSON_TYPE,
    want: /^\{\n {2}"kind": "APIVersions",\n {2}"versions": \[\n {4}"v1"\n {2}\],\n.*"clientCIDR": "0\.0\.0\.0\/0",\n +"serverAddress": "192\.0\.2\.7:\d+"/s,
  },
  {
    path: '/api/v1',
    status: 200,
    type: JSON_TYPE,
    want: /^\{\n {2}"kind": "APIResourceList",\n {2}"groupVersion": "v1",/,
  },
  {
    path: '/apis',
    status: 200,
    type: JSON_TYPE,
    want: /^\{\n {2}"kind": "APIGroupList",.*"name": "apiregistration\.k8s\.io"/s,
  },
  { path: '/apis/batch/v1', status: 404, type: TEXT, want: /^404 page not found\n$/ },
  {
    path: '/api/v1/gizmos',
    status: 404,
    type: JSON_TYPE,
    want: /"message": "the server could not find the requested resource"/,
  },
  { path: '/version', status: 200, type: JSON_TYPE, want: /"major": "1",\n {2}"minor": "35",/ },
  { path: '/healthz', status: 200, type: TEXT, want: /^ok$/ },
  { path: '/livez/ping', status: 200, type: TEXT, want: /^ok$/ },
  { path: '/livez/log', status: 200, type: TEXT, want: /^ok$/ },
  { path: '/livez/nosuch', status: 404, type: TEXT, want: /^404 page not found\n$/ },
  {
    path: '/readyz?verbose',
    status: 200,
    type: TEXT,
    want: /^\[\+\]ping ok\n\[\+\]log ok\n(\[\+\].* ok\n)+readyz check passed\n$/,
  },
  { path: '/readyz?exclude=ping', status: 200, want: /^ok$/ },
  {
    path: '/api/v1/namespaces/default',
    status: 200,
    type: JSON_TYPE,
    want: /^\{\n {2}"kind": "Namespace",\n {2}"apiVersion": "v1",\n {2}"metadata": \{\n/,
  },
  {
    path: '/api/v1/namespaces/default?pretty=false',
    status: 200,
    type: JSON_TYPE,
    want: /^\{"kind":"Namespace","apiVersion":"v1",/,
  },
  {
    path: '/api/v1/namespaces/default',
    headers: { 'user-agent': 'kubectl/v1.35.0', accept: 'application/json' },
    status: 200,
    type: JSON_TYPE,
    want: /^\{"kind":"Namespace","apiVersion":"v1",/,
  },
  {
    path: '/api/v1/namespaces/default',
    headers: { ...CURL, accept: 'application/yaml' },
    status: 200,
    type: /^application\/yaml$/,
    want: /^apiVersion: v1\nkind: Namespace\n/,
  },
  {
    path: '/api/v1/namespaces',
    headers: { ...CURL, accept: TABLE },
    status: 200,
    type: JSON_TYPE,
    want: /"kind": "Table",/,
  },
  {
    path: '/api/v1/namespaces/default',
    headers: { ...CURL, accept: 'text/html' },
    status: 406,
    want: /"message": "406: Not Acceptable\\n\\nAvailable representations: application\/json, application\/yaml, application\/vnd\.kubernetes\.protobuf"/,
  },
  {
    path: '/api/v1/namespaces/default/configmaps',
    method: 'POST',
    headers: { ...CURL, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'a=b',
    status: 415,
    want: /"reason": "UnsupportedMediaType"/,
  },
  {
    path: '/api/v1/namespaces/default',
    method: 'PATCH',
    headers: { ...CURL, 'content-type': 'application/json' },
    body: '{}',
    status: 415,
    want: /"message": "415: Unsupported Media Type"/,
  },
  {
    path: '/api/v1/namespaces/default',
    method: 'POST',
    headers: CURL,
    body: '{}',
    status: 405,
    want: /"reason": "MethodNotAllowed"/,
  },
  { path: '/api/v1/namespaces/nosuch', status: 404, want: /"message": "namespaces \\"nosuch\\" not found"/ },
]

describe('what a person tries first', () => {
  let portico: TestServer
  let insecure: HttpClient
  before(async () => {
    const port = await freePort()
    portico = await startTestServer([`--insecure-port=${port}`, `--advertise-address=${ADVERTISED}`])
    insecure = httpClient(portico.insecureUrl!)
  })
  after(async () => {
    await insecure.close()
    await portico.stop()
  })
  const clients = (): ReadonlyMap<string, HttpClient> =>
    new Map([
      ['secure', portico.admin],
      ['insecure', insecure],
    ])

  for (const port of ['secure', 'insecure']) {
    for (const row of ROWS) {
      const { method = 'GET', path, status } = row
      test(`${port} port: ${method} ${path} ${row.headers?.['accept'] ?? ''} is ${status}`, async () => {
        const answer = await ask(clients().get(port)!, row)
        assert.equal(answer.status, status, answer.text)
        if (row.type) assert.match(String(answer.headers['content-type']), row.type)
        assert.match(answer.text, row.want)
      })
    }
    test(`${port} port: a watch by the old path comes in chunks`, () => watchesInChunks(clients().get(port)!, port))
    test(`${port} port: discovery is not sent again where its ETag is known`, async () => {
      const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
      const client = clients().get(port)!
      const first = await client.get('/apis', { headers: { accept } })
      const again = await client.get('/apis', { headers: { accept, 'if-none-match': String(first.headers['etag']) } })
      assert.deepEqual([first.status, again.status, again.text], [200, 304, ''])
    })
  }

  test('the address that clients are told has the secure port', async () => {
    const port = new URL(portico.url).port
    assert.match((await insecure.get('/api')).text, new RegExp(`"serverAddress":"${ADVERTISED}:${port}"`))
  })
})

function ask(client: HttpClient, row: Row): Promise<Answer> {
  return client.request(row.method ?? 'GET', row.path, {
    headers: row.headers ?? CURL,
    ...(row.body === undefined ? {} : { body: row.body }),
  })
}

async function watchesInChunks(client: HttpClient, port: string): Promise<void> {
  const collection = '/api/v1/namespaces/default/configmaps'
  const { statusCode, headers, body } = await client.stream(
    '/api/v1/watch/namespaces/default/configmaps?watch=yes&fieldSelector=metadata.name%3D' + port,
    { headers: CURL, signal: AbortSignal.timeout(10_000) },
  )
  assert.equal(statusCode, 200)
  assert.equal(headers['transfer-encoding'], 'chunked')
  assert.equal(headers['content-type'], 'application/json')
  await client.post(collection, { metadata: { name: port } })
  let text = ''
  for await (const chunk of body) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  assert.match(text, new RegExp(`^\\{"type":"ADDED","object":\\{"kind":"ConfigMap".*"name":"${port}"`))
}
