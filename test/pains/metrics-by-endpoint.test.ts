/** What is slow shows where it is slow: by backend, by endpoint, by phase; in a number of series that is capped. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { registerSample } from '../harness/backends.ts'
import { HeldClock } from '../harness/held-clock.ts'
import { seriesOf, valueOf } from '../harness/metrics.ts'
import {
  answerText,
  policyOf,
  putPolicy,
  RAW_API_SERVICE as backend,
  RAW_PATH,
  RAW_TLS,
  type RawHandler,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startRelay } from '../harness/relay.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { until, untilTurn } from '../harness/until.ts'

const path = `${RAW_PATH}/things`
const SECONDS = 'portico_proxy_endpoint_phase_seconds_sum'
const SLOW_MS = 700
type Phases = Record<string, Record<string, number>>
/** Seconds of each phase by endpoint. */
async function phases(portico: TestServer): Promise<Phases> {
  const found: Phases = {}
  for (const { labels, value } of await seriesOf(portico, SECONDS)) {
    if (labels['backend'] !== backend) continue
    const { endpoint = '', phase = '' } = labels
    found[endpoint] ??= {}
    found[endpoint][phase] = Math.round(value * 1000) / 1000
  }
  return found
}

const kinds = ['tls', 'first-byte', 'stream'] as const
for (const http2 of [true, false]) {
  for (const slow of kinds) {
    test(`what one endpoint of a backend is slow in (${slow}, ${http2 ? 'h2' : 'http/1.1'}) shows in that phase of it, and nowhere else`, async () => {
      const clock = new HeldClock()
      await using portico = await startTestServer(['--identity-probe-interval=0'], { clock })
      let isSlow = false
      const held: (() => void)[] = []
      const handler: RawHandler = (_request, response) => {
        if (slow === 'tls' || !isSlow) return void response.end('{}')
        if (slow === 'stream') response.write('{')
        held.push(() => void response.end(slow === 'stream' ? '}' : '{}'))
      }
      await using quick = await startRawBackend(portico, { host: '127.0.0.1', http2 })
      await using hidden = await startRawBackend(portico, { host: '127.0.0.2', http2, handler })
      await using relay = await startRelay({ host: '127.0.0.3', to: hidden })
      await registerRaw(portico, policyOf([quick, relay]))
      const [slowId, quickId] = [relay, quick].map(({ address, port }) => `${address}:${port}`) as [string, string]
      await until('both answered', async () => {
        await Promise.all(Array.from({ length: 4 }, () => portico.admin.get(path)))
        const found = await phases(portico)
        return [slowId, quickId].every((id) => 'stream' in (found[id] ?? {}))
      })
      clock.hold()
      const active = async (): Promise<number[]> => {
        const series = await seriesOf(portico, 'portico_proxy_endpoint_active_requests')
        return [slowId, quickId].map((id) => series.find((s) => s.labels['endpoint'] === id)!.value)
      }
      // Our server asks for itself too, when a backend is new.
      await until('nothing is under way', async () => isDeepStrictEqual(await active(), [0, 0]))
      const before = await phases(portico)
      isSlow = true
      if (slow === 'tls') {
        relay.holdBack()
        hidden.cut()
      }
      // One after the other, until one is with the slow one and goes on no more.
      let [heads, whole, asked] = [0, 0, 0]
      const ask = async (): Promise<number> => {
        asked++
        const { body, statusCode } = await portico.admin.stream(path)
        heads++
        await body.text()
        whole++
        return statusCode
      }
      const waits = (): boolean =>
        slow === 'tls' ? relay.heldBack > 0 : held.length > 0 && (slow === 'first-byte' || heads > whole)
      let last = ask()
      for (;;) {
        await untilTurn('it is answered, or slow', () => whole === asked || waits())
        if (whole < asked) break
        assert.ok(asked < 1_000, 'the slow one is never asked')
        last = ask()
      }
      await until('it alone is under way', async () => isDeepStrictEqual(await active(), [1, 0]))
      clock.advance(SLOW_MS)
      isSlow = false
      relay.letGo()
      for (const go of held) go()
      assert.equal(await last, 200)
      const after = await phases(portico)
      const grown = after[slowId]![slow]! - (before[slowId]![slow] ?? 0)
      assert.ok(grown > SLOW_MS / 1_000 - 0.002, `${grown} s`)
      for (const [endpoint, found] of Object.entries(after)) {
        for (const [phase, seconds] of Object.entries(found)) {
          if (endpoint === slowId && phase === slow) continue
          // A probe that was under way when the clock was stopped may add a little.
          const more = seconds - (before[endpoint]?.[phase] ?? 0)
          assert.ok(more < SLOW_MS / 2_000, `${endpoint} ${phase}: ${more} s`)
        }
      }
    })
  }
}

test('flaps between two looks are seen', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const flips = (): Promise<number> =>
    valueOf(portico, 'portico_apiservice_availability_flips_total', { name: garden.apiService })
  const before = await flips()
  const touch = async (fault: 'none' | 'reset'): Promise<void> => {
    garden.sample.knobs.fault = fault
    const spec = { versionPriority: fault === 'none' ? 15 : 16 }
    await portico.admin.patch(`/apis/apiregistration.k8s.io/v1/apiservices/${garden.apiService}`, 'merge', { spec })
    const status = fault === 'none' ? 200 : 503
    await until(`it answers ${status}`, async () => (await portico.admin.get(garden.collection)).status === status)
    const ready = fault === 'none' ? 200 : 500
    await until(
      'it is judged',
      async () => (await portico.admin.get(`/readyz/apiservices/${garden.apiService}`)).status === ready,
    )
  }
  await touch('reset')
  await touch('none')
  assert.equal((await flips()) - before, 2)
})

test('however many endpoints a backend has, it has at most eleven sets of series, and none when it is gone', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, { host: '0.0.0.0' })
  const endpoints = Array.from({ length: 30 }, (_, i) => ({ address: `127.0.1.${i + 1}`, port: raw.port }))
  await registerRaw(portico, {
    backends: [{ name: 'default', endpoints, tls: { ...RAW_TLS, serverName: 'localhost' } }],
  })
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 60 }, () => portico.admin.get(path)))
  const names = async (): Promise<Set<string>> =>
    new Set((await seriesOf(portico, 'portico_proxy_endpoint_requests_total')).map((s) => s.labels['endpoint']!))
  const shown = await names()
  assert.equal(shown.size, 11)
  assert.ok(shown.has('other'))
  const ok = await valueOf(portico, 'portico_proxy_endpoint_requests_total', { backend, code: '2xx' })
  assert.equal(ok, await valueOf(portico, 'portico_proxy_requests_total', { backend, code: '2xx' }), 'none is lost')
  assert.equal((await portico.admin.delete(`/apis/apiregistration.k8s.io/v1/apiservices/${backend}`)).status, 200)
  await until('its series are gone', async () => !(await portico.admin.get('/metrics')).text.includes(backend))
})

test('the state of a breaker is that of the one in force, and goes with it', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, { handler: answerText('{}', 503) })
  const policy = (minRequests: number): ReturnType<typeof policyOf> =>
    policyOf([raw], { circuitBreaker: { minRequests, openFor: '1h' } })
  const states = async (): Promise<number[]> =>
    (await seriesOf(portico, 'portico_proxy_breaker_state')).map((s) => s.value)
  const untilState = (expected: readonly number[]): Promise<void> =>
    until(`breaker: ${expected.join()}`, async () => isDeepStrictEqual(await states(), expected))
  await registerRaw(portico, policy(2))
  const fail = async (): Promise<void> => {
    for (let i = 0; i < 2; i++) assert.equal((await portico.admin.get(path)).status, 503)
  }
  await fail()
  await untilState([2])
  await putPolicy(portico, policy(1))
  await untilState([0])
  await fail()
  await untilState([2])
  await portico.admin.delete(`/apis/apiregistration.k8s.io/v1/apiservices/${backend}`)
  await untilState([])
})
