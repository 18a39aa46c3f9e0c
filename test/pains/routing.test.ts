/** One group version of two servers: each resource has its owner, discovery and OpenAPI are one, clients move by weight. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendPolicySpec } from '../../src/api/backend-policy.ts'
import type { ExplainedBackend } from '../../src/servers/aggregator/diagnosis/explain-backend.ts'
import { aggregated } from '../harness/discovery-documents.ts'
import { HeldClock } from '../harness/held-clock.ts'
import { httpClient } from '../harness/http-client.ts'
import { installedKubectls, Kubectl } from '../harness/kubectl.ts'
import { missingProgram } from '../harness/programs.ts'
import {
  answerText,
  causesOf,
  namedBackend,
  putPolicy,
  RAW_GROUP,
  RAW_PATH,
  type RawHandler,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until, untilTurn } from '../harness/until.ts'

const path = `${RAW_PATH}/things`
const resources = async (portico: TestServer): Promise<string[]> =>
  ((await aggregated(portico, RAW_GROUP))[0]?.resources ?? []).map((r) => r.resource)
async function paths(portico: TestServer): Promise<string[]> {
  const index = (await portico.admin.get('/openapi/v3')).json<{
    paths: Record<string, { serverRelativeURL: string }>
  }>()
  const entry = index.paths[RAW_PATH.slice(1)]
  if (!entry) return []
  const document = (await portico.admin.get(entry.serverRelativeURL)).json<{ paths: Record<string, object> }>()
  return Object.keys(document.paths).sort()
}
/** What this process does, it does soon: asked again and again. */
async function untilEqual<T>(get: () => Promise<T>, wanted: T): Promise<void> {
  let found: T | undefined
  await until(JSON.stringify(wanted), async () => {
    found = await get()
    return JSON.stringify(found) === JSON.stringify(wanted)
  }).catch((e: Error) => assert.deepEqual(found, wanted, e.message))
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
  const before = { backends: [namedBackend('default', old), namedBackend('next', next)] }
  const moved = { ...before, routes: [{ matches: [{ resources: ['moves'] }], to: [{ backend: 'next' }] }] }
  await registerRaw(portico, before)
  await untilEqual(() => resources(portico), ['stays', 'moves'])
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
  await untilEqual(() => readAs('moves'), '"next"')
  await untilEqual(() => resources(portico), ['moves', 'stays'])
  await untilEqual(
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

test('servers that share a group version fail each by itself', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  await using rest = await startRawBackend(portico, { host: '127.0.0.1', resources: ['stays', 'moves'] })
  await using next = await startRawBackend(portico, { host: '127.0.0.2', resources: ['moves'] })
  const get = (resource: string) => portico.admin.get(`${RAW_PATH}/${resource}`)
  await registerRaw(portico, {
    backends: [namedBackend('default', rest), namedBackend('next', next)],
    routes: [{ matches: [{ resources: ['moves'] }], to: [{ backend: 'next' }] }],
  })
  await untilEqual(() => resources(portico), ['moves', 'stays'])
  clock.hold()
  next.handler = answerText('{}', 500)
  const probes = (): number => rest.asked.filter((url) => url === RAW_PATH).length
  const before = probes()
  for (let i = 0; i < 5; i++) assert.equal((await get('moves')).status, 500)
  for (let i = 0; i < 5; i++) assert.equal((await get('stays')).status, 200)
  assert.equal(probes(), before, 'nobody doubts the server for the rest')
  next.handler = answerText('{}')
  clock.run()
  await rest.close()
  await until('the server for the rest is out', async () => causesOf(await get('stays'))['phase'] === 'unavailable')
  assert.equal((await get('moves')).status, 200)
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
      backends: [namedBackend('leasing', remote)],
      routes: [{ matches: [{ resources: ['remotes'] }], to: [{ backend: 'leasing' }] }],
    } as object,
    'leasing',
  )
  const path = '/apis/coordination.k8s.io/v1'
  await untilEqual(async () => (await portico.admin.get(`${path}/namespaces/default/remotes`)).text, '"remote"')
  assert.equal((await portico.admin.get(`${path}/leases`)).json<{ kind: string }>().kind, 'LeaseList')
  await untilEqual(async () => {
    const list = { resources: [], ...(await portico.admin.get(path)).json<{ resources?: { name: string }[] }>() }
    return list.resources.map((r) => r.name)
  }, ['leases', 'remotes'])
  const explained = async (resource: string): Promise<unknown> => {
    const answer = await portico.admin.get(`/debug/routes?path=${path}/namespaces/default/${resource}`)
    const { backend, target, available, route } = answer.json<{ apiService: ExplainedBackend }>().apiService
    return { backend, target, available, because: route?.because }
  }
  assert.deepEqual(await explained('leases'), {
    backend: 'apiservice',
    target: 'local',
    available: undefined,
    because: 'none matches',
  })
  assert.deepEqual(await explained('remotes'), {
    backend: 'leasing',
    target: `${remote.address}:${remote.port}`,
    available: true,
    because: 'matches[0]: resource remotes',
  })
})

test('routes by resource, user, header and weight; clients keep their side', async () => {
  await using portico = await startTestServer()
  const named = (name: string): RawHandler => answerText(JSON.stringify({ name }))
  await using a = await startRawBackend(portico, { host: '127.0.0.1', handler: named('a') })
  await using b = await startRawBackend(portico, { host: '127.0.0.2', handler: named('b') })
  const routed = (weight: number): Omit<BackendPolicySpec, 'targets'> => ({
    backends: [namedBackend('default', a), namedBackend('other', b)],
    routes: [
      { matches: [{ resources: ['moved'] }], to: [{ backend: 'other' }] },
      { matches: [{ users: ['tester'] }], to: [{ backend: 'other' }] },
      { matches: [{ headers: [{ name: 'X-Canary', value: 'yes' }] }], to: [{ backend: 'other' }] },
      {
        to: [
          { backend: 'default', weight: 100 - weight },
          { backend: 'other', weight },
        ],
      },
    ],
  })
  await registerRaw(portico, routed(0))
  const nameOf = async (target: string, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await portico.admin.get(target, { headers })
    assert.equal(answer.status, 200, answer.text)
    return answer.json<{ name: string }>().name
  }
  assert.equal(await nameOf(path), 'a')
  assert.equal(await nameOf(`${RAW_PATH}/moved`), 'b')
  assert.equal(await nameOf(path, { 'x-canary': 'yes' }), 'b')
  assert.equal(await nameOf(path, { 'x-canary': 'no' }), 'a')
  const tester = httpClient(portico.url, {
    ca: portico.pki.ca().cert,
    ...portico.pki.client({ commonName: 'tester', organizations: ['system:masters'] }),
  })
  assert.equal((await tester.get(path)).json<{ name: string }>().name, 'b')
  await tester.close()
  const clients = Array.from({ length: 100 }, (_, i) => ({ 'user-agent': `client-${i}` }))
  let before = new Set<string>()
  for (const weight of [0, 25, 50, 75, 100]) {
    await putPolicy(portico, routed(weight))
    // The change is there when a client that has to move has moved.
    const sides = async (): Promise<Set<string>> => {
      const moved = new Set<string>()
      for (const headers of clients) if ((await nameOf(path, headers)) === 'b') moved.add(headers['user-agent'])
      return moved
    }
    let now = await sides()
    for (let i = 0; Math.abs(now.size - weight) > 20; i++) {
      assert.ok(i < 20, `${now.size} of 100 clients at weight ${weight}`)
      now = await sides()
    }
    for (const client of before) assert.ok(now.has(client), `${client} went back`)
    before = now
  }
  assert.equal(before.size, 100)
})

test('watches stay with the server that they began on, whatever the weights become', async () => {
  await using portico = await startTestServer()
  const events = new Map<string, (text: string) => void>()
  const watched =
    (name: string): RawHandler =>
    ({ url, headers }, response) => {
      if (!url.includes('watch=1')) return answerText(JSON.stringify({ name }))({ url } as never, response)
      response.write('{}\n')
      events.set(`${name} ${headers['user-agent']}`, (text) => response.write(text))
    }
  await using a = await startRawBackend(portico, { host: '127.0.0.1', handler: watched('a') })
  await using b = await startRawBackend(portico, { host: '127.0.0.2', handler: watched('b') })
  const routed = (weight: number): Omit<BackendPolicySpec, 'targets'> => ({
    backends: [namedBackend('default', a), namedBackend('other', b)],
    routes: [
      {
        to: [
          { backend: 'default', weight: 100 - weight },
          { backend: 'other', weight },
        ],
      },
    ],
  })
  await registerRaw(portico, routed(0))
  const { body } = await portico.admin.stream(`${path}?watch=1`, { headers: { 'user-agent': 'informer' } })
  let seen = ''
  body.on('data', (chunk) => (seen += String(chunk))).on('error', () => {})
  await untilTurn('the watch is open', () => seen !== '')
  await putPolicy(portico, routed(100))
  const nameOf = async (): Promise<string> => (await portico.admin.get(path)).json<{ name: string }>().name
  await until('all that is new goes to the other', async () => (await nameOf()) === 'b')
  events.get('a informer')!('{"type":"MODIFIED"}\n')
  await untilTurn('the event passes', () => seen.includes('MODIFIED'))
  assert.equal(events.has('b informer'), false)
  body.destroy()
})

/** OpenAPI of a server, which says of each kind whose words these are. */
function documentsOf(server: string, names: readonly string[]): { openapiV3: object; openapiV2: object } {
  const gvk = (kind: string) => ({ group: RAW_GROUP, version: 'v1', kind })
  const paths = (answer: (ref: string) => object): object =>
    Object.fromEntries(
      names.map((name) => [
        `${RAW_PATH}/${name}`,
        {
          get: {
            'x-kubernetes-action': 'list',
            'x-kubernetes-group-version-kind': gvk(name),
            responses: { 200: { description: 'OK', ...answer(`com.example.raw.v1.${name}`) } },
          },
        },
      ]),
    )
  const types = Object.fromEntries(
    names.map((name) => {
      const size = { type: 'integer', description: `size of ${name} on ${server}` }
      const spec = { type: 'object', description: 'what it is', properties: { size } }
      const type = {
        type: 'object',
        description: `${name} on ${server}`,
        properties: { spec },
        'x-kubernetes-group-version-kind': [gvk(name)],
      }
      return [`com.example.raw.v1.${name}`, type]
    }),
  )
  const info = { title: server, version: 'v1' }
  const reference = (root: string) => (name: string) => ({ schema: { $ref: `#/${root}/${name}` } })
  return {
    openapiV3: {
      openapi: '3.0.0',
      info,
      paths: paths((name) => ({ content: { 'application/json': reference('components/schemas')(name) } })),
      components: { schemas: types },
    },
    openapiV2: { swagger: '2.0', info, paths: paths(reference('definitions')), definitions: types },
  }
}

const skip = missingProgram('kubectl', 'kubernetes-client')
test('kubectl gets, watches and explains the resources of a group version that two servers share', {
  skip,
}, async () => {
  await using portico = await startTestServer()
  const list = (name: string): RawHandler => {
    const item = {
      apiVersion: 'raw.example.com/v1',
      kind: name,
      metadata: { name: `one-of-${name}`, resourceVersion: '1' },
    }
    return ({ url }, response) => {
      if (!url.includes('watch=')) {
        const whole = {
          apiVersion: item.apiVersion,
          kind: `${name}List`,
          metadata: { resourceVersion: '1' },
          items: [item],
        }
        return answerText(JSON.stringify(whole))({ url } as never, response)
      }
      response.setHeader('content-type', 'application/json')
      response.write(
        `${JSON.stringify({ type: 'ADDED', object: { ...item, metadata: { name: `new-${name}`, resourceVersion: '2' } } })}\n`,
      )
    }
  }
  await using old = await startRawBackend(portico, {
    host: '127.0.0.1',
    resources: ['stays', 'moves'],
    handler: list('stays'),
    ...documentsOf('old', ['stays', 'moves']),
  })
  await using next = await startRawBackend(portico, {
    host: '127.0.0.2',
    resources: ['moves'],
    handler: list('moves'),
    ...documentsOf('next', ['moves']),
  })
  await registerRaw(portico, {
    backends: [namedBackend('default', old), namedBackend('next', next)],
    routes: [{ matches: [{ resources: ['moves'] }], to: [{ backend: 'next' }] }],
  })
  await untilEqual(() => resources(portico), ['moves', 'stays'])
  for (const program of await installedKubectls()) {
    await using kubectl = await Kubectl.create(program, portico.kubeconfig)
    for (const name of ['stays', 'moves']) {
      const got = await kubectl.run(['get', name, '-o', 'name'])
      assert.deepEqual(
        [got.code, got.stdout.trim()],
        [0, `${name}.raw.example.com/one-of-${name}`],
        `${kubectl.name} ${got.stderr}`,
      )
      const server = name === 'moves' ? 'next' : 'old'
      for (const form of ['plaintext', 'plaintext-openapiv2']) {
        const explained = await kubectl.run(['explain', `${name}.spec.size`, `--output=${form}`])
        assert.equal(explained.code, 0, `${kubectl.name} ${form} ${explained.stderr}`)
        assert.match(explained.stdout, new RegExp(`KIND: +${name}[^]*size of ${name} on ${server}`), kubectl.name)
      }
    }
  }
  await using kubectl = await Kubectl.create((await installedKubectls())[0]!, portico.kubeconfig)
  const watched = await kubectl.run(['get', 'moves', '-w', '-o', 'name'], {
    enough: (out) => out.includes('new-moves'),
  })
  assert.match(watched.stdout, /one-of-moves[^]*new-moves/)
})
