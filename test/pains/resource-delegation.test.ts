/** One group version of two servers: each resource has its owner, and discovery and OpenAPI are one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyBackend } from '../../src/api/backend-policy.ts'
import { untilCondition } from '../harness/backends.ts'
import {
  answerText,
  putPolicy,
  RAW_API_SERVICE,
  RAW_GROUP,
  RAW_PATH,
  RAW_TLS,
  type RawBackend,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const backend = (name: string, { address, port }: RawBackend): PolicyBackend => ({
  name,
  endpoints: [{ address, port }],
  tls: RAW_TLS,
})
const V2 = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }
async function resources(portico: TestServer): Promise<string[]> {
  const { items } = (await portico.admin.get('/apis', { headers: V2 })).json<{
    items: { metadata: { name: string }; versions: { resources?: { resource: string }[] }[] }[]
  }>()
  const group = items.find((g) => g.metadata.name === RAW_GROUP)
  return (group?.versions[0]?.resources ?? []).map((r) => r.resource)
}
async function paths(portico: TestServer): Promise<string[]> {
  const index = (await portico.admin.get('/openapi/v3')).json<{
    paths: Record<string, { serverRelativeURL: string }>
  }>()
  const entry = index.paths[RAW_PATH.slice(1)]
  if (!entry) return []
  const document = (await portico.admin.get(entry.serverRelativeURL)).json<{ paths: Record<string, object> }>()
  return Object.keys(document.paths).sort()
}
async function until<T>(get: () => Promise<T>, wanted: T): Promise<void> {
  const deadline = performance.now() + 15_000
  for (;;) {
    const found = await get()
    if (JSON.stringify(found) === JSON.stringify(wanted)) return
    assert.ok(performance.now() < deadline, JSON.stringify(found))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('a resource that moved is served, listed and described by its new server, the rest by the old one', async () => {
  await using portico = await startTestServer()
  await using old = await startRawBackend(portico, {
    host: '127.0.0.1',
    resources: ['stays', 'moves'],
    handler: answerText('"old"'),
  })
  await using next = await startRawBackend(portico, {
    host: '127.0.0.2',
    resources: ['moves', 'other'],
    handler: answerText('"next"'),
  })
  const before = { backends: [backend('default', old), backend('next', next)] }
  const moved = { ...before, routes: [{ matches: [{ resources: ['moves'] }], to: [{ backend: 'next' }] }] }
  await registerRaw(portico, before)
  await until(() => resources(portico), ['stays', 'moves'])
  const readAs = async (resource: string): Promise<string> => (await portico.admin.get(`${RAW_PATH}/${resource}`)).text
  assert.deepEqual([await readAs('stays'), await readAs('moves')], ['"old"', '"old"'])
  let stop = false
  const seen = new Set<string>()
  const load = (async () => {
    while (!stop) {
      const answer = await portico.admin.get(`${RAW_PATH}/moves`).catch((e: Error) => ({ status: 0, text: e.message }))
      seen.add(`${answer.status} ${answer.text}`)
      if (answer.status === 0) return
    }
  })()
  await putPolicy(portico, moved)
  await until(() => readAs('moves'), '"next"')
  await until(() => resources(portico), ['moves', 'stays'])
  await until(
    () => paths(portico),
    [`${RAW_PATH}/moves`, `${RAW_PATH}/moves/{name}`, `${RAW_PATH}/stays`, `${RAW_PATH}/stays/{name}`],
  )
  assert.equal(await readAs('stays'), '"old"')
  const list = (await portico.admin.get(RAW_PATH)).json<{ resources: { name: string }[] }>()
  assert.deepEqual(
    list.resources.map((r) => r.name),
    ['moves', 'stays'],
  )
  stop = true
  await load
  assert.deepEqual([...seen].sort(), ['200 "next"', '200 "old"'], 'and no error in between')
})

test('a resource of a group served here may be delegated elsewhere', async () => {
  await using portico = await startTestServer()
  await using remote = await startRawBackend(portico, {
    handler: answerText('"remote"'),
    anyGroup: 'coordination.k8s.io',
  })
  await registerRaw(portico, {}, { wait: false })
  await putPolicy(
    portico,
    {
      targets: [{ apiService: 'v1.coordination.k8s.io' }],
      backends: [backend('leasing', remote)],
      routes: [{ matches: [{ resources: ['remotes'] }], to: [{ backend: 'leasing' }] }],
    } as object,
    'leasing',
  )
  const path = '/apis/coordination.k8s.io/v1'
  await until(async () => (await portico.admin.get(`${path}/namespaces/default/remotes`)).text, '"remote"')
  assert.equal((await portico.admin.get(`${path}/leases`)).json<{ kind: string }>().kind, 'LeaseList')
  await until(async () => {
    const list = { resources: [], ...(await portico.admin.get(path)).json<{ resources?: { name: string }[] }>() }
    return list.resources.map((r) => r.name)
  }, ['leases', 'remotes'])
})

test('a backend without OpenAPI is told once in a condition, and one with openAPI None is not asked', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, { openapi: false })
  await registerRaw(portico, { backends: [backend('default', raw)] })
  await portico.admin.get('/openapi/v3')
  const told = await untilCondition(portico, RAW_API_SERVICE, (c) => c?.status === 'True', 'NoOpenAPI')
  assert.equal(told.reason, 'NotFound')
  const asked = raw.asked.filter((url) => url.startsWith('/openapi/')).length
  assert.ok(asked > 0)
  await putPolicy(portico, { backends: [backend('default', raw)], openAPI: 'None' })
  await until(async () => (await portico.admin.get(`${RAW_PATH}/things`)).status, 200)
  assert.equal(raw.asked.filter((url) => url.startsWith('/openapi/')).length, asked)
})
