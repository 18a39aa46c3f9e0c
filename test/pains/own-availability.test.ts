/**
 * Each replica routes by what it sees itself; the stored condition is written by one of them, and seldom.
 * Three replicas over one etcd; the backend drops the connections of some of them, by their client certificates.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { headerOf } from '../../fixtures/backends/seen-requests.ts'
import { type Condition, registerBackend, registerSample, untilCondition } from '../harness/backends.ts'
import { AGGREGATED, aggregated } from '../harness/discovery-documents.ts'
import { etcdMissing, startEtcd } from '../harness/etcd.ts'
import { HeldClock, passLively } from '../harness/held-clock.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const GROUP = 'cut.example.com'
const NAME = `v1.${GROUP}`
const OBJECT = `/apis/${GROUP}/v1/namespaces/default/things/one`
const OUTAGE_MS = process.env['PORTICO_SOAK'] === undefined ? 4000 : 600_000

type Answering = (agent: string | undefined, response: ServerResponse) => void
async function startBackend(
  owner: TestServer,
  answer: Answering = (_agent, response) => void response.end('{}'),
): Promise<AsyncDisposable & { port: number; cutOff: Set<string> }> {
  const { cert, key } = owner.pki.servingFor('cut', ['cut.default.svc'])
  const cutOff = new Set<string>()
  const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const peer = (request.socket as TLSSocket).getPeerX509Certificate()
    if (peer && cutOff.has(peer.fingerprint256)) return void request.socket.destroy()
    response.setHeader('content-type', 'application/json')
    answer(request.headers['user-agent'], response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    cutOff,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Counts the writes of the APIService from now on. */
function countWrites(portico: TestServer, name = NAME): { stop(): Promise<string[]> } {
  const ended = new AbortController()
  const seen: string[] = []
  const running = (async () => {
    const path = `${APISERVICES}?watch=1&fieldSelector=metadata.name%3D${name}`
    const { body } = await portico.admin.stream(path, { signal: ended.signal })
    let rest = ''
    for await (const chunk of body) {
      rest += String(chunk)
      const lines = rest.split('\n')
      rest = lines.pop()!
      seen.push(...lines)
    }
  })().catch(() => {})
  return {
    async stop() {
      ended.abort()
      await running
      // The first one is the state, not a write.
      return seen.slice(1)
    },
  }
}

test('a replica that is cut off from a backend takes it down for itself alone', { skip: etcdMissing() }, async () => {
  await using etcd = await startEtcd()
  const args = [`--etcd-servers=${etcd.members[0]!.url}`, '--apiservice-status-interval=10s']
  await using a = await startTestServer(args)
  await using b = await startTestServer(args)
  await using c = await startTestServer(args)
  const replicas = [a, b, c]
  await using backend = await startBackend(a)
  const definition = { group: GROUP, version: 'v1', service: { namespace: 'default', name: 'cut' } }
  await registerBackend(a, {
    definition,
    port: backend.port,
    caBundle: Buffer.from(a.pki.ca().cert).toString('base64'),
  })
  await untilCondition(a, NAME, (condition) => condition?.status === 'True')
  const readiness = async (portico: TestServer): Promise<number> =>
    (await portico.admin.get(`/readyz/apiservices/${NAME}`)).status
  const statusOf = async (portico: TestServer): Promise<number> => (await portico.admin.get(OBJECT)).status
  for (const replica of replicas) await until('each replica reaches it', async () => (await statusOf(replica)) === 200)
  let touched = 0
  const probeNow = async (): Promise<void> => {
    const labels = { touched: String(touched++) }
    await a.admin.patch('/api/v1/namespaces/default/services/cut', 'merge', { metadata: { labels } })
  }

  // One of them holds the Lease: cut off whoever it is, and whoever it is not.
  for (const [i, bad] of replicas.entries()) {
    const good = replicas.filter((r) => r !== bad)
    const writes = countWrites(good[0]!)
    backend.cutOff.add(new X509Certificate(bad.pki.frontProxyClient().cert).fingerprint256)
    await probeNow()
    await until(`replica ${i} sees it`, async () => (await readiness(bad)) === 500)
    const end = Date.now() + OUTAGE_MS
    while (Date.now() < end) {
      for (const replica of good) assert.equal(await statusOf(replica), 200)
      assert.equal(await statusOf(bad), 503)
      assert.equal((await bad.admin.get('/readyz')).status, 200, 'of no account for the whole')
      await setTimeout(50)
    }
    backend.cutOff.clear()
    await until(`replica ${i} recovers`, async () => (await readiness(bad)) === 200)
    assert.equal(await statusOf(bad), 200)
    const written = await writes.stop()
    assert.ok(written.length <= 2, `replica ${i}:\n${written.join('\n')}`)
  }
})

test('a named APIService can count for readiness, and be left out again', async () => {
  await using portico = await startTestServer([`--readyz-apiservices=${NAME}`])
  const { admin } = portico
  const failing = await admin.get('/readyz?verbose')
  assert.equal(failing.status, 500)
  assert.match(failing.text, new RegExp(`^\\[-\\]apiservices/${NAME} failed: reason withheld$`, 'm'))
  assert.equal((await admin.get(`/readyz?exclude=apiservices/${NAME}`)).status, 200)
  assert.equal((await admin.get('/livez')).status, 200)
  assert.equal((await admin.get(`/readyz/apiservices/${NAME}`)).status, 404)
})

test('until it has probed a backend itself, a server starts from what is stored', { skip: etcdMissing() }, async () => {
  await using etcd = await startEtcd()
  const args = [`--etcd-servers=${etcd.members[0]!.url}`]
  await using first = await startTestServer(args)
  await using backend = await startBackend(first)
  const definition = { group: GROUP, version: 'v1', service: { namespace: 'default', name: 'cut' } }
  const caBundle = Buffer.from(first.pki.ca().cert).toString('base64')
  await registerBackend(first, { definition, port: backend.port, caBundle })
  await untilCondition(first, NAME, (condition) => condition?.status === 'True')
  for (let i = 0; i < 3; i++) {
    await using second = await startTestServer(args)
    assert.equal((await second.admin.get(OBJECT)).status, 200)
  }
})

test('a backend that fails every second probe for 10 minutes: at most one write, and discovery stands still', async () => {
  const clock = new HeldClock()
  const quiet = ['--identity-probe-interval=0', '--apiservice-status-interval=10s']
  await using portico = await startTestServer(quiet, { clock })
  let [probes, flapping] = [0, false]
  await using backend = await startBackend(portico, (agent, answer) => {
    const isProbe = agent === 'portico/availability-probe'
    if (isProbe) probes++
    answer.statusCode = flapping && isProbe && probes % 2 === 0 ? 500 : 200
    answer.end(JSON.stringify({ kind: 'APIResourceList', groupVersion: `${GROUP}/v1`, resources: [] }))
  })
  const definition = { group: GROUP, version: 'v1', service: { namespace: 'default', name: 'cut' } }
  const caBundle = Buffer.from(portico.pki.ca().cert).toString('base64')
  await registerBackend(portico, { definition, port: backend.port, caBundle })
  await untilCondition(portico, NAME, (c) => c?.status === 'True')
  const discovery = async (): Promise<string> =>
    (await portico.admin.get('/apis', { headers: { accept: AGGREGATED } })).text
  await until('it is discovered', async () => (await aggregated(portico, GROUP))[0]?.freshness === 'Current')
  const writes = countWrites(portico)
  const before = await discovery()
  flapping = true
  clock.hold()
  const startMs = clock.monotonicMs()
  while (clock.monotonicMs() - startMs < 600_000) {
    const seen = probes
    await until('the next probe', async () => {
      clock.advance(1_000)
      assert.equal((await portico.admin.get(OBJECT)).status, 200, 'it is served all the time')
      return probes > seen
    })
    assert.equal(await discovery(), before)
  }
  assert.ok(probes >= 20, `${probes} probes`)
  const written = await writes.stop()
  assert.ok(written.length <= 1, written.join('\n'))
})

async function untilDegraded(portico: TestServer, name: string, status: string, ask: () => Promise<unknown>) {
  let degraded: Condition | undefined
  await until(`Degraded=${status}`, async () => {
    await ask()
    const found = await portico.admin.get(`${APISERVICES}/${name}`)
    const { conditions } = found.json<{ status: { conditions: Condition[] } }>().status
    degraded = conditions.find((c) => c.type === 'Degraded')
    assert.equal(conditions.find((c) => c.type === 'Available')?.status, 'True')
    return degraded?.status === status
  })
  return degraded!
}

test('a backend that answers its probe and fails everything else is Degraded, and stays available', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const ask = (): Promise<unknown> => portico.admin.get(garden.collection)
  await ask()
  Object.assign(garden.sample.knobs, { fault: 'status-500', onlyPath: garden.collection })
  const { reason } = await untilDegraded(portico, garden.apiService, 'True', ask)
  assert.equal(reason, 'RequestsFail')
  const { status } = await portico.admin.get(garden.collection)
  assert.equal(status, 500, 'it is still asked')
  garden.sample.knobs.fault = 'none'
  await untilDegraded(portico, garden.apiService, 'False', ask)
})

test('a backend that dies under traffic is out within 5 s, though it is probed twice a minute', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  await using garden = await registerSample(portico, 'garden')
  await portico.admin.get(garden.collection)
  const killedMs = clock.monotonicMs()
  await garden.sample.close()
  clock.hold()
  assert.equal((await portico.admin.get(garden.collection)).status, 503)
  await until('it is out', async () => {
    const { status } = await portico.admin.get(`/readyz/apiservices/${garden.apiService}`)
    if (status !== 500) clock.advance(100)
    return status === 500
  })
  const tookMs = clock.monotonicMs() - killedMs
  assert.ok(tookMs < 5_000, `${tookMs} ms`)
})

test('a backend whose requests fail and whose probes hang is out within 10 s: they get less time than else', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer(['--identity-probe-interval=0'], { clock })
  let hangs = false
  await using backend = await startBackend(portico, (agent, answer) => {
    if (hangs && agent?.startsWith('portico/')) return
    answer.statusCode = hangs ? 500 : 200
    answer.end(JSON.stringify({ kind: 'APIResourceList', groupVersion: `${GROUP}/v1`, resources: [] }))
  })
  const definition = { group: GROUP, version: 'v1', service: { namespace: 'default', name: 'cut' } }
  const caBundle = Buffer.from(portico.pki.ca().cert).toString('base64')
  await registerBackend(portico, { definition, port: backend.port, caBundle })
  await untilCondition(portico, NAME, (c) => c?.status === 'True')
  clock.hold()
  // One probe with the clock held says how long one usually takes; the next one by itself is far.
  await passLively(portico, clock, 31_000)
  hangs = true
  assert.equal((await portico.admin.get(OBJECT)).status, 500)
  const isOut = async () => (await portico.admin.get(`/readyz/apiservices/${NAME}`)).status === 500
  // Three probes, half a second apart: of 5 s each they would take 16 s.
  for (let passedMs = 0; !(await isOut()); passedMs += 100) {
    assert.ok(passedMs < 10_000, 'it is in for too long')
    await passLively(portico, clock, 100)
  }
})

test('probes and discovery name the gateway to the backend', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const agents = new Set(garden.sample.seen.flatMap((r) => headerOf(r, 'user-agent')))
  assert.ok(agents.has('portico/availability-probe'), [...agents].join())
  for (const agent of agents) assert.match(agent, /^portico\//)
})
