/** The doctor looks at all that requests may go to: backends of routes, and servers that are fronted. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Diagnosis, Phase, PhaseName } from '../../src/servers/aggregator/diagnosis/report.ts'
import { untilCondition } from '../harness/backends.ts'
import { startFrontedPair } from '../harness/fronted.ts'
import { startPortico } from '../harness/portico-process.ts'
import { freePort } from '../harness/prometheus.ts'
import {
  answerText,
  policyOf,
  RAW_API_SERVICE,
  RAW_PATH,
  RAW_TLS,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

async function doctor(portico: TestServer, ...args: string[]): Promise<{ code: number | null; stdout: string }> {
  await using made = startPortico(['doctor', ...args, `--kubeconfig=${portico.kubeconfig}`])
  return await made.ended
}
const resultOf = (phases: readonly Phase[], name: PhaseName): string | undefined =>
  phases.find((p) => p.phase === name)?.result

test('portico doctor: a dead backend of a route is found, the others are well', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico)
  const dead = await freePort()
  await registerRaw(portico, {
    backends: [
      { name: 'default', endpoints: [{ address: raw.address, port: raw.port }], tls: RAW_TLS },
      { name: 'canary', endpoints: [{ address: '127.0.0.1', port: dead }], tls: RAW_TLS },
      { name: 'unused', endpoints: [{ address: '127.0.0.1', port: dead }], tls: RAW_TLS },
    ],
    routes: [{ matches: [{ headers: [{ name: 'X-Canary' }] }], to: [{ backend: 'canary' }] }],
  })
  const asJson = await doctor(portico, RAW_API_SERVICE, '-o', 'json')
  assert.equal(asJson.code, 1)
  const [found] = JSON.parse(asJson.stdout) as Diagnosis[]
  assert.equal(resultOf(found!.phases, 'discovery'), 'ok')
  assert.deepEqual(
    found!.routed.map((r) => [r.backend, resultOf(r.phases, 'dial'), resultOf(r.phases, 'discovery')]),
    [['canary', 'failed', 'skipped']],
  )
  const table = await doctor(portico, RAW_API_SERVICE)
  assert.match(table.stdout, /^v1\.raw\.example\.com +127\.0\.0\.1:\d+ +yes +ok +ok/m)
  assert.match(table.stdout, /^v1\.raw\.example\.com \[canary\] +127\.0\.0\.1:\d+ +- +ok +failed +-/m)
  assert.match(table.stdout, /^- v1\.raw\.example\.com \[canary\]: dial: .*ECONNREFUSED/m)
})

test('portico doctor: a streamed list that is answered with an error event, and left open, is told at once', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, {
    handler: (request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      if (!request.url.includes('watch=')) return void response.end('{}')
      const object = { kind: 'Status', status: 'Failure', message: 'etcd is away', reason: 'InternalError', code: 500 }
      response.write(`${JSON.stringify({ type: 'ERROR', object })}\n`)
    },
  })
  await registerRaw(portico, policyOf([raw]))
  const asJson = await doctor(portico, RAW_API_SERVICE, '-o', 'json')
  const [found] = JSON.parse(asJson.stdout) as Diagnosis[]
  const { result, message, tookMs } = found!.phases.find((p) => p.phase === 'watchlist')!
  assert.equal(result, 'failed')
  assert.equal(message, 'things: the streamed list ends with an error: etcd is away (500)')
  assert.ok(tookMs < 3000, `${tookMs} ms`)
})

test('portico doctor: a port that takes connections and says nothing is told as such', async () => {
  await using portico = await startTestServer()
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => sockets.add(socket.on('error', () => {})))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  await registerRaw(portico, policyOf([{ address: '127.0.0.1', port }]), { wait: false })
  await untilCondition(portico, RAW_API_SERVICE, (c) => c !== undefined)
  const asJson = await doctor(portico, RAW_API_SERVICE, '-o', 'json')
  const [found] = JSON.parse(asJson.stdout) as Diagnosis[]
  assert.equal(
    found!.phases.find((p) => p.phase === 'tls')?.message,
    `127.0.0.1:${port}: accepts the connection, but its TLS handshake gets no answer in 5 s`,
  )
  for (const socket of sockets) socket.destroy()
  silent.close()
})

test('portico doctor: the checks that a backend says are failing are named', async () => {
  await using portico = await startTestServer()
  const lines = [
    '[+]ping ok',
    '[-]informer-sync failed: reason withheld',
    '[-]etcd failed: reason withheld',
    'not ready',
  ]
  await using raw = await startRawBackend(portico, { readyz: answerText(lines.join('\n'), 500) })
  await registerRaw(portico, policyOf([raw]))
  const made = await doctor(portico, RAW_API_SERVICE)
  assert.equal(made.code, 1)
  assert.match(made.stdout, /^- v1\.raw\.example\.com: readyz: \/readyz: not ready: informer-sync, etcd$/m)
})

test('portico doctor: an OpenAPI that the policy says is not there is not asked for, and nothing is wrong with that', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, { openapi: false, handler: answerText('{}', 400) })
  await registerRaw(portico, policyOf([raw], { openAPI: 'None' }))
  const asJson = await doctor(portico, RAW_API_SERVICE, '-o', 'json')
  const [found] = JSON.parse(asJson.stdout) as Diagnosis[]
  assert.equal(resultOf(found!.phases, 'openapi'), 'skipped')
  assert.deepEqual(
    raw.asked.filter((path) => path.startsWith('/openapi')),
    [],
  )
  assert.deepEqual(
    found!.phases.filter((p) => p.result !== 'ok').map((p) => p.phase),
    ['openapi'],
  )
  assert.equal(asJson.code, 0)
})

test('an endpoint that is this server itself, or its plain listener, is not used, and the tools say so', async () => {
  const plain = await freePort()
  await using portico = await startTestServer([`--insecure-port=${plain}`])
  await using raw = await startRawBackend(portico)
  const own = [portico.server.port, plain].map((port) => ({ address: '127.0.0.1', port }))
  await registerRaw(portico, policyOf([raw, ...own]))
  const why = new RegExp(own.map(({ port }) => `the address 127\\.0\\.0\\.1:${port} is this server itself`).join('; '))
  for (let i = 0; i < 10; i++) assert.equal((await portico.admin.get(`${RAW_PATH}/things`)).status, 200)
  assert.equal(raw.seen.length, 10)
  const asJson = await doctor(portico, RAW_API_SERVICE, '-o', 'json')
  const [found] = JSON.parse(asJson.stdout) as Diagnosis[]
  const { result, message } = found!.phases.find((p) => p.phase === 'resolve')!
  assert.equal(result, 'warning')
  assert.match(message, why)
  await using routes = startPortico(['routes', 'GET', `${RAW_PATH}/things`, `--kubeconfig=${portico.kubeconfig}`])
  const { stdout } = await routes.ended
  assert.match(stdout, new RegExp(`^endpoints +127\\.0\\.0\\.1:${raw.port}$`, 'm'))
  assert.match(stdout, new RegExp(`^not used +${why.source}$`, 'm'))
})

test('portico doctor: servers that are fronted', async () => {
  await using pair = await startFrontedPair({
    clusterArgs: ['--authorization-mode=AlwaysAllow'],
    frontArgs: ({ address }) => ['--authorization-mode=AlwaysAllow', `--core-delegate-kubeconfig=${address}`],
  })
  const { front } = pair
  const well = await doctor(front)
  assert.match(
    well.stdout,
    /^delegate\/core +https:\/\/127\.0\.0\.1:\d+ +yes +ok +ok +ok +ok +ok +ok +ok +- +[\d.]+ ms +-$/m,
  )
  assert.equal(well.code, 0, well.stdout)
  assert.equal((await front.as('jane').get('/debug/delegates/nobody/diagnosis')).status, 404)
  await pair.cluster.stop()
  const down = await doctor(front, 'delegate/core')
  assert.equal(down.code, 1)
  assert.match(down.stdout, /^- delegate\/core: dial: .*ECONNREFUSED/m)
})
