/**
 * Each replica routes by what it sees itself; the stored condition is written by one of them, and seldom.
 * Three replicas over one etcd; the backend drops the connections of some of them, by their client certificates.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { registerBackend, untilCondition } from '../harness/backends.ts'
import { etcdMissing, startEtcd } from '../harness/etcd.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const GROUP = 'cut.example.com'
const NAME = `v1.${GROUP}`
const OBJECT = `/apis/${GROUP}/v1/namespaces/default/things/one`
const OUTAGE_MS = process.env['PORTICO_SOAK'] === undefined ? 4000 : 600_000

async function startBackend(owner: TestServer): Promise<AsyncDisposable & { port: number; cutOff: Set<string> }> {
  const { cert, key } = owner.pki.servingFor('cut', ['cut.default.svc'])
  const cutOff = new Set<string>()
  const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const peer = (request.socket as TLSSocket).getPeerX509Certificate()
    if (peer && cutOff.has(peer.fingerprint256)) return void request.socket.destroy()
    response.setHeader('content-type', 'application/json')
    response.end('{}')
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

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const giveUp = Date.now() + 15_000
  while (!(await holds())) {
    if (Date.now() > giveUp) assert.fail(`not within 15 s: ${what}`)
    await setTimeout(20)
  }
}

/** Counts the writes of the APIService from now on. */
function countWrites(portico: TestServer): { stop(): Promise<string[]> } {
  const ended = new AbortController()
  const seen: string[] = []
  const running = (async () => {
    const path = `${APISERVICES}?watch=1&fieldSelector=metadata.name%3D${NAME}`
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
