/** What becomes of routes, documents, conditions and metrics when APIServices change, go, or lead to strange backends. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { registerBackend, registerSample, untilCondition } from '../harness/backends.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const LEASES = '/apis/coordination.k8s.io/v1'
let portico: TestServer
before(async () => {
  portico = await startTestServer()
})
after(() => portico.stop())

/** Asks again until it is so; Fails after 15 s. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const giveUp = Date.now() + 15_000
  while (!(await holds())) {
    if (Date.now() > giveUp) assert.fail(`not within 15 s: ${what}`)
    await setTimeout(1)
  }
}

type Answers = Readonly<Record<string, { type?: string; body: string }>>

/** A backend that answers what a test gives it, and `{}` elsewhere. */
async function startBackend(
  name: string,
  answers: Answers,
): Promise<AsyncDisposable & { port: number; seen: string[] }> {
  const { cert, key } = portico.pki.servingFor(name, [`${name}.default.svc`])
  const seen: string[] = []
  const server = createServer({ cert, key }, (request, response) => {
    const path = request.url!.split('?')[0]!
    seen.push(request.url!)
    const found = answers[path]
    response.setHeader('content-type', found?.type ?? 'application/json')
    response.end(found?.body ?? '{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
const caBundle = (): string => Buffer.from(portico.pki.ca().cert).toString('base64')
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

interface ConditionRow {
  type: string
  status: string
  reason: string
  message: string
}
async function writeConditions(name: string, change: (all: ConditionRow[]) => ConditionRow[]): Promise<string> {
  for (;;) {
    const object = (await portico.admin.get(`${APISERVICES}/${name}`)).json<{
      status: { conditions: ConditionRow[] }
    }>()
    const status = { ...object.status, conditions: change(object.status.conditions ?? []) }
    const answer = await portico.admin.put(`${APISERVICES}/${name}/status`, { ...object, status })
    if (answer.status === 409) continue
    assert.equal(answer.status, 200, answer.text)
    return answer.json<{ metadata: { resourceVersion: string } }>().metadata.resourceVersion
  }
}

test('an Available condition that a client removes or falsifies is put right at once', async () => {
  await using garden = await registerSample(portico, 'garden')
  const falsified = (all: ConditionRow[]): ConditionRow[] => all.map((c) => ({ ...c, status: 'False', reason: 'Made' }))
  for (const name of ['v1.', garden.apiService]) {
    const startMs = Date.now()
    for (const change of [() => [], falsified]) {
      await writeConditions(name, change)
      await untilCondition(portico, name, (c) => c?.status === 'True')
    }
    assert.ok(Date.now() - startMs < 10_000, `${name} was put right by a periodic check only`)
  }
  await portico.admin.delete(`${APISERVICES}/${garden.apiService}`)
})

test('a local group version goes to a backend with an APIService, and comes back whole without it', async () => {
  const name = 'v1.coordination.k8s.io'
  const resources = [
    {
      resource: 'barriers',
      responseKind: { group: 'coordination.k8s.io', version: 'v1', kind: 'Barrier' },
      scope: 'Namespaced',
      singularResource: 'barrier',
      verbs: ['get'],
    },
  ]
  const group = { metadata: { name: 'coordination.k8s.io' }, versions: [{ version: 'v1', resources }] }
  await using backend = await startBackend('takeover', {
    '/apis': { type: AGGREGATED, body: JSON.stringify({ items: [group] }) },
    '/openapi/v2': {
      body: JSON.stringify({ swagger: '2.0', paths: { [`${LEASES}/barriers`]: {}, '/api/v1/secrets': {} } }),
    },
    '/openapi/v3': {
      body: '{"paths":{"apis/coordination.k8s.io/v1":{"serverRelativeURL":"/openapi/v3/x"},"api/v1":{"serverRelativeURL":"/openapi/v3/x"}}}',
    },
    '/openapi/v3/x': {
      body: JSON.stringify({ openapi: '3.0.0', paths: { [`${LEASES}/barriers`]: {}, '/api/v1/secrets': {} } }),
    },
    [`${LEASES}/barriers`]: { body: '{"kind":"BarrierList","items":[]}' },
  })
  const { admin } = portico
  const legacy = async (): Promise<string[]> => {
    const { resources: list = [] } = (await admin.get(LEASES)).json<{ resources?: { name: string }[] }>()
    return list.map((r) => r.name)
  }
  const aggregated = async (): Promise<string[]> => {
    const { items } = (await admin.get('/apis', { headers: { accept: AGGREGATED } })).json<{
      items: { metadata: { name: string }; versions: { resources?: { resource: string }[] }[] }[]
    }>()
    const found = items.find((g) => g.metadata.name === 'coordination.k8s.io')
    return found?.versions.flatMap((v) => (v.resources ?? []).map((r) => r.resource)) ?? []
  }
  const v3 = async (): Promise<string> => (await admin.get('/openapi/v3/apis/coordination.k8s.io/v1')).text
  const secretsBefore = (await admin.get('/openapi/v3/api/v1')).text

  const { spec } = (await admin.get(`${APISERVICES}/${name}`)).json<{ spec: object }>()
  await admin.post('/api/v1/namespaces/default/services', {
    metadata: { name: 'takeover' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  const service = { namespace: 'default', name: 'takeover', port: backend.port }
  const taken = await admin.patch(`${APISERVICES}/${name}`, 'merge', {
    metadata: { labels: { 'kube-aggregator.kubernetes.io/automanaged': null } },
    spec: { ...spec, service, caBundle: caBundle() },
  })
  assert.equal(taken.status, 200, taken.text)
  await until('requests go to the backend', async () =>
    (await admin.get(`${LEASES}/barriers`)).text.includes('Barrier'),
  )
  await until('legacy discovery is the backend', async () => (await legacy()).includes('barriers'))
  await until('aggregated discovery is the backend', async () => (await aggregated()).includes('barriers'))
  await until('OpenAPI is the backend', async () => (await v3()).includes('barriers'))
  assert.ok(!(await v3()).includes('/api/v1/secrets'), 'paths of others are left out')
  assert.equal((await admin.get('/openapi/v3/api/v1')).text, secretsBefore, 'no other group version is spoken for')
  assert.ok(!(await aggregated()).includes('leases'))

  assert.equal((await admin.delete(`${APISERVICES}/${name}`)).status, 200)
  await untilCondition(portico, name, (c) => c?.reason === 'Local')
  await until('requests are served here', async () => (await admin.get(`${LEASES}/leases`)).text.includes('LeaseList'))
  await until('legacy discovery is local', async () => (await legacy()).includes('leases'))
  await until('aggregated discovery is local', async () => (await aggregated()).join() === 'leases')
  await until('OpenAPI is local', async () => (await v3()).includes('LeaseList'))
  await until('OpenAPI v2 is local', async () => !(await admin.get('/openapi/v2')).text.includes('barriers'))
  const asked = backend.seen.length
  await admin.get(`${LEASES}/leases`)
  assert.equal(backend.seen.length, asked)
})

test('an APIService that is deleted leaves no route, no document and no series behind', async () => {
  await using backend = await startBackend('cycled', {})
  const { admin } = portico
  const service = { namespace: 'default', name: 'cycled' }
  const seriesOf = async (group: string): Promise<string[]> =>
    (await admin.get('/metrics')).text.split('\n').filter((line) => line.includes(`v1.${group}"`))
  for (let n = 0; n < 10; n++) {
    const group = `g${n}.cycled.example.com`
    await registerBackend(portico, {
      definition: { group, version: 'v1', service },
      port: backend.port,
      caBundle: caBundle(),
    })
    await untilCondition(portico, `v1.${group}`, (c) => c?.status === 'True')
    assert.equal((await admin.get(`/apis/${group}/v1/things`)).status, 200)
    assert.ok((await seriesOf(group)).length > 0)
    assert.equal((await admin.delete(`${APISERVICES}/v1.${group}`)).status, 200)
    await until('the route is gone', async () => (await admin.get(`/apis/${group}/v1/things`)).status === 404)
    await until('the series are gone', async () => (await seriesOf(group)).length === 0)
    await until('discovery is gone', async () => !(await admin.get('/apis')).text.includes(group))
    await until('OpenAPI is gone', async () => !(await admin.get('/openapi/v3')).text.includes(group))
  }
})

test('a backend with documents of the wrong types breaks nothing but itself', async () => {
  const group = 'wild.example.com'
  const items = [
    {
      metadata: { name: group },
      versions: [{ version: 'v1', resources: [{ resource: 'a', verbs: 5, responseKind: null }] }],
    },
    { metadata: { name: 'apps' }, versions: [{ version: 'v1', resources: [] }] },
  ]
  const deep = `{"openapi":"3.0.0","paths":{"/apis/${group}/v1/a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`
  await using backend = await startBackend('wild', {
    '/apis': { type: AGGREGATED, body: JSON.stringify({ items }) },
    [`/apis/${group}/v1`]: {
      body: '{"resources":[{"name":"a","verbs":null,"namespaced":true},{"name":"b/__proto__"}]}',
    },
    '/openapi/v2': {
      body: JSON.stringify({
        paths: { [`/apis/${group}/v1/a`]: { get: { tags: [{ toString: 5 }], parameters: [null] } } },
        definitions: { __proto__: 5, D: { 'x-kubernetes-group-version-kind': [null] } },
      }),
    },
    '/openapi/v3': { body: `{"paths":{"apis/${group}/v1":{"serverRelativeURL":"/openapi/v3/deep"}}}` },
    '/openapi/v3/deep': { body: deep },
  })
  const { admin } = portico
  const service = { namespace: 'default', name: 'wild' }
  await registerBackend(portico, {
    definition: { group, version: 'v1', service },
    port: backend.port,
    caBundle: caBundle(),
  })
  await untilCondition(portico, `v1.${group}`, (c) => c?.status === 'True')
  await until('it was asked for OpenAPI', async () => backend.seen.includes('/openapi/v3/deep'))
  for (const path of ['/apis', '/openapi/v2', '/openapi/v3', '/api/v1']) {
    for (const accept of ['application/json', `${AGGREGATED},application/json`])
      assert.equal((await admin.get(path, { headers: { accept } })).status, 200, path)
  }
  const headers = { accept: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf' }
  assert.equal((await admin.get('/openapi/v2', { headers })).status, 200)
  await until('what it says right is taken', async () => (await admin.get(`/apis/${group}/v1`)).text.includes('"a"'))
  assert.ok(!(await admin.get('/apis', { headers: { accept: AGGREGATED } })).text.includes('"apps"'))

  await admin.post('/api/v1/namespaces', { metadata: { name: 'short-lived' } })
  await admin.delete('/api/v1/namespaces/short-lived')
  await until('the namespace is gone', async () => (await admin.get('/api/v1/namespaces/short-lived')).status === 404)
  await admin.delete(`${APISERVICES}/v1.${group}`)
})

/** As it stands: other clients resolve dots before they send. */
function statusOf(path: string): Promise<number | undefined> {
  const { cert, key } = portico.pki.admin()
  return new Promise((resolve, reject) => {
    const { port } = new URL(portico.url)
    request({ host: '127.0.0.1', port, path, cert, key, ca: portico.pki.ca().cert, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .on('error', reject)
      .end()
  })
}

test('a path that a backend could resolve to another one never reaches it', async () => {
  const group = 'dots.example.com'
  await using backend = await startBackend('dots', {})
  const service = { namespace: 'default', name: 'dots' }
  await registerBackend(portico, {
    definition: { group, version: 'v1', service },
    port: backend.port,
    caBundle: caBundle(),
  })
  await untilCondition(portico, `v1.${group}`, (c) => c?.status === 'True')
  const root = `/apis/${group}/v1/namespaces/a/flowers`
  assert.equal(await statusOf(`${root}/x..y`), 200)
  const asked = backend.seen.length
  for (const end of ['..', '%2e%2E/b', '../../b/flowers', './x', 'x%2F..%2F..', '%zz', '%ff'])
    assert.equal(await statusOf(`${root}/${end}`), 400, end)
  assert.ok(!backend.seen.slice(asked).some((path) => path.includes('/flowers')))
  await portico.admin.delete(`${APISERVICES}/v1.${group}`)
})
