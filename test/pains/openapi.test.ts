/** OpenAPI costs nothing until somebody reads it, and then no more than it must. */
import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'node:test'
import { untilCondition } from '../harness/backends.ts'
import {
  namedBackend,
  putPolicy,
  RAW_API_SERVICE,
  RAW_PATH,
  RAW_TLS,
  type RawBackend,
  type RawOptions,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const groupOf = (n: number): string => `g${n}.example.com`
const openApiOf = (raw: RawBackend): string[] => raw.asked.filter((url) => url.startsWith('/openapi/'))

/** By an APIService and a policy; with `wait` it is available when this resolves. */
async function register(portico: TestServer, o: { group: string; port: number; wait?: boolean }): Promise<void> {
  const { group, port } = o
  const name = `v1.${group}`
  const post = async (path: string, body: object): Promise<void> => {
    const { status, text } = await portico.admin.post(path, body)
    assert.ok(status === 201 || status === 409, text)
  }
  await post('/api/v1/namespaces/default/configmaps', {
    metadata: { name: 'raw-ca' },
    data: { 'ca.crt': portico.pki.ca().cert },
  })
  await post('/apis/gateway.portico.dev/v1alpha1/backendpolicies', {
    metadata: { name: group },
    spec: {
      targets: [{ apiService: name }],
      backends: [{ name: 'default', endpoints: [{ address: '127.0.0.1', port }], tls: RAW_TLS }],
    },
  })
  await post('/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: { name },
    spec: {
      group,
      version: 'v1',
      service: { namespace: 'default', name: 'raw' },
      groupPriorityMinimum: 1000,
      versionPriority: 15,
    },
  })
  if (o.wait !== false) await untilCondition(portico, name, (c) => c?.status === 'True')
}
async function manyBackends(
  portico: TestServer,
  count: number,
  of: (group: string) => RawOptions = () => ({}),
): Promise<AsyncDisposable & { readonly all: readonly RawBackend[] }> {
  const all: RawBackend[] = []
  for (let n = 0; n < count; n++) {
    const group = groupOf(n)
    all.push(await startRawBackend(portico, { anyGroup: group, ...of(group) }))
  }
  await Promise.all(all.map((raw, n) => register(portico, { group: groupOf(n), port: raw.port })))
  return {
    all,
    [Symbol.asyncDispose]: async () => {
      await Promise.all(all.map((raw) => raw.close()))
    },
  }
}
const v2Of = (group: string, definitions: object = {}): object => ({
  swagger: '2.0',
  info: { title: 'raw', version: 'v1' },
  paths: { [`/apis/${group}/v1/remotes`]: { get: { responses: {} } } },
  definitions,
})

test('no backend is asked for OpenAPI before somebody reads it, and then each once', async () => {
  await using portico = await startTestServer()
  await using backends = await manyBackends(portico, 8, (group) => ({ openapiV2: v2Of(group) }))
  const { all } = backends
  // What comes from other changes costs nothing either.
  for (let n = 0; n < 8; n++) {
    const path = `/apis/apiregistration.k8s.io/v1/apiservices/v1.${groupOf(n)}`
    const patched = await portico.admin.patch(path, 'merge', { spec: { versionPriority: 20 } })
    assert.equal(patched.status, 200)
  }
  assert.deepEqual(all.flatMap(openApiOf), [])

  const index = (await portico.admin.get('/openapi/v3')).json<{ paths: Record<string, unknown> }>()
  for (const [n, raw] of all.entries()) {
    const key = `apis/${groupOf(n)}/v1`
    assert.ok(key in index.paths, key)
    assert.deepEqual(openApiOf(raw), ['/openapi/v3', `/openapi/v3/${key}?hash=remotes`])
  }
  const v2 = (await portico.admin.get('/openapi/v2')).json<{ paths: Record<string, unknown> }>()
  for (const [n, raw] of all.entries()) {
    assert.ok(`/apis/${groupOf(n)}/v1/remotes` in v2.paths)
    assert.equal(openApiOf(raw).length, 3)
  }
  for (let i = 0; i < 5; i++)
    for (const path of ['/openapi/v3', '/openapi/v2', `/openapi/v3/apis/${groupOf(0)}/v1`])
      assert.equal((await portico.admin.get(path)).status, 200)
  assert.ok(all.every((raw) => openApiOf(raw).length === 3))
})

test('a backend without OpenAPI is asked once, not by every reader', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, { anyGroup: groupOf(0), openapi: false })
  await register(portico, { group: groupOf(0), port: raw.port })
  for (let i = 0; i < 3; i++) {
    assert.equal((await portico.admin.get('/openapi/v3')).status, 200)
    assert.equal((await portico.admin.get('/openapi/v2')).status, 200)
  }
  await untilCondition(portico, `v1.${groupOf(0)}`, (c) => c?.status === 'True', 'NoOpenAPI')
  // Version 3 looks for a version 2 to convert; version 2 looks for itself.
  assert.deepEqual(openApiOf(raw), ['/openapi/v3', '/openapi/v2', '/openapi/v2'])
})

test('a dead backend and one that hangs neither slow nor break what is read of the others', async () => {
  await using portico = await startTestServer()
  await using well = await startRawBackend(portico, { anyGroup: groupOf(0), openapiV2: v2Of(groupOf(0)) })
  await register(portico, { group: groupOf(0), port: well.port })
  // Nothing listens there any more.
  const gone = createServer()
  gone.listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address() as AddressInfo
  gone.close()
  await register(portico, { group: groupOf(1), port, wait: false })
  await untilCondition(portico, `v1.${groupOf(1)}`, (c) => c?.status === 'False')
  const startedMs = performance.now()
  const index = (await portico.admin.get('/openapi/v3')).json<{ paths: Record<string, unknown> }>()
  assert.ok(performance.now() - startedMs < 2_000, 'a backend that is down is not waited for')
  assert.ok(`apis/${groupOf(0)}/v1` in index.paths)
  assert.ok(!(`apis/${groupOf(1)}/v1` in index.paths))

  // This one passes its probes and hangs on OpenAPI.
  await using stuck = await startRawBackend(portico, { anyGroup: groupOf(2), openapi: 'hangs' })
  await register(portico, { group: groupOf(2), port: stuck.port })
  const v2 = (await portico.admin.get('/openapi/v2')).json<{ paths: Record<string, unknown> }>()
  assert.ok(`/apis/${groupOf(0)}/v1/remotes` in v2.paths)
  const againMs = performance.now()
  await portico.admin.get('/openapi/v2')
  assert.ok(performance.now() - againMs < 1_000, 'only the first reader waits')
})

/** On a loaded machine; without the thread of its own this merge holds the event loop for a second. */
const MOST_HELD_MS = 400

test('a large merge does not hold up the event loop', async () => {
  await using portico = await startTestServer()
  const schema = (n: number): object => ({
    type: 'object',
    description: `what ${n} is for `.repeat(10),
    properties: Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [`field${i}`, { type: 'string', description: 'a field '.repeat(4) }]),
    ),
  })
  await using backends = await manyBackends(portico, 20, (group) => ({
    openapiV2: v2Of(group, Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`${group}.Kind${n}`, schema(n)]))),
  }))
  const held = monitorEventLoopDelay({ resolution: 1 })
  held.enable()
  const { status } = await portico.admin.request('HEAD', '/openapi/v2')
  held.disable()
  assert.equal(status, 200)
  assert.ok(backends.all.every((raw) => openApiOf(raw).length === 1))
  assert.ok(held.max / 1e6 < MOST_HELD_MS, `the event loop was held for ${held.max / 1e6} ms`)
})

test('a backend without OpenAPI is told once in a condition, and one with openAPI None is not asked', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, { openapi: false })
  await registerRaw(portico, { backends: [namedBackend('default', raw)] })
  await portico.admin.get('/openapi/v3')
  const told = await untilCondition(portico, RAW_API_SERVICE, (c) => c?.status === 'True', 'NoOpenAPI')
  assert.equal(told.reason, 'NotFound')
  const asked = openApiOf(raw).length
  assert.ok(asked > 0)
  await putPolicy(portico, { backends: [namedBackend('default', raw)], openAPI: 'None' })
  await until('the policy holds', async () => {
    await portico.admin.get('/openapi/v3')
    return (await portico.admin.get(`${RAW_PATH}/things`)).status === 200
  })
  assert.equal(openApiOf(raw).length, asked)
})
