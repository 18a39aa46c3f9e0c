/** The sample backends are there to be copied: what they do is what an aggregated API server should do. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { WebSocket } from 'ws'
import { SAMPLES } from '../../fixtures/backends/definitions.ts'
import { kubeconfig } from '../../src/app/files/kubeconfig.ts'
import { type RegisteredSample, registerBackend, registerSample, untilCondition } from '../harness/backends.ts'
import type { Answer } from '../harness/http-client.ts'
import { startProcess } from '../harness/portico-process.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { ROOT } from '../harness/tree-copy.ts'
import { until } from '../harness/until.ts'

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

const flower = (name: string, labels: Record<string, string> = {}): object => ({
  metadata: { name, labels },
  spec: { color: 'red', petals: 2 },
})
const make = (name: string, labels?: Record<string, string>): Promise<Answer> =>
  portico.admin.post(garden.collection, flower(name, labels))
const namesOf = async (): Promise<string[]> =>
  (await portico.admin.get(garden.collection))
    .json<{ items: { metadata: { name: string } }[] }>()
    .items.map((o) => o.metadata.name)
const empty = (): Promise<Answer> => portico.admin.delete(garden.collection)
/** The answer of Portico's proxy is a Status, too; this one is the backend's own. */
const statusOf = (answer: Answer): [number, string] => [answer.status, answer.json<{ reason: string }>().reason]

test('a dry run answers as the write does, and stores nothing', async () => {
  const dry = await portico.admin.post(`${garden.collection}?dryRun=All`, flower('dry'))
  assert.equal(dry.status, 201)
  assert.deepEqual(await namesOf(), [])
  await make('kept')
  const path = `${garden.collection}/kept`
  const changed = await portico.admin.patch(`${path}?dryRun=All`, 'merge', { spec: { color: 'blue' } })
  assert.equal(changed.json<{ spec: { color: string } }>().spec.color, 'blue')
  assert.equal((await portico.admin.put(`${path}?dryRun=All`, flower('kept'))).status, 200)
  assert.equal((await portico.admin.delete(`${path}?dryRun=All`)).status, 200)
  assert.equal((await portico.admin.delete(`${garden.collection}?dryRun=All`)).status, 200)
  const stored = (await portico.admin.get(path)).json<{ spec: { color: string } }>()
  assert.equal(stored.spec.color, 'red')
  await empty()
})

test('tables hold what includeObject asks for', async () => {
  await make('rose')
  const rowOf = async (query: string): Promise<{ kind?: string; spec?: object } | null> => {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const table = await portico.admin.get(`${garden.collection}${query}`, { headers: { accept } })
    return table.json<{ rows: { object: { kind?: string; spec?: object } | null }[] }>().rows[0]!.object
  }
  assert.deepEqual((await rowOf('?includeObject=Object'))?.spec, { color: 'red', petals: 2 })
  assert.equal((await rowOf(''))?.kind, 'PartialObjectMetadata')
  assert.equal(await rowOf('?includeObject=None'), null)
  await empty()
})

test('the deletion of a collection obeys selectors', async () => {
  for (const [name, labels] of [
    ['a', { tier: 'x' }],
    ['b', { tier: 'y' }],
    ['c', {}],
  ] as const)
    await make(name, labels)
  assert.deepEqual(statusOf(await portico.admin.delete(`${garden.collection}?labelSelector=((`)), [400, 'BadRequest'])
  assert.equal((await portico.admin.delete(`${garden.collection}?labelSelector=tier in (x,z)`)).status, 200)
  assert.deepEqual(await namesOf(), ['b', 'c'])
  assert.equal((await portico.admin.delete(`${garden.collection}?fieldSelector=metadata.name!=c`)).status, 200)
  assert.deepEqual(await namesOf(), ['c'])
  await empty()
})

test('bodies that are too long, or no JSON, are answered with a Status', async () => {
  const long = JSON.stringify({ ...flower('long'), more: 'x'.repeat(3 * 1024 * 1024) })
  const headers = { 'content-type': 'application/json' }
  assert.deepEqual(statusOf(await portico.admin.post(garden.collection, long, { headers })), [
    413,
    'RequestEntityTooLarge',
  ])
  assert.deepEqual(statusOf(await portico.admin.post(garden.collection, '{', { headers })), [400, 'BadRequest'])
  assert.deepEqual(statusOf(await portico.admin.post(garden.collection, {}, { headers })), [422, 'Invalid'])
})

function open(path: string): WebSocket {
  const { pki, url } = portico
  return new WebSocket(`${url.replace('https', 'wss')}${path}`, { ca: pki.ca().cert, ...pki.admin() })
}

test('a watch over WebSocket: one text frame per event, and the end that was asked for', async () => {
  await make('before')
  const socket = open(`${garden.collection}?watch=1&timeoutSeconds=1`)
  const events: string[] = []
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    assert.equal(isBinary, false)
    const { type, object } = JSON.parse(data.toString()) as { type: string; object: { metadata: { name: string } } }
    events.push(`${type} ${object.metadata.name}`)
    if (events.length === 1) void make('during')
  })
  const [code] = (await once(socket, 'close')) as [number]
  assert.deepEqual(events, ['ADDED before', 'ADDED during'])
  assert.equal(code, 1000)
  await empty()
})

test('an upgrade that is no watch is refused with a Status', async () => {
  for (const path of [garden.collection, `${garden.collection}/rose/exec?watch=1`, '/apis/garden.example.com/v1/x']) {
    const socket = open(path)
    const [, answer] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    assert.equal(answer.statusCode, 400, path)
    const body = Buffer.concat((await answer.toArray()) as Buffer[]).toString()
    assert.equal((JSON.parse(body) as { reason: string }).reason, 'BadRequest')
  }
})

test('a backend that waits for what a Go server waits for becomes ready with a credential of portico:backends alone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'portico-sample-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const { pki } = portico
  const definition = SAMPLES['library']!
  const started = async (user: string, groups: string[]): Promise<ReturnType<typeof startProcess>> => {
    const client = pki.client({ commonName: user, organizations: groups })
    const serving = pki.servingFor(user, ['library.default.svc'])
    const file = async (name: string, content: string): Promise<string> => {
      await writeFile(join(folder, `${user}.${name}`), content, { mode: 0o600 })
      return join(folder, `${user}.${name}`)
    }
    const config = kubeconfig({ server: portico.url, ca: pki.ca().cert, ...client, user })
    return startProcess(process.execPath, [
      join(ROOT, 'fixtures/backends/main.ts'),
      '--sample=library',
      `--cert=${await file('crt', serving.cert)}`,
      `--key=${await file('key', serving.key)}`,
      `--kubeconfig=${await file('kubeconfig', config)}`,
      '--wait-for-admission',
    ])
  }
  await using backend = await started('library', ['portico:backends'])
  const [, port] = await backend.until(/listening (\d+)/)
  const caBundle = Buffer.from(pki.ca().cert).toString('base64')
  await registerBackend(portico, { definition, port: Number(port), caBundle })
  await untilCondition(portico, 'v1alpha1.library.example.com', (c) => c?.status === 'True')
  await until('the write is taken', async () => {
    const made = await portico.admin.post('/apis/library.example.com/v1alpha1/books', { metadata: { name: 'one' } })
    if (made.status !== 201) assert.match(made.text, /not yet ready to handle request/)
    return made.status === 201
  })
})
