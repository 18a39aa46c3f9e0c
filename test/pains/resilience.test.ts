/** Failover, isolation, limits and time limits of backends: one server, one backend group, policies changed by row. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Status } from '../../src/api/status-error.ts'
import { httpClient } from '../harness/http-client.ts'
import {
  answerText,
  putPolicy,
  RAW_PATH,
  RAW_TLS,
  type RawBackend,
  type RawHandler,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const path = `${RAW_PATH}/things`
const endpointsOf = (backends: readonly RawBackend[]): object[] => [
  { name: 'default', endpoints: backends.map(({ address, port }) => ({ address, port })), tls: RAW_TLS },
]
const policyOf = (backends: readonly RawBackend[], more: object = {}): object => ({
  backends: endpointsOf(backends),
  ...more,
})
const causesOf = (answer: { json<T>(): T }): Record<string, string> =>
  Object.fromEntries(
    (answer.json<Status>().details?.causes ?? []).flatMap((c) => (c.field ? [[c.field, c.message ?? '']] : [])),
  )

describe('requests are sent to another endpoint where that can do no harm', () => {
  const reset: RawHandler = (request) => void request.socket.destroy()
  const rows: readonly {
    name: string
    method: string
    body?: string
    fault: RawHandler
    again: boolean
    retries?: object
  }[] = [
    { name: 'a GET whose connection is reset before the answer', method: 'GET', fault: reset, again: true },
    { name: 'a POST that the backend may have seen', method: 'POST', body: '{}', fault: reset, again: false },
    { name: 'a PUT that the backend may have seen', method: 'PUT', body: '{}', fault: reset, again: false },
    {
      name: 'a POST whose stream was refused',
      method: 'POST',
      body: '{"a":1}',
      fault: (_request, response) => response.stream?.close(7),
      again: true,
    },
    {
      name: 'a refused POST whose body is larger than may be kept',
      method: 'POST',
      body: 'x'.repeat(100),
      fault: (request, response) => {
        request.resume()
        request.on('end', () => response.stream?.close(7))
      },
      again: false,
      retries: { maxBodyBytes: 99 },
    },
    { name: 'a GET where retries are off', method: 'GET', fault: reset, again: false, retries: { attempts: 0 } },
  ]
  for (const { name, method, body, fault, again, retries = {} } of rows) {
    test(`${name}: ${again ? 'sent again' : 'not sent again'}`, async () => {
      await using portico = await startTestServer()
      await using bad = await startRawBackend(portico, { host: '127.0.0.2', handler: fault })
      const bodies: string[] = []
      await using good = await startRawBackend(portico, {
        host: '127.0.0.3',
        handler: (request, response) => {
          let text = ''
          request.on('data', (chunk: Buffer) => (text += chunk.toString()))
          request.on('end', () => {
            bodies.push(text)
            response.end('{}')
          })
        },
      })
      await registerRaw(portico, policyOf([bad, good], { circuitBreaker: { disabled: true }, retries }))
      const options = body === undefined ? {} : { body }
      let attempts: unknown
      let refused = 0
      // Until the bad endpoint had its turn; ejection comes after three failures only.
      for (let i = 0; bad.seen.length === 0; i++) {
        assert.ok(i < 100, 'the bad endpoint is chosen now and then')
        const answer = await portico.admin.request(method, path, options)
        attempts = answer.headers['x-portico-attempts']
        if (answer.status === 503) refused++
        else assert.equal(answer.status, 200, answer.text)
      }
      assert.deepEqual([refused, attempts], again ? [0, '2'] : [1, undefined])
      if (again && body !== undefined) assert.deepEqual(new Set(bodies), new Set([body]))
    })
  }

  test('an endpoint that refuses connections costs no request an error, and is left out', async () => {
    await using portico = await startTestServer()
    const gone = await startRawBackend(portico, { host: '127.0.0.2' })
    await using good = await startRawBackend(portico, { host: '127.0.0.3' })
    await registerRaw(portico, policyOf([gone, good]))
    await gone.close()
    for (let i = 0; i < 60; i++) {
      const answer = await portico.admin.request(i % 2 === 0 ? 'GET' : 'POST', path, i % 2 === 0 ? {} : { body: '{}' })
      assert.equal(answer.status, 200, answer.text)
    }
    const metrics = (await portico.admin.get('/metrics')).text
    assert.match(
      metrics,
      /portico_proxy_endpoint_ejections_total\{backend="v1.raw.example.com",endpoint="127.0.0.2:\d+"\} 1/,
    )
  })
})

test('a bulkhead: what is over it is refused at once and says when to come back; others are not concerned', async () => {
  await using portico = await startTestServer()
  const held: (() => void)[] = []
  await using raw = await startRawBackend(portico, {
    handler: (_q, response) => void held.push(() => response.end('{}')),
  })
  await registerRaw(portico, policyOf([raw], { bulkhead: { maxInFlight: 5 } }))
  const waiting = Array.from({ length: 5 }, () => portico.admin.get(path))
  while (held.length < 5) await new Promise((resolve) => setImmediate(resolve))
  const refused = await portico.admin.get(path)
  assert.deepEqual(
    [refused.status, refused.headers['retry-after'], causesOf(refused)['phase']],
    [429, '1', 'in-flight'],
  )
  assert.equal((await portico.admin.get('/api/v1/namespaces')).status, 200)
  for (const end of held) end()
  assert.deepEqual(
    (await Promise.all(waiting)).map((a) => a.status),
    [200, 200, 200, 200, 200],
  )
  raw.handler = answerText('{}')
  assert.equal((await portico.admin.get(path)).status, 200, 'the places are free again')
})

test('a request may wait for its place, for a while', async () => {
  await using portico = await startTestServer()
  const held: (() => void)[] = []
  await using raw = await startRawBackend(portico, {
    handler: (_q, response) => void held.push(() => response.end('{}')),
  })
  await registerRaw(portico, policyOf([raw], { bulkhead: { maxInFlight: 1, maxQueued: 1, maxQueueTime: '50ms' } }))
  const first = portico.admin.get(path)
  while (held.length < 1) await new Promise((resolve) => setImmediate(resolve))
  const second = await portico.admin.get(path)
  assert.deepEqual([second.status, causesOf(second)['phase']], [429, 'queue-timeout'])
  const third = portico.admin.get(path)
  held[0]!()
  assert.equal((await first).status, 200)
  while (held.length < 2) await new Promise((resolve) => setImmediate(resolve))
  held[1]!()
  assert.equal((await third).status, 200)
})

test('a breaker opens on failures, answers at once, and closes by itself', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, { handler: answerText('{}', 503) })
  await registerRaw(portico, policyOf([raw], { circuitBreaker: { minRequests: 5, openFor: '300ms' } }))
  for (let i = 0; i < 5; i++) assert.equal((await portico.admin.get(path)).status, 503)
  const asked = raw.seen.length
  const refused = await portico.admin.get(path)
  assert.deepEqual([refused.status, causesOf(refused)['phase'], raw.seen.length], [503, 'breaker', asked])
  assert.match((await portico.admin.get('/metrics')).text, /portico_proxy_breaker_state\{[^}]*raw[^}]*\} 2/)
  raw.handler = answerText('{}')
  const startedMs = performance.now()
  while ((await portico.admin.get(path)).status !== 200) assert.ok(performance.now() - startedMs < 5_000)
  assert.ok(performance.now() - startedMs > 100, 'not before its time')
})

describe('time limits by verb, resource and path, each within 250 ms', () => {
  const rules = [
    { verbs: ['create'], firstByte: '300ms' },
    { verbs: ['watch'], idle: '300ms' },
    { resources: ['slows'], firstByte: '600ms' },
    { resources: ['things/stream'], longRunning: true },
    { resources: ['things/long'], total: '700ms' },
    { paths: [`${RAW_PATH}/things/exact`], firstByte: '200ms' },
    { paths: [`${RAW_PATH}/things/quick`], total: '450ms' },
    { paths: [`${RAW_PATH}/prefix/*`], firstByte: '400ms' },
    { verbs: ['list'], resources: ['things'], firstByte: '500ms' },
    { verbs: ['delete'], total: '350ms' },
    { verbs: ['get'], resources: ['pauses'], idle: '250ms' },
  ]
  type Row = { name: string; method?: string; path: string; body?: string; afterMs: number | 'never'; cut?: boolean }
  const rows: readonly Row[] = [
    { name: 'first byte by verb', method: 'POST', path, body: '{}', afterMs: 300 },
    { name: 'first byte by resource', path: `${RAW_PATH}/slows`, afterMs: 600 },
    { name: 'first byte by path', path: `${path}/exact`, afterMs: 200 },
    { name: 'total by path', path: `${path}/quick`, afterMs: 450 },
    { name: 'first byte by prefix', path: `${RAW_PATH}/prefix/x`, afterMs: 400 },
    { name: 'first byte by verb and resource', path, afterMs: 500 },
    { name: 'total by subresource', path: `${path}/a/long`, afterMs: 700 },
    { name: 'total by verb', method: 'DELETE', path: `${path}/a`, afterMs: 350 },
    { name: 'general, where no rule matches', path: `${path}/other`, afterMs: 900 },
    { name: 'idle in an answer, by resource', path: `${RAW_PATH}/pauses/a`, afterMs: 250, cut: true },
    { name: 'idle in a watch', path: `${path}?watch=1`, afterMs: 300, cut: true },
    { name: 'a custom subresource that runs long has none', path: `${path}/a/stream`, afterMs: 'never' },
  ]
  let portico: TestServer
  let raw: RawBackend
  test.before(async () => {
    portico = await startTestServer(['--request-timeout=1s'])
    raw = await startRawBackend(portico, {
      handler: ({ url }, response) => {
        if (url.includes('pauses') || url.includes('watch=1')) response.write('{"type":"ADDED"}\n')
        if (!url.endsWith('/stream')) return
        response.write('[')
        setTimeout(() => response.end(']'), 1_600)
      },
    })
    await registerRaw(portico, policyOf([raw], { timeouts: { firstByte: '900ms', rules } }))
  })
  test.after(async () => {
    await portico.stop()
    await raw.close()
  })
  for (const { name, method = 'GET', path: target, body, afterMs, cut = false } of rows) {
    test(name, async () => {
      const startedMs = performance.now()
      const answer = portico.admin.request(method, target, body === undefined ? {} : { body })
      if (afterMs === 'never') return assert.equal((await answer).status, 200)
      if (cut) await assert.rejects(answer)
      else assert.ok([503, 504].includes((await answer).status))
      const tookMs = performance.now() - startedMs
      assert.ok(tookMs >= afterMs - 5 && tookMs <= afterMs + 250, `after ${tookMs} ms`)
    })
  }
})

test('routes by resource, user, header and weight; clients keep their side', async () => {
  await using portico = await startTestServer()
  const named = (name: string): RawHandler => answerText(JSON.stringify({ name }))
  await using a = await startRawBackend(portico, { host: '127.0.0.1', handler: named('a') })
  await using b = await startRawBackend(portico, { host: '127.0.0.2', handler: named('b') })
  const backend = (name: string, { address, port }: RawBackend): object => ({
    name,
    endpoints: [{ address, port }],
    tls: RAW_TLS,
  })
  const routed = (weight: number): object => ({
    backends: [backend('default', a), backend('other', b)],
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
