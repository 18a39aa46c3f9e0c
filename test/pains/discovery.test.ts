/** Discovery that a dead backend can neither slow nor break; who is to blame, and what is held up by it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, createServer as createHole, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { Fault } from '../../fixtures/backends/faults.ts'
import { headerOf } from '../../fixtures/backends/seen-requests.ts'
import { type Condition, registerBackend, registerSample, untilCondition } from '../harness/backends.ts'
import { AGGREGATED, aggregated } from '../harness/discovery-documents.ts'
import { etcdMissing, startEtcd } from '../harness/etcd.ts'
import { installedKubectls, Kubectl } from '../harness/kubectl.ts'
import { missingProgram } from '../harness/programs.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const POLICIES = '/apis/gateway.portico.dev/v1alpha1/backendpolicies'
const FAULTS_MS = process.env['PORTICO_SOAK'] === undefined ? 4000 : 300_000

async function conditionsOf(portico: TestServer, name: string): Promise<readonly Condition[]> {
  const { status } = (await portico.admin.get(`${APISERVICES}/${name}`)).json<{
    status: { conditions?: Condition[] }
  }>()
  return status.conditions ?? []
}
async function untilOther(portico: TestServer, name: string, type: string, status: string): Promise<Condition> {
  let found: Condition | undefined
  await until(`${type}=${status}`, async () => {
    found = (await conditionsOf(portico, name)).find((c) => c.type === type)
    return found?.status === status
  })
  return found!
}

async function startBackend(portico: TestServer, name: string, listener: RequestListener) {
  const { cert, key } = portico.pki.servingFor(name, [`${name}.default.svc`, `${name}.doomed.svc`])
  const server = createServer({ cert, key }, listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
const caBundle = (portico: TestServer): string => Buffer.from(portico.pki.ca().cert).toString('base64')

test('whatever happens to fetches, no group version and no resource leaves discovery', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  await using library = await registerSample(portico, 'library')
  const samples = [garden, library]
  const served = async (): Promise<string[]> => {
    const lists = await Promise.all(samples.map((s) => aggregated(portico, s.definition.group)))
    return lists.flat().flatMap((v) => (v.resources ?? []).map((r) => `${v.version}/${r.resource}`))
  }
  await until('all is discovered', async () => (await served()).length === 2)
  const faults: readonly Fault[] = ['reset', 'status-500', 'reset-mid-body', 'redirect', 'hang']
  const end = Date.now() + FAULTS_MS
  for (let i = 0; Date.now() < end; i++) {
    for (const { sample, apiService } of samples) {
      sample.knobs.fault = faults[i % faults.length]!
      // Another spec: its discovery is fetched at once.
      await portico.admin.patch(`${APISERVICES}/${apiService}`, 'merge', { spec: { versionPriority: 10 + (i % 2) } })
    }
    for (let n = 0; n < 10; n++) {
      assert.equal((await served()).length, 2, `with ${faults[i % faults.length]}`)
      for (const { definition } of samples)
        assert.equal((await portico.admin.get(`/apis/${definition.group}/${definition.version}`)).status, 200)
      await setTimeout(20)
    }
  }
  for (const { sample, apiService } of samples) {
    sample.knobs.fault = 'none'
    await portico.admin.patch(`${APISERVICES}/${apiService}`, 'merge', { spec: { versionPriority: 15 } })
  }
  for (const { definition } of samples)
    await until('it is current', async () => (await aggregated(portico, definition.group))[0]?.freshness === 'Current')
})

const policies = [
  { onUnavailable: 'ServeStale', listed: true, legacy: 200, resources: 1 },
  { onUnavailable: 'Omit', listed: false, legacy: 503, resources: undefined },
  { onUnavailable: 'Fail', listed: true, legacy: 503, resources: 0 },
] as const
for (const { onUnavailable, listed, legacy, resources } of policies) {
  test(`onUnavailable: ${onUnavailable}`, async () => {
    await using portico = await startTestServer()
    const { admin } = portico
    const made = await admin.post(POLICIES, {
      metadata: { name: 'garden' },
      spec: { targets: [{ group: 'garden.example.com' }], onUnavailable },
    })
    assert.equal(made.status, 201, made.text)
    await using garden = await registerSample(portico, 'garden')
    const inAll = async (): Promise<boolean> => (await admin.get('/apis')).text.includes('garden.example.com')
    await until('it is discovered', async () => {
      const [version] = await aggregated(portico, 'garden.example.com')
      return version?.freshness === 'Current' && version.resources?.length === 1
    })
    assert.ok(await inAll())
    await garden.sample.close()
    assert.equal((await admin.get(garden.collection)).status, 503)
    await untilCondition(portico, garden.apiService, (c) => c?.status === 'False')
    await until('discovery follows', async () => (await inAll()) === listed)
    const [version] = await aggregated(portico, 'garden.example.com')
    assert.equal(version?.freshness, listed ? 'Stale' : undefined)
    if (resources !== undefined) assert.equal((version?.resources ?? []).length, resources)
    assert.equal((await admin.get('/apis/garden.example.com/v1')).status, legacy)
    assert.equal((await admin.get('/apis/garden.example.com')).status, listed ? 200 : 503)
    assert.equal((await admin.get(garden.collection)).status, 503)
  })
}

const documents: readonly { name: string; status: number; body: object | string; reason: string }[] = [
  {
    name: 'of another version',
    status: 200,
    body: { kind: 'APIResourceList', groupVersion: 'mis.example.com/v2', resources: [] },
    reason: 'OtherGroupVersion',
  },
  { name: 'that is not there', status: 404, body: {}, reason: 'GroupVersionNotFound' },
  { name: 'that is no document', status: 200, body: '<html>', reason: 'InvalidDocument' },
]
for (const { name, status, body, reason } of documents) {
  test(`a backend with a discovery document ${name} has DiscoveryMismatch, until it is right`, async () => {
    await using portico = await startTestServer()
    const group = 'mis.example.com'
    let right = false
    await using backend = await startBackend(portico, 'mis', (asked, answer) => {
      const isDocument = asked.url === `/apis/${group}/v1`
      answer.setHeader('content-type', 'application/json')
      if (isDocument && !right) answer.writeHead(status)
      const good = { kind: 'APIResourceList', groupVersion: `${group}/v1`, resources: [] }
      answer.end(isDocument && !right ? (typeof body === 'string' ? body : JSON.stringify(body)) : JSON.stringify(good))
    })
    // What is asked for health is well; only discovery is not.
    const probe = { metadata: { name: 'mis' }, spec: { targets: [{ group }], probe: { path: '/healthz' } } }
    assert.equal((await portico.admin.post(POLICIES, probe)).status, 201)
    const definition = { group, version: 'v1', service: { namespace: 'default', name: 'mis' } }
    await registerBackend(portico, { definition, port: backend.port, caBundle: caBundle(portico) })
    const condition = await untilOther(portico, `v1.${group}`, 'DiscoveryMismatch', 'True')
    assert.equal(condition.reason, reason)
    await untilOther(portico, `v1.${group}`, 'Available', 'True')
    right = true
    await portico.admin.patch(`${APISERVICES}/v1.${group}`, 'merge', { spec: { versionPriority: 16 } })
    await untilOther(portico, `v1.${group}`, 'DiscoveryMismatch', 'False')
  })
}

test('a backend in a namespace that is deleted: the condition says so, and one request names what is held up', async () => {
  await using portico = await startTestServer()
  const { admin } = portico
  const group = 'doomed.example.com'
  await admin.post('/api/v1/namespaces', { metadata: { name: 'doomed' } })
  await using backend = await startBackend(portico, 'doomed', (asked, answer) => {
    answer.setHeader('content-type', 'application/json')
    const verbs = ['get', 'list', 'delete']
    const resources = [{ name: 'things', singularName: 'thing', namespaced: true, kind: 'Thing', verbs }]
    const document = { kind: 'APIResourceList', groupVersion: `${group}/v1`, resources }
    answer.end(JSON.stringify(asked.url === `/apis/${group}/v1` ? document : { kind: 'ThingList', items: [] }))
  })
  const definition = { group, version: 'v1', service: { namespace: 'doomed', name: 'doomed' } }
  await registerBackend(portico, { definition, port: backend.port, caBundle: caBundle(portico) })
  await untilCondition(portico, `v1.${group}`, (c) => c?.status === 'True')
  const impact = async () =>
    (await admin.get(`/debug/apiservices/v1.${group}/impact`)).json<{
      available: string
      reason: string
      failingPhase?: string
      discovery: { lastGoodAgeSeconds: number; onUnavailable: string }
      blockedNamespaces: { name: string; reasons: { reason: string }[] }[]
    }>()
  assert.equal((await impact()).available, 'True')
  assert.deepEqual((await impact()).blockedNamespaces, [])

  await admin.delete('/api/v1/namespaces/doomed')
  const condition = await untilCondition(portico, `v1.${group}`, (c) => c?.status === 'False')
  assert.equal(condition.reason, 'BackendNamespaceTerminating')
  assert.match(condition.message, /^the namespace "doomed" of the backend is being deleted: service\/doomed /)
  await until('the namespace says what it waits for', async () => (await impact()).blockedNamespaces.length === 1)
  const found = await impact()
  assert.equal(found.blockedNamespaces[0]?.name, 'doomed')
  assert.equal(found.failingPhase, 'resolve')
  assert.equal(found.reason, 'BackendNamespaceTerminating')
  assert.equal(found.discovery.onUnavailable, 'ServeStale')
  assert.ok(found.discovery.lastGoodAgeSeconds < 60)
  assert.equal((await admin.get('/debug/apiservices/v1.nobody/impact')).status, 404)
  assert.equal((await portico.as('jane').get(`/debug/apiservices/v1.${group}/impact`)).status, 403)
  assert.equal((await portico.anonymous.get(`/debug/apiservices/v1.${group}/impact`)).status, 403)

  await admin.delete(`${APISERVICES}/v1.${group}`)
  await until('the namespace goes', async () => (await admin.get('/api/v1/namespaces/doomed')).status === 404)
})

test('with 10 of 50 backends that swallow everything, discovery is answered from memory and kubectl works', async (t) => {
  await using portico = await startTestServer()
  const { admin } = portico
  await using garden = await registerSample(portico, 'garden')
  const taken = new Set<Socket>()
  const hole = createHole((socket) => taken.add(socket))
  hole.listen(0, '127.0.0.1')
  await once(hole, 'listening')
  await using _ = {
    async [Symbol.asyncDispose]() {
      for (const socket of taken) socket.destroy()
      hole.close()
    },
  }
  const { port } = hole.address() as AddressInfo
  await admin.post('/api/v1/namespaces/default/services', {
    metadata: { name: 'hole' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  for (let i = 0; i < 49; i++) {
    const group = `hole${i}.example.com`
    const service = { namespace: 'default', name: 'hole', port: i < 10 ? port : 1 }
    const spec = { group, version: 'v1', groupPriorityMinimum: 1000, versionPriority: 15, insecureSkipTLSVerify: true }
    assert.equal(
      (await admin.post(APISERVICES, { metadata: { name: `v1.${group}` }, spec: { ...spec, service } })).status,
      201,
    )
  }
  await until('probes hang', () => taken.size > 0)
  await until(
    'garden is discovered',
    async () => (await aggregated(portico, 'garden.example.com'))[0]?.freshness === 'Current',
  )
  // Probes and downloads of this server's own go on meanwhile.
  const asked = (): number =>
    garden.sample.seen.filter((r) => !headerOf(r, 'user-agent').some((agent) => agent.startsWith('portico/'))).length
  const before = asked()
  const paths = ['/apis', '/apis/hole1.example.com', '/apis/garden.example.com', '/apis/garden.example.com/v1']
  for (const path of paths) assert.equal((await admin.get(path)).status, 200, path)
  await until('all are listed', async () => {
    const { groups } = (await admin.get('/apis')).json<{ groups: { name: string }[] }>()
    return groups.filter((g) => g.name.endsWith('.example.com')).length === 50
  })
  const all = await admin.get('/apis', { headers: { accept: AGGREGATED } })
  const again = await admin.get('/apis', {
    headers: { accept: AGGREGATED, 'if-none-match': String(all.headers['etag']) },
  })
  assert.equal(again.status, 304)
  assert.equal(asked(), before, 'no request for discovery goes to a backend')
  for (let i = 0; i < 10; i++) assert.equal((await admin.get(`/apis/hole${i}.example.com/v1`)).status, 503)
  const skip = missingProgram('kubectl', 'kubernetes-client')
  if (skip) return t.diagnostic(skip)
  const [path] = await installedKubectls()
  await using kubectl = await Kubectl.create(path!, portico.kubeconfig)
  const { code, stdout, stderr } = await kubectl.run(['api-resources', '--api-group=garden.example.com'])
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(stdout, /^flowers /m)
})

for (const onUnavailable of ['ServeStale', 'Omit']) {
  const skip = missingProgram('kubectl', 'kubernetes-client')
  test(`every kubectl lists resources without an error while a backend is dead, ${onUnavailable}`, {
    skip,
  }, async () => {
    await using portico = await startTestServer()
    const spec = { targets: [{ group: 'garden.example.com' }], onUnavailable }
    assert.equal((await portico.admin.post(POLICIES, { metadata: { name: 'garden' }, spec })).status, 201)
    await using garden = await registerSample(portico, 'garden')
    await until(
      'garden is discovered',
      async () => (await aggregated(portico, 'garden.example.com'))[0]?.freshness === 'Current',
    )
    await garden.sample.close()
    await portico.admin.get(garden.collection)
    await untilCondition(portico, garden.apiService, (c) => c?.status === 'False')
    for (const path of await installedKubectls()) {
      await using kubectl = await Kubectl.create(path, portico.kubeconfig)
      const { code, stdout, stderr } = await kubectl.run(['api-resources'])
      assert.deepEqual([code, stderr], [0, ''], kubectl.name)
      assert.match(stdout, /^configmaps /m)
    }
  })
}

test('equal content has an equal ETag on every replica', { skip: etcdMissing() }, async () => {
  await using etcd = await startEtcd()
  const args = [`--etcd-servers=${etcd.members[0]!.url}`]
  await using a = await startTestServer(args)
  await using b = await startTestServer(args)
  await using c = await startTestServer(args)
  const group = 'same.example.com'
  await using backend = await startBackend(a, 'same', (_asked, answer) => {
    answer.setHeader('content-type', 'application/json')
    answer.end(JSON.stringify({ kind: 'APIResourceList', groupVersion: `${group}/v1`, resources: [] }))
  })
  const definition = { group, version: 'v1', service: { namespace: 'default', name: 'same' } }
  await registerBackend(a, { definition, port: backend.port, caBundle: caBundle(a) })
  const etagOf = async (portico: TestServer): Promise<unknown> =>
    (await portico.admin.get('/apis', { headers: { accept: AGGREGATED } })).headers['etag']
  for (const portico of [a, b, c])
    await until('it is current', async () => (await aggregated(portico, group))[0]?.freshness === 'Current')
  const etags = await Promise.all([a, b, c].map(etagOf))
  assert.equal(typeof etags[0], 'string')
  assert.equal(new Set(etags).size, 1, etags.join())
})
