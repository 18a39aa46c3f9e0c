/** The forms of discovery agree: what a backend names, when it is there, and what nobody serves. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { registerBackend, registerSample, untilCondition } from '../harness/backends.ts'
import { AGGREGATED, aggregated } from '../harness/discovery-documents.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

interface ResourceList {
  resources: { name: string; kind: string; verbs: string[] }[]
}
const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'

/** A backend that answers as the listener says, registered as `<version>.<group>`. */
async function registered(portico: TestServer, group: string, listener: RequestListener): Promise<AsyncDisposable> {
  const server = createServer(portico.pki.servingFor('metrics', ['metrics.default.svc']), listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await registerBackend(portico, {
    definition: { group, version: 'v1', service: { namespace: 'default', name: 'metrics' } },
    port: (server.address() as AddressInfo).port,
    caBundle: Buffer.from(portico.pki.ca().cert).toString('base64'),
  })
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

function send(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
const resourceList = (group: string, names: readonly string[]): object => ({
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: `${group}/v1`,
  resources: names.map((name) => ({
    name,
    singularName: '',
    namespaced: true,
    kind: 'MetricValueList',
    verbs: ['get'],
  })),
})

test('the legacy form names what the backend names; parents that it does not serve stand in the aggregated form alone', async () => {
  await using portico = await startTestServer()
  const group = 'custom.metrics.example.com'
  const names = ['*/cloud|bytes', 'deployments.apps/lag', 'namespaces/requests', 'pods/requests']
  await using _metrics = await registered(portico, group, (request, response) => {
    if (request.url === `/apis/${group}/v1`) send(response, resourceList(group, names))
    else send(response, {}, 404)
  })
  await untilCondition(portico, `v1.${group}`, (c) => c?.status === 'True')
  await until('it is in memory', async () => (await aggregated(portico, group))[0]?.resources?.length === 4)
  const legacy = (await portico.admin.get(`/apis/${group}/v1`)).json<ResourceList>()
  assert.deepEqual(
    legacy.resources.map((r) => r.name),
    names,
  )
  assert.ok(legacy.resources.every((r) => r.kind === 'MetricValueList' && r.verbs.length > 0))
})

test('a backend without resources has an empty list', async () => {
  await using portico = await startTestServer()
  const group = 'external.metrics.example.com'
  await using _metrics = await registered(portico, group, (request, response) => {
    if (request.url === `/apis/${group}/v1`) send(response, resourceList(group, []))
    else send(response, {}, 404)
  })
  await untilCondition(portico, `v1.${group}`, (c) => c?.status === 'True')
  const legacy = await portico.admin.get(`/apis/${group}/v1`)
  assert.equal(legacy.status, 200)
  assert.deepEqual(legacy.json<ResourceList>().resources, [])
})

test('who sees Available=True gets the group version, from the backend itself where it is not in memory yet', async () => {
  await using portico = await startTestServer()
  const group = 'slow.example.com'
  const held: (() => void)[] = []
  let asked = 0
  await using _slow = await registered(portico, group, (request, response) => {
    if (request.url === `/apis/${group}/v1`) {
      asked++
      return send(response, resourceList(group, ['things']))
    }
    // Its aggregated form takes its time: meanwhile nothing is known of it.
    if (request.url === '/apis') return void held.push(() => send(response, {}, 404))
    send(response, {}, 404)
  })
  await untilCondition(portico, `v1.${group}`, (c) => c?.status === 'True')
  const before = asked
  const legacy = await portico.admin.get(`/apis/${group}/v1`)
  assert.equal(legacy.status, 200)
  assert.deepEqual(
    legacy.json<ResourceList>().resources.map((r) => r.name),
    ['things'],
  )
  await until('the download waits', () => held.length > 0)
  assert.ok(asked > before, 'the backend was asked')
  for (const answer of held) answer()
})

test('within a second of Available=True the group is in every form', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const { group, version } = garden.definition
  const forms: Record<string, () => Promise<boolean>> = {
    legacyGroups: async () => (await portico.admin.get('/apis')).text.includes(group),
    legacyGroup: async () => (await portico.admin.get(`/apis/${group}`)).status === 200,
    legacyVersion: async () => (await portico.admin.get(`/apis/${group}/${version}`)).text.includes('flowers'),
    aggregated: async () => {
      const [found] = await aggregated(portico, group)
      return found?.freshness === 'Current' && found.resources?.length === 1
    },
  }
  for (const [name, holds] of Object.entries(forms)) await until(name, holds, 1000)
})

test('what a stopped backend served is answered with its age', async () => {
  await using portico = await startTestServer()
  const garden = await registerSample(portico, 'garden')
  const path = '/apis/garden.example.com/v1'
  const warningOf = async (): Promise<unknown> => (await portico.admin.get(path)).headers['warning']
  await until('it is in memory', async () => (await portico.admin.get(path)).text.includes('flowers'))
  assert.equal(await warningOf(), undefined)
  await garden[Symbol.asyncDispose]()
  // Requests that fail have it looked at.
  assert.equal((await portico.admin.get(garden.collection)).status, 503)
  await untilCondition(portico, garden.apiService, (c) => c?.status === 'False')
  await until('it is marked', async () => (await warningOf()) !== undefined)
  assert.match(
    String(await warningOf()),
    /^299 - "v1\.garden\.example\.com cannot be asked now: this is what it served \d+s ago"$/,
  )
  assert.ok((await portico.admin.get(path)).text.includes('flowers'))
})

test('an APIService without a backend for what nobody serves is in no form, and says so', async () => {
  await using portico = await startTestServer()
  const local = (group: string, version: string): Promise<unknown> =>
    portico.admin.post(APISERVICES, {
      metadata: { name: `${version}.${group}` },
      spec: { group, version, groupPriorityMinimum: 100, versionPriority: 1 },
    })
  await local('nobody.example.com', 'v1')
  // A group that is served, in a version that is not.
  await local('coordination.k8s.io', 'v9')
  const condition = await untilCondition(portico, 'v1.nobody.example.com', (c) => c?.status === 'False')
  assert.deepEqual(
    [condition.reason, condition.message],
    ['LocalNotServed', 'no server here serves nobody.example.com/v1, and spec.service names none'],
  )
  await untilCondition(portico, 'v9.coordination.k8s.io', (c) => c?.reason === 'LocalNotServed')
  for (const accept of ['application/json', AGGREGATED]) {
    const { text } = await portico.admin.get('/apis', { headers: { accept } })
    assert.ok(!text.includes('nobody.example.com'), accept)
    assert.ok(!text.includes('v9'), accept)
  }
  assert.equal((await portico.admin.get('/apis/nobody.example.com')).status, 404)
  assert.equal((await portico.admin.get('/apis/nobody.example.com/v1')).status, 404)
  const group = (await portico.admin.get('/apis/coordination.k8s.io')).json<{ versions: { version: string }[] }>()
  assert.deepEqual(
    group.versions.map((v) => v.version),
    ['v1'],
  )
  assert.ok(!(await portico.admin.get('/')).text.includes('nobody.example.com'))
  await untilCondition(portico, 'v1.coordination.k8s.io', (c) => c?.reason === 'Local' && c.status === 'True')
})
