import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { after, before, test } from 'node:test'
import type { Status } from '../../src/api/status-error.ts'
import { headerOf } from '../../fixtures/backends/seen-requests.ts'
import { type RegisteredSample, registerBackend, registerSample, untilCondition } from '../harness/backends.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
let portico: TestServer
let garden: RegisteredSample
before(async () => {
  portico = await startTestServer()
  garden = await registerSample(portico, 'garden')
})
after(async () => {
  await garden[Symbol.asyncDispose]()
  await portico.stop()
})

test('a proxied request carries the caller, and nothing the caller made up', async () => {
  const caller = portico.as('jane', 'gardeners', 'system:masters')
  const headers = {
    'x-remote-user': 'root',
    'X-Remote-Group': 'evil',
    'x-remote-extra-a': 'b',
    X_Remote_User: 'root',
    authorization: 'Bearer stolen',
    'audit-id': 'audit-1',
  }
  const answer = await caller.get(`${garden.collection}?pretty=0&a=b%2Fc`, { headers })
  assert.equal(answer.status, 200, answer.text)
  // Our own downloads may come in meanwhile.
  const seen = garden.sample.seen.findLast((r) => headerOf(r, 'audit-id').includes('audit-1'))!
  assert.equal(seen.url, `${garden.collection}?pretty=0&a=b%2Fc`)
  assert.deepEqual(headerOf(seen, 'x-remote-user'), ['jane'])
  assert.deepEqual(headerOf(seen, 'x-remote-group'), ['gardeners', 'system:masters', 'system:authenticated'])
  assert.deepEqual(headerOf(seen, 'authorization'), [])
  assert.deepEqual(headerOf(seen, 'audit-id'), ['audit-1'])
  assert.deepEqual(headerOf(seen, 'x-forwarded-for'), ['127.0.0.1'])
  assert.deepEqual(headerOf(seen, 'x-forwarded-proto'), ['https'])
  assert.ok(!seen.rawHeaders.some((h) => /evil|x_remote|x-remote-extra-a$/i.test(h)), seen.rawHeaders.join())
  assert.equal(answer.headers['audit-id'], 'audit-1')
  assert.equal(typeof answer.headers['cache-control'], 'string', 'set once')
})

test('objects of a backend are created, changed, watched and deleted through the front', async () => {
  const { admin } = portico
  const list = (await admin.get(garden.collection)).json<{ metadata: { resourceVersion: string } }>()
  const watch = await admin.stream(
    `${garden.collection}?watch=1&resourceVersion=${list.metadata.resourceVersion}&timeoutSeconds=5`,
  )
  assert.equal(
    (await admin.post(garden.collection, { metadata: { name: 'tulip' }, spec: { color: 'red' } })).status,
    201,
  )
  assert.equal((await admin.patch(`${garden.collection}/tulip`, 'merge', { spec: { color: 'blue' } })).status, 200)
  assert.equal((await admin.delete(`${garden.collection}/tulip`)).status, 200)
  const types: string[] = []
  for await (const chunk of watch.body) {
    types.push(
      ...String(chunk)
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { type: string }).type),
    )
    if (types.length === 3) break
  }
  assert.deepEqual(types, ['ADDED', 'MODIFIED', 'DELETED'])
})

test('a watch whose client left is freed at the backend', async () => {
  const gone = new AbortController()
  const watch = await portico.admin.stream(`${garden.collection}?watch=1`, { signal: gone.signal })
  watch.body.on('error', () => {})
  assert.equal(garden.sample.store.watchers, 1)
  gone.abort()
  for (let i = 0; garden.sample.store.watchers > 0 && i < 500; i++)
    await new Promise((resolve) => setImmediate(resolve).unref?.())
  assert.equal(garden.sample.store.watchers, 0)
})

test('local APIServices come back when they are deleted, and go to who takes the label off', async () => {
  const { admin } = portico
  const before = (await admin.get(APISERVICES)).json<{ items: { metadata: { name: string; labels?: object } }[] }>()
    .items
  const local = before.filter((o) => o.metadata.labels).map((o) => o.metadata.name)
  assert.ok(local.includes('v1.') && local.includes('v1.coordination.k8s.io'))
  const selector = 'labelSelector=kube-aggregator.kubernetes.io%2Fautomanaged%3Donstart'
  assert.equal((await admin.delete(`${APISERVICES}?${selector}`)).status, 200)
  for (const name of local) await untilCondition(portico, name, (c) => c?.status === 'True')
  assert.equal((await admin.get('/apis')).json<{ groups: unknown[] }>().groups.length > 4, true)

  const name = 'v1.coordination.k8s.io'
  await admin.patch(`${APISERVICES}/${name}`, 'merge', {
    metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': null } },
    spec: { versionPriority: 99 },
  })
  const taken = (await admin.get(`${APISERVICES}/${name}`)).json<{ spec: { versionPriority: number } }>()
  assert.equal(taken.spec.versionPriority, 99)
})

test('extension-apiserver-authentication is published, repaired, and readable by backends only', async () => {
  const path = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication'
  const backend = portico.as('portico:backend:test', 'portico:backends')
  const { data } = (await backend.get(path)).json<{ data: Record<string, string> }>()
  assert.equal(data['requestheader-client-ca-file'], portico.pki.frontProxyCA().cert)
  assert.deepEqual(JSON.parse(data['requestheader-username-headers']!), ['X-Remote-User'])
  assert.equal((await portico.as('jane').get(path)).status, 403)
  assert.equal((await backend.get('/api/v1/namespaces/kube-system/configmaps')).status, 403)

  const { resourceVersion } = (await portico.admin.get(path)).json<{ metadata: { resourceVersion: string } }>().metadata
  const watch = await portico.admin.stream(
    `/api/v1/namespaces/kube-system/configmaps?watch=1&resourceVersion=${resourceVersion}`,
  )
  await portico.admin.delete(path)
  let text = ''
  for await (const chunk of watch.body) {
    text += String(chunk)
    if (text.includes('"ADDED"')) break
  }
  assert.equal((await backend.get(path)).status, 200)
})

test('backends ask who a token is of and what a user may', async () => {
  const backend = portico.as('portico:backend:test', 'portico:backends')
  const review = await backend.post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: { user: 'jane', groups: ['system:authenticated'], nonResourceAttributes: { path: '/apis', verb: 'get' } },
  })
  assert.equal(review.json<{ status: { allowed: boolean } }>().status.allowed, true)
  const token = await backend.post('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 'nobody' } })
  assert.deepEqual(
    [token.status, token.json<{ status: { authenticated?: boolean } }>().status.authenticated],
    [201, undefined],
  )
  assert.equal(
    (await portico.as('jane').post('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token: 'x' } })).status,
    403,
  )
})

test("the proxy's own errors are a Status, whatever the client accepts", async () => {
  await registerBackend(portico, {
    definition: { group: 'down.example.com', version: 'v1', service: { namespace: 'default', name: 'down' } },
    port: 1,
    insecure: true,
  })
  await untilCondition(portico, 'v1.down.example.com', (c) => c?.reason === 'FailedDiscoveryCheck')
  for (const accept of ['application/json', 'text/html', '*/*']) {
    const answer = await portico.admin.get('/apis/down.example.com/v1/things', { headers: { accept } })
    assert.deepEqual(
      [answer.status, answer.headers['content-type'], answer.headers['retry-after']],
      [503, 'application/json', undefined],
    )
    const { message, reason, code, details } = answer.json<Status>()
    assert.deepEqual([message, reason, code], ['service unavailable', 'ServiceUnavailable', 503])
    assert.deepEqual(details?.causes, [
      { field: 'phase', message: 'unavailable' },
      { field: 'apiService', message: 'v1.down.example.com' },
      { field: 'attempts', message: '0' },
    ])
  }
})

test('each APIService has a readiness path of its own', async () => {
  const { admin } = portico
  assert.equal((await admin.get(`/readyz/apiservices/${garden.apiService}`)).text, 'ok')
  assert.equal((await admin.get('/readyz/apiservices/v1.')).text, 'ok')
  const down = await admin.get('/readyz/apiservices/v1.down.example.com')
  assert.equal(down.status, 500)
  assert.match(down.text, /^internal server error: FailedDiscoveryCheck: failing or missing response from /)
  assert.equal((await admin.get('/readyz/apiservices/v1.unknown')).status, 404)
  assert.equal((await admin.get('/readyz')).text, 'ok', 'backends do not count')
  assert.match((await admin.get('/metrics/slis')).text, /^# HELP kubernetes_healthcheck /)
})

test('a backend that went keeps its resources in discovery, marked Stale, and answers come from memory', async () => {
  const library = await registerSample(portico, 'library')
  const v2 = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }
  interface Discovery {
    items: { metadata: { name: string }; versions: { resources?: { resource: string }[]; freshness: string }[] }[]
  }
  const versionOf = async (): Promise<Discovery['items'][number]['versions'][number] | undefined> =>
    (await portico.admin.get('/apis', { headers: v2 }))
      .json<Discovery>()
      .items.find((g) => g.metadata.name === 'library.example.com')?.versions[0]
  for (let i = 0; (await versionOf())?.resources === undefined && i < 200; i++);
  assert.equal((await versionOf())?.freshness, 'Current')
  await library[Symbol.asyncDispose]()
  await portico.admin.patch(`${APISERVICES}/${library.apiService}`, 'merge', {
    metadata: { annotations: { touched: '1' } },
    spec: { versionPriority: 16 },
  })
  await untilCondition(portico, library.apiService, (c) => c?.status === 'False')
  let stale = await versionOf()
  for (let i = 0; stale?.freshness !== 'Stale' && i < 500; i++) stale = await versionOf()
  assert.deepEqual([stale?.freshness, stale?.resources?.map((r) => r.resource)], ['Stale', ['books']])
  const legacy = await portico.admin.get('/apis/library.example.com/v1alpha1')
  assert.deepEqual(
    [legacy.status, legacy.json<{ resources: { name: string }[] }>().resources.map((r) => r.name)],
    [200, ['books']],
  )
})

test('a backend that never answers delays nobody', async () => {
  const hole = createServer(() => {}) // accepts, and never says a word
  await new Promise<void>((resolve) => hole.listen(0, '127.0.0.1', resolve))
  const { port } = hole.address() as { port: number }
  await registerBackend(portico, {
    definition: { group: 'hole.example.com', version: 'v1', service: { namespace: 'default', name: 'hole' } },
    port,
    insecure: true,
  })
  const startMs = performance.now()
  for (const path of ['/apis', '/apis/hole.example.com', '/apis/garden.example.com/v1', garden.collection])
    assert.equal((await portico.admin.get(path)).status, 200, path)
  assert.equal((await portico.admin.get('/apis/hole.example.com/v1')).status, 503)
  assert.ok(performance.now() - startMs < 2000)
  hole.close()
})
