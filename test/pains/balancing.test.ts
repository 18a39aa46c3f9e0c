/** Endpoints share what there is by how much they have already; those that fail, start, go or are far away get less. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fixedAccess } from '../../fixtures/backends/delegated-access.ts'
import { FLOWERS } from '../../fixtures/backends/definitions.ts'
import { startSampleServer } from '../../fixtures/backends/sample-server.ts'
import { untilCondition } from '../harness/backends.ts'
import { HeldClock } from '../harness/held-clock.ts'
import {
  answerText,
  policyOf,
  putPolicy,
  RAW_PATH,
  type RawBackend,
  type RawHandler,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'
import { openWatch } from '../harness/watches.ts'

const path = `${RAW_PATH}/things`
const watchOrAnswer: RawHandler = ({ url }, response) =>
  void (url.includes('watch=1') ? response.write('{}\n') : response.end('{}'))
const ratio = (counts: readonly number[]): number => Math.max(...counts) / Math.min(...counts)
const watchesOf = (b: RawBackend): number => b.seen.filter((s) => s.includes('watch=1')).length
const requestsOf = (b: RawBackend): number => b.seen.length - watchesOf(b)
async function ask(portico: TestServer, rounds: number, atOnce = 20): Promise<void> {
  for (let i = 0; i < rounds; i++) await Promise.all(Array.from({ length: atOnce }, () => portico.admin.get(path)))
}

test('three endpoints share requests and watches evenly', async () => {
  await using portico = await startTestServer()
  const start = (host: string): Promise<RawBackend> => startRawBackend(portico, { host, handler: watchOrAnswer })
  await using a = await start('127.0.0.1')
  await using b = await start('127.0.0.2')
  await using c = await start('127.0.0.3')
  const all = [a, b, c]
  await registerRaw(portico, policyOf(all))
  await Promise.all(Array.from({ length: 150 }, () => openWatch(portico.admin)))
  await ask(portico, 60)
  assert.ok(ratio(all.map(watchesOf)) <= 1.3, JSON.stringify(all.map(watchesOf)))
  assert.ok(ratio(all.map(requestsOf)) <= 1.2, JSON.stringify(all.map(requestsOf)))
})

test('a new endpoint is warmed up, and carries its share of what is new after 30 s', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  const start = (host: string): Promise<RawBackend> => startRawBackend(portico, { host, handler: watchOrAnswer })
  await using a = await start('127.0.0.1')
  await using b = await start('127.0.0.2')
  await using c = await start('127.0.0.3')
  await using d = await start('127.0.0.3')
  await registerRaw(portico, policyOf([a, b, c]))
  await Promise.all(Array.from({ length: 30 }, () => openWatch(portico.admin)))
  clock.hold()
  await putPolicy(portico, policyOf([a, b, c, d]))
  await until('it is used', async () => {
    await ask(portico, 1)
    return requestsOf(d) > 0
  })
  const share = async (): Promise<number> => {
    const before = requestsOf(d)
    await ask(portico, 200, 2)
    return (requestsOf(d) - before) / 400
  }
  const cold = await share()
  assert.ok(cold < 0.15, `${cold} at once`)
  clock.advance(30_000)
  const warm = await share()
  assert.ok(warm >= 0.15, `${warm} after 30 s`)
  const watches = watchesOf(d)
  await Promise.all(Array.from({ length: 20 }, () => openWatch(portico.admin)))
  assert.ok(watchesOf(d) - watches >= 3, `${watchesOf(d) - watches} of 20 watches`)
})

test('an endpoint that fails again and again is left out for a time, and tried again after it', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  await using bad = await startRawBackend(portico, { host: '127.0.0.2', handler: answerText('{}', 503) })
  await using good = await startRawBackend(portico, { host: '127.0.0.3' })
  const rules = { consecutiveFailures: 3, ejectionTime: '2s', slowStart: '1ms' }
  await registerRaw(portico, policyOf([bad, good], { balancing: rules, circuitBreaker: { disabled: true } }))
  clock.hold()
  await ask(portico, 100, 1)
  // A probe in between, whose success counts too, puts it off.
  const failed = bad.seen.length
  assert.ok(failed >= 3 && failed < 12, `${failed} failures`)
  clock.advance(1_999)
  await ask(portico, 50, 1)
  assert.equal(bad.seen.length, failed)
  bad.handler = answerText('{}')
  clock.advance(2)
  await ask(portico, 100, 1)
  assert.ok(bad.seen.length > 20, `${bad.seen.length} after its time`)
})

test('endpoints of the own zone come first, while they can be reached', async () => {
  await using portico = await startTestServer()
  await using near = await startRawBackend(portico, { host: '127.0.0.2' })
  await using far = await startRawBackend(portico, { host: '127.0.0.3' })
  const zoned = [
    { address: near.address, port: near.port, zone: 'a' },
    { address: far.address, port: far.port, zone: 'b' },
  ]
  await registerRaw(portico, policyOf(zoned, { balancing: { zone: 'a' } }))
  await ask(portico, 5)
  assert.deepEqual([near.seen.length, far.seen.length], [100, 0])
  await near.close()
  for (let i = 0; i < 20; i++) assert.equal((await portico.admin.get(path)).status, 200)
  assert.equal(far.seen.length, 20)
})

test('an endpoint that terminates gets nothing new from the moment its slice says so', async () => {
  await using portico = await startTestServer(['--enable-aggregator-routing'])
  const { admin, pki } = portico
  const start = () =>
    startSampleServer({
      definition: FLOWERS,
      tls: pki.servingFor('garden', ['garden.default.svc']),
      access: fixedAccess(pki.frontProxyCA().cert),
    })
  await using going = await start()
  await using staying = await start()
  await admin.post('/api/v1/namespaces/default/services', {
    metadata: { name: 'garden' },
    spec: { ports: [{ name: 'https', port: 443 }] },
  })
  const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
  const slice = (name: string, port: number, conditions: object): object => ({
    metadata: { name, labels: { 'kubernetes.io/service-name': 'garden' } },
    addressType: 'FQDN', // addresses of the loopback range are refused in slices
    endpoints: [{ addresses: ['localhost'], conditions }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  })
  for (const [name, { port }] of [['going', going] as const, ['staying', staying] as const])
    assert.equal((await admin.post(slices, slice(name, port, { ready: true }))).status, 201)
  const made = await admin.post('/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: { name: 'v1.garden.example.com' },
    spec: {
      group: FLOWERS.group,
      version: FLOWERS.version,
      service: { namespace: 'default', name: 'garden', port: 443 },
      caBundle: Buffer.from(pki.ca().cert).toString('base64'),
      groupPriorityMinimum: 1000,
      versionPriority: 15,
    },
  })
  assert.equal(made.status, 201, made.text)
  await untilCondition(portico, 'v1.garden.example.com', (c) => c?.status === 'True')
  const flowers = '/apis/garden.example.com/v1/flowers'
  const asked = (s: typeof going): number => s.seen.filter((r) => r.url.startsWith(`${flowers}?round=`)).length
  const ask = async (round: number): Promise<void> => {
    for (let i = 0; i < 30; i++) assert.equal((await admin.get(`${flowers}?round=${round}`)).status, 200)
  }
  await ask(1)
  assert.ok(asked(going) > 0 && asked(staying) > 0)
  const terminating = { ready: false, serving: true, terminating: true }
  assert.equal((await admin.put(`${slices}/going`, slice('going', going.port, terminating))).status, 200)
  // The slice is on its way through the watch.
  await until('it is left alone', async () => {
    const before = asked(going)
    await ask(2)
    return asked(going) === before
  })
  const before = asked(going)
  await ask(3)
  assert.equal(asked(going), before)
})
