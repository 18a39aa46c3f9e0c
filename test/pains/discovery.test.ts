/** Discovery that a dead backend can neither slow nor break; who is to blame, and what is held up by it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { DataDir } from '../../src/app/data-dir.ts'
import { Pki } from '../../src/app/pki.ts'
import type { Fault } from '../../fixtures/backends/faults.ts'
import { type Condition, registerBackend, registerSample, untilCondition } from '../harness/backends.ts'
import { freePort } from '../harness/prometheus.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const POLICIES = '/apis/gateway.portico.dev/v1alpha1/backendpolicies'
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
const FAULTS_MS = process.env['PORTICO_SOAK'] === undefined ? 4000 : 300_000

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const giveUp = Date.now() + 15_000
  while (!(await holds())) {
    if (Date.now() > giveUp) assert.fail(`not within 15 s: ${what}`)
    await setTimeout(20)
  }
}

interface Version {
  readonly version: string
  readonly freshness: string
  readonly resources?: readonly { readonly resource: string }[]
}
async function aggregated(portico: TestServer, group: string): Promise<readonly Version[]> {
  const { items } = (await portico.admin.get('/apis', { headers: { accept: AGGREGATED } })).json<{
    items: { metadata: { name: string }; versions: Version[] }[]
  }>()
  return items.find((g) => g.metadata.name === group)?.versions ?? []
}
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

test('cold start with every backend down: ready soon, 503 and never 404, discovery as it was', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'portico-cold-'))
  try {
    const paths: string[] = []
    {
      await using portico = await startTestServer(['--storage-backend=embedded'], { dataDir })
      await using garden = await registerSample(portico, 'garden')
      await using library = await registerSample(portico, 'library')
      for (const { definition } of [garden, library])
        await until('it is discovered', async () => {
          const [version] = await aggregated(portico, definition.group)
          return version?.resources?.[0]?.resource === definition.resource
        })
      paths.push(garden.collection, library.collection)
    }
    const port = await freePort()
    const pki = new Pki(new DataDir(dataDir), () => Date.now())
    const { cert, key } = pki.admin()
    const seen = new Set<number>()
    const statusOf = (path: string): Promise<number> =>
      new Promise((resolve) => {
        const asked = request(
          { host: '127.0.0.1', port, path, cert, key, ca: pki.ca().cert, agent: false },
          (answer) => {
            answer.resume()
            resolve(answer.statusCode!)
          },
        )
        asked.on('error', () => resolve(0)).end()
      })
    const done = new AbortController()
    // A test that fails must end, too.
    using _ = { [Symbol.dispose]: () => done.abort() }
    const asking = (async () => {
      while (!done.signal.aborted) {
        for (const path of paths) seen.add(await statusOf(path))
        await setTimeout(1)
      }
    })()
    const startedMs = performance.now()
    await using portico = await startTestServer(['--storage-backend=embedded', `--secure-port=${port}`], { dataDir })
    const readyMs = performance.now() - startedMs
    assert.ok(readyMs < 3000, `ready after ${readyMs} ms`)
    for (const group of ['garden.example.com', 'library.example.com']) {
      const [version, ...others] = await aggregated(portico, group)
      assert.equal(others.length, 0)
      assert.equal(version?.freshness, 'Stale')
      assert.equal(version.resources?.length, 1)
      assert.match((await portico.admin.get('/apis')).text, new RegExp(group))
      const legacy = await portico.admin.get(`/apis/${group}/${version.version}`)
      assert.equal(legacy.status, 200)
      assert.match(legacy.text, new RegExp(`"name":"${version.resources![0]!.resource}"`))
    }
    await untilCondition(portico, 'v1.garden.example.com', (c) => c?.status === 'False')
    done.abort()
    await asking
    assert.deepEqual(
      [...seen].filter((s) => s !== 0 && s !== 503),
      [],
    )
    assert.ok(seen.has(503))
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
})

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
