/** A backend may take only so much of this process: what is over it is refused at once, and nobody else feels it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { registerSample } from '../harness/backends.ts'
import { HeldClock, passLively } from '../harness/held-clock.ts'
import { type HttpClient, httpClient } from '../harness/http-client.ts'
import {
  answerText,
  causesOf,
  policyOf,
  RAW_PATH,
  RAW_TLS,
  type RawHandler,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { until, untilTurn } from '../harness/until.ts'
import { HeldAnswers, openWatch } from '../harness/watches.ts'

const path = `${RAW_PATH}/things`

test('a backend that hangs holds its own callers only; what is over its limit is refused while the clock stands still', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  const answers = new HeldAnswers()
  await using raw = await startRawBackend(portico, { handler: answers.handler })
  await using garden = await registerSample(portico, 'garden')
  await registerRaw(portico, policyOf([raw], { bulkhead: { maxInFlight: 50 } }))
  clock.hold()
  const waiting = Array.from({ length: 50 }, () => portico.admin.get(path))
  await answers.reach(50)
  const others = Array.from({ length: 50 }, () => portico.admin.get(garden.collection))
  for (const refused of await Promise.all(Array.from({ length: 200 }, () => portico.admin.get(path)))) {
    assert.equal(refused.status, 429)
    assert.equal(refused.headers['retry-after'], '1')
    assert.deepEqual([causesOf(refused)['phase'], causesOf(refused)['apiService']], ['in-flight', 'v1.raw.example.com'])
  }
  assert.equal(answers.count, 50, 'the backend was not asked')
  assert.deepEqual(new Set((await Promise.all(others)).map((a) => a.status)), new Set([200]))
  assert.equal((await portico.admin.get('/api/v1/namespaces')).status, 200)
  answers.endAll()
  assert.deepEqual(new Set((await Promise.all(waiting)).map((a) => a.status)), new Set([200]))
  raw.handler = answerText('{}')
  assert.equal((await portico.admin.get(path)).status, 200, 'the places are free again')
})

test('a request may wait for its place: for exactly so long, and not longer than the queue', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  const answers = new HeldAnswers()
  await using raw = await startRawBackend(portico, { handler: answers.handler })
  await registerRaw(portico, policyOf([raw], { bulkhead: { maxInFlight: 1, maxQueued: 1, maxQueueTime: '700ms' } }))
  clock.hold()
  const first = portico.admin.get(path)
  await answers.reach(1)
  let done = false
  const second = portico.admin.get(path).finally(() => (done = true))
  // The third finds the queue full, once the second is in it.
  await until('the queue is full', async () => causesOf(await portico.admin.get(path))['phase'] === 'in-flight')
  clock.advance(699)
  assert.equal((await portico.admin.get('/livez')).status, 200)
  assert.equal(done, false)
  clock.advance(1)
  assert.deepEqual([(await second).status, causesOf(await second)['phase']], [429, 'queue-timeout'])
  const third = portico.admin.get(path)
  await until('it waits', async () => causesOf(await portico.admin.get(path))['phase'] === 'in-flight')
  answers.end(0)
  assert.equal((await first).status, 200)
  await answers.reach(2)
  answers.end(1)
  assert.equal((await third).status, 200)
})

test('a client that no longer waits for its place leaves it to the next', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  const answers = new HeldAnswers()
  await using raw = await startRawBackend(portico, { handler: answers.handler })
  await registerRaw(portico, policyOf([raw], { bulkhead: { maxInFlight: 1, maxQueued: 1, maxQueueTime: '60s' } }))
  clock.hold()
  const first = portico.admin.get(path)
  await answers.reach(1)
  const impatient = closing(portico, true)
  const left = impatient.client.get(path).catch(() => {})
  await until('the queue is full', async () => causesOf(await portico.admin.get(path))['phase'] === 'in-flight')
  await impatient[Symbol.asyncDispose]()
  await left
  let next = portico.admin.get(path)
  await until('there is room in the queue', async () => {
    const isLate = (async () => {
      for (let i = 0; i < 10; i++) await portico.admin.get('/livez')
    })()
    const answer = await Promise.race([next, isLate])
    if (answer) next = portico.admin.get(path)
    return !answer
  })
  answers.end(0)
  assert.equal((await first).status, 200)
  await answers.reach(2)
  answers.end(1)
  assert.equal((await next).status, 200)
  assert.equal(answers.count, 2, 'the one that left was not asked for')
})

test('watches and the rate of requests have limits of their own', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  await using raw = await startRawBackend(portico, {
    handler: ({ url }, response) => void (url.includes('watch=1') ? response.write('{}\n') : response.end('{}')),
  })
  await registerRaw(portico, policyOf([raw], { bulkhead: { maxWatches: 2, requestsPerSecond: 10, burst: 5 } }))
  clock.hold()
  const [first] = await Promise.all([openWatch(portico.admin), openWatch(portico.admin)])
  const refused = await portico.admin.get(`${path}?watch=1`)
  assert.deepEqual([refused.status, causesOf(refused)['phase'], first.ended()], [429, 'watches', false])
  // Two of five are left.
  const statuses = async (n: number): Promise<number[]> => {
    const all: number[] = []
    for (let i = 0; i < n; i++) all.push((await portico.admin.get(path)).status)
    return all
  }
  assert.deepEqual(await statuses(3), [200, 200, 429])
  clock.advance(200)
  assert.deepEqual(await statuses(3), [200, 200, 429], '10 a second')
  clock.advance(10_000)
  assert.deepEqual(await statuses(6), [200, 200, 200, 200, 200, 429], 'and never more than the burst')
  assert.equal(causesOf(await portico.admin.get(path))['phase'], 'rate')
})

const deadlines: readonly { readonly name: string; readonly more: object; readonly afterMs: number }[] = [
  { name: 'the limit of its policy', more: { timeouts: { total: '3s' } }, afterMs: 3_000 },
  // Deadlines that all requests share are looked at every 250 ms.
  { name: '--request-timeout', more: {}, afterMs: 60_250 },
]
for (const allowH2 of [false, true]) {
  for (const { name, more, afterMs } of deadlines) {
    test(`a client that reads no answer (${allowH2 ? 'h2' : 'http/1.1'}) frees its place after ${name}`, async () => {
      const clock = new HeldClock()
      await using portico = await startTestServer([], { clock })
      const large: RawHandler = (_request, response) => void response.end(Buffer.alloc(64_000_000))
      await using raw = await startRawBackend(portico, { handler: large })
      await registerRaw(portico, policyOf([raw], { bulkhead: { maxInFlight: 1 }, ...more }))
      clock.hold()
      await using stalled = closing(portico, allowH2)
      const { body } = await stalled.client.stream(path)
      body.on('error', () => {}).pause()
      raw.handler = answerText('{}')
      assert.equal((await portico.admin.get(path)).status, 429)
      await passLively(portico, clock, afterMs - 251)
      assert.equal((await portico.admin.get(path)).status, 429)
      clock.advance(251)
      const answer = await portico.admin.get(path)
      assert.equal(answer.status, 200, answer.text)
    })
  }
}
function closing(portico: TestServer, allowH2: boolean): AsyncDisposable & { readonly client: HttpClient } {
  const client = httpClient(portico.url, { ca: portico.pki.ca().cert, ...portico.pki.admin(), allowH2 })
  return { client, [Symbol.asyncDispose]: () => client.close() }
}

test('a request whose time is up tells whether it waited for the backend or for its place', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  const answers = new HeldAnswers()
  await using raw = await startRawBackend(portico, { handler: answers.handler })
  const bulkhead = { maxInFlight: 1, maxQueued: 1, maxQueueTime: '1h' }
  await registerRaw(portico, policyOf([raw], { bulkhead, timeouts: { total: '2s' } }))
  clock.hold()
  const first = portico.admin.get(path)
  await answers.reach(1)
  const second = portico.admin.get(`${path}?timeout=1s`)
  await until('the queue is full', async () => causesOf(await portico.admin.get(path))['phase'] === 'in-flight')
  const told = async (asked: typeof first): Promise<unknown[]> => {
    const answer = await asked
    const { phase, attempts } = causesOf(answer)
    return [answer.status, phase, attempts]
  }
  clock.advance(1_000)
  assert.deepEqual(await told(second), [504, 'queue', '0'])
  clock.advance(1_000)
  assert.deepEqual(await told(first), [504, 'first-byte', '1'])
})

test('a breaker opens on failures, answers without asking for exactly its time, and closes by itself', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  await using raw = await startRawBackend(portico, { handler: answerText('{}', 503) })
  await registerRaw(portico, policyOf([raw], { circuitBreaker: { minRequests: 5, openFor: '1500ms' } }))
  clock.hold()
  for (let i = 0; i < 5; i++) assert.equal((await portico.admin.get(path)).status, 503)
  const asked = raw.seen.length
  const refused = await portico.admin.get(path)
  assert.deepEqual(
    [refused.status, refused.headers['retry-after'], causesOf(refused)['phase'], raw.seen.length],
    [503, undefined, 'breaker', asked],
  )
  assert.match((await portico.admin.get('/metrics')).text, /portico_proxy_breaker_state\{[^}]*raw[^}]*\} 2/)
  raw.handler = answerText('{}')
  clock.advance(1_499)
  assert.equal((await portico.admin.get(path)).status, 503)
  assert.equal(raw.seen.length, asked)
  clock.advance(1)
  assert.equal((await portico.admin.get(path)).status, 200)
  assert.match((await portico.admin.get('/metrics')).text, /portico_proxy_breaker_state\{[^}]*raw[^}]*\} 0/)
})

test("the client's User-Agent goes on, so that limits of the backend meet the right one", async () => {
  await using portico = await startTestServer()
  const agents: unknown[] = []
  await using raw = await startRawBackend(portico, {
    handler: (request, response) => {
      agents.push(request.headers['user-agent'])
      response.end('{}')
    },
  })
  await registerRaw(portico, { backends: [{ name: 'default', url: `https://127.0.0.1:${raw.port}`, tls: RAW_TLS }] })
  await portico.admin.get(path, { headers: { 'user-agent': 'quota-controller/1.2' } })
  await untilTurn('it was asked', () => agents.length > 0)
  assert.deepEqual(agents, ['quota-controller/1.2'])
})
