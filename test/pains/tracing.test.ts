/** One trace through client, Portico and backend; whose trace is followed; and where its time goes. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ReceivedSpan, startOtlpReceiver } from '../../fixtures/otlp/receiver.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { openTelemetryTracer } from '../../src/observability/opentelemetry-tracer.ts'
import { formatTraceparent } from '../../src/observability/tracer.ts'
import { registerSample } from '../harness/backends.ts'
import { policyOf, RAW_PATH, RAW_TLS, registerRaw, startRawBackend } from '../harness/raw-backend.ts'
import { startTestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'
import { HeldAnswers } from '../harness/watches.ts'

const MILLION = 1_000_000

test('one request is one tree: client, Portico and its steps, backend', async () => {
  await using receiver = await startOtlpReceiver()
  const tracerOf = (serviceName: string): ReturnType<typeof openTelemetryTracer> =>
    openTelemetryTracer({ endpoint: receiver.url, samplingRatePerMillion: MILLION, serviceName, log: noopLogger })
  const [client, backend] = [tracerOf('client'), tracerOf('garden')]
  const portico = await startTestServer([`--tracing-endpoint=${receiver.url}`])
  const garden = await registerSample(portico, 'garden', { tracer: backend })

  const root = client.start('list flowers', { kind: 'client' })
  const { traceId } = root.context!
  const answer = await portico.admin.get(garden.collection, {
    headers: { traceparent: formatTraceparent(root.context!) },
  })
  assert.equal(answer.status, 200)
  root.end()
  await portico.stop() // flushes
  await garden[Symbol.asyncDispose]()
  await Promise.all([client[Symbol.asyncDispose](), backend[Symbol.asyncDispose]()])

  const tree = receiver.spans.filter((s) => s.traceId === traceId)
  const one = (service: string, name: string): ReceivedSpan => {
    const found = tree.filter((s) => s.service === service && s.name === name)
    assert.equal(found.length, 1, `${service} ${name} in ${JSON.stringify(tree.map((s) => [s.service, s.name]))}`)
    return found[0]!
  }
  const request = one('portico', 'GET /apis/garden.example.com/v1/namespaces/{:namespace}/flowers')
  assert.equal(request.parentSpanId, root.context!.spanId)
  assert.equal(request.attributes['http.response.status_code'], 200)
  for (const step of ['authentication', 'HTTP GET'])
    assert.equal(one('portico', step).parentSpanId, request.spanId, step)
  const sent = one('portico', 'HTTP GET')
  for (const phase of ['pick', 'first byte', 'stream'])
    assert.equal(one('portico', phase).parentSpanId, sent.spanId, phase)
  assert.equal(one('garden', 'GET /apis/garden.example.com/v1/namespaces/default/flowers').parentSpanId, sent.spanId)
  assert.ok(request.startMs <= one('portico', 'authentication').startMs && sent.endMs <= request.endMs + 1)
})

test("a stranger's traceparent is linked to, not followed", async () => {
  await using receiver = await startOtlpReceiver()
  const portico = await startTestServer([`--tracing-endpoint=${receiver.url}`])
  const remote = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true }
  await portico.anonymous.get('/version', { headers: { traceparent: formatTraceparent(remote) } })
  await portico.stop()
  const linked = receiver.spans.filter((s) =>
    s.links.some((l) => l.traceId === remote.traceId && l.spanId === remote.spanId),
  )
  assert.equal(linked.length, 1)
  assert.notEqual(linked[0]!.traceId, remote.traceId)
})

test('a policy decides whose traceparent is followed for its backend', async () => {
  const remote = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true }
  const headers = { traceparent: formatTraceparent(remote) }
  const rows = [
    { policy: 'Untrusted', who: 'admin', followed: { things: false, version: true } },
    { policy: 'Trusted', who: 'anonymous', followed: { things: true, version: false } },
    { policy: undefined, who: 'anonymous', followed: { things: false, version: false } },
  ] as const
  for (const { policy, who, followed } of rows) {
    await using receiver = await startOtlpReceiver()
    const args = [`--tracing-endpoint=${receiver.url}`, '--authorization-mode=AlwaysAllow']
    await using portico = await startTestServer(args)
    await using raw = await startRawBackend(portico)
    const told: unknown[] = []
    raw.handler = (request, response) => {
      told.push(String(request.headers['traceparent']).includes(remote.traceId))
      response.end('{}')
    }
    const backends = [{ name: 'default', url: `https://127.0.0.1:${raw.port}`, tls: RAW_TLS }]
    await registerRaw(portico, { backends, ...(policy ? { traceparent: policy } : {}) })
    assert.equal((await portico[who].get(`${RAW_PATH}/things`, { headers })).status, 200)
    assert.equal((await portico[who].get('/version', { headers })).status, 200)
    await portico.stop() // flushes
    const follows = (path: string): boolean =>
      receiver.spans.some((s) => s.attributes['url.path'] === path && s.parentSpanId === remote.spanId)
    const found = { things: follows(`${RAW_PATH}/things`), version: follows('/version') }
    assert.deepEqual([found, told], [followed, [followed.things]], `${policy} for ${who}`)
  }
})

test('a request that is left out is not recorded, and the backend is told so; a sampled parent is followed', async () => {
  await using receiver = await startOtlpReceiver()
  const folder = mkdtempSync(join(tmpdir(), 'portico-tracing-'))
  const config = join(folder, 'tracing.yaml')
  const kind = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'TracingConfiguration' }
  writeFileSync(config, JSON.stringify({ ...kind, endpoint: receiver.url, samplingRatePerMillion: 0 }))
  const portico = await startTestServer([`--tracing-config-file=${config}`])
  const told: string[] = []
  await using raw = await startRawBackend(portico, {
    handler: (request, response) => {
      told.push(String(request.headers['traceparent']))
      response.end('{}')
    },
  })
  await registerRaw(portico, { backends: [{ name: 'default', url: `https://127.0.0.1:${raw.port}`, tls: RAW_TLS }] })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  for (const sampled of [undefined, false, true]) {
    const remote = { traceId, spanId: 'b7ad6b7169203331', sampled: sampled === true }
    const headers = sampled === undefined ? {} : { traceparent: formatTraceparent(remote) }
    assert.equal((await portico.admin.get(`${RAW_PATH}/things`, { headers })).status, 200)
  }
  await portico.stop()
  rmSync(folder, { recursive: true })
  assert.match(told[0]!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  assert.match(told[1]!, new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`))
  assert.match(told[2]!, new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
  assert.ok(!told.some((parent) => parent.includes('b7ad6b7169203331')))
  assert.deepEqual([...new Set(receiver.spans.map((s) => s.traceId))], [traceId])
  assert.equal(receiver.spans.filter((s) => s.name === 'HTTP GET').length, 1)
})

test('the spans of one request tell where it waited: queue, pick, connect, tls, first byte, stream, and each attempt', async () => {
  await using receiver = await startOtlpReceiver()
  const portico = await startTestServer([`--tracing-endpoint=${receiver.url}`])
  const answers = new HeldAnswers()
  await using raw = await startRawBackend(portico, { http2: false, handler: answers.handler })
  await registerRaw(portico, policyOf([raw], { bulkhead: { maxInFlight: 1, maxQueued: 1, maxQueueTime: '1m' } }))
  const first = portico.admin.get(`${RAW_PATH}/things`)
  await answers.reach(1)
  const remote = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true }
  const second = portico.admin.get(`${RAW_PATH}/things`, { headers: { traceparent: formatTraceparent(remote) } })
  await until('it waits in the queue', async () => (await portico.admin.get(`${RAW_PATH}/things`)).status === 429)
  // What comes first is broken off, and with it all connections.
  let broken = 0
  const seen: unknown[] = []
  raw.handler = (request, response) => {
    seen.push(request.headers['traceparent'])
    if (broken++ === 0) raw.cut()
    else response.end('{}')
  }
  answers.endAll()
  assert.deepEqual([(await first).status, (await second).status], [200, 200])
  await portico.stop() // flushes

  const tree = receiver.spans.filter((s) => s.traceId === remote.traceId)
  const root = tree.find((s) => s.parentSpanId === remote.spanId)!
  const named = (name: string): ReceivedSpan[] => tree.filter((s) => s.name === name)
  const [sent] = named('HTTP GET')
  assert.deepEqual(
    named('queue').map((s) => s.parentSpanId),
    [root.spanId],
  )
  assert.equal(sent!.parentSpanId, root.spanId)
  assert.equal(sent!.attributes['portico.attempt'], 2)
  assert.equal(sent!.attributes['portico.endpoint'], `127.0.0.1:${raw.port}`)
  const order = ['pick', 'connect', 'tls', 'first byte', 'stream']
  const attempts = named('pick')
  assert.equal(attempts.length, 2, 'one for each attempt')
  for (const name of order) {
    const found = named(name)
    assert.ok(found.length > 0, name)
    for (const s of found) assert.equal(s.parentSpanId, sent!.spanId, name)
  }
  // Of the attempt that was answered.
  const last = order.map(
    (name) =>
      named(name)
        .sort((a, b) => a.startMs - b.startMs)
        .at(-1)!,
  )
  for (const [i, s] of last.entries())
    if (i > 0) assert.ok(s.startMs >= last[i - 1]!.startMs, `${s.name} is in its place`)
  // Both attempts told the backend the same parent.
  assert.deepEqual(new Set(seen), new Set([formatTraceparent({ ...remote, spanId: sent!.spanId })]))
})

test("a stranger's sampled flag raises no sampling rate; one who may force it does", async () => {
  await using receiver = await startOtlpReceiver()
  const folder = mkdtempSync(join(tmpdir(), 'portico-tracing-'))
  const file = join(folder, 'tracing.yaml')
  const config = [
    'apiVersion: apiserver.config.k8s.io/v1beta1',
    'kind: TracingConfiguration',
    `endpoint: ${receiver.url}`,
  ]
  writeFileSync(file, [...config, 'samplingRatePerMillion: 0'].join('\n'))
  const portico = await startTestServer([`--tracing-config-file=${file}`])
  const headers = {
    traceparent: formatTraceparent({ traceId: '1'.repeat(32), spanId: '2'.repeat(16), sampled: true }),
  }
  for (let i = 0; i < 20; i++) assert.equal((await portico.anonymous.get('/version', { headers })).status, 200)
  assert.equal((await portico.as('jane').get('/version', { headers })).status, 200)
  assert.equal((await portico.admin.get('/livez', { headers })).status, 200)
  const monitor = portico.as('scraper', 'system:monitoring')
  assert.equal((await monitor.get('/readyz', { headers })).status, 200)
  await portico.stop() // flushes
  assert.deepEqual(
    receiver.spans.filter((s) => s.parentSpanId === '2'.repeat(16)).map((s) => s.attributes['url.path']),
    ['/livez', '/readyz'],
  )
  assert.equal(receiver.spans.filter((s) => s.attributes['url.path'] === '/version').length, 0)
  rmSync(folder, { recursive: true })
})
