/** Connections whose other end is gone without a word: found out, left, and never the way of the next request. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status } from '../../src/api/status-error.ts'
import { startChildBackend } from '../harness/child-backend.ts'
import { HeldClock, passLively } from '../harness/held-clock.ts'
import { policyOf, RAW_PATH, registerRaw, startRawBackend } from '../harness/raw-backend.ts'
import { startRelay } from '../harness/relay.ts'
import { startTestServer } from '../harness/server.ts'
import { until, untilTurn } from '../harness/until.ts'
import { openWatch } from '../harness/watches.ts'

const path = `${RAW_PATH}/things`
/** By default: a ping after 5 s without a byte, and 5 s for its answer. */
const DETECTED_MS = 10_000

for (const http2 of [true, false]) {
  const protocol = http2 ? 'h2' : 'http/1.1'
  test(`an endpoint that vanishes (${protocol}): what waits for it fails over within 10 s, later requests at once`, async () => {
    const clock = new HeldClock()
    await using portico = await startTestServer([], { clock })
    await using hidden = await startRawBackend(portico, { host: '127.0.0.2', http2 })
    await using good = await startRawBackend(portico, { host: '127.0.0.1', http2 })
    await using relay = await startRelay({ host: '127.0.0.3', to: hidden })
    await registerRaw(portico, policyOf([relay, good]))
    const get = (): Promise<{ status: number }> => portico.admin.get(path)
    await until('both are in use', async () => (await get()).status === 200 && hidden.seen.length > 0)
    clock.hold()
    relay.vanish()
    const [before, lost] = [good.seen.length, 20]
    let answered = 0
    const waiting = Array.from({ length: lost }, async () => {
      const { status } = await get()
      answered++
      return status
    })
    await until('some are with the one that is left', () => good.seen.length > before)
    await passLively(portico, clock, DETECTED_MS, { enough: () => answered === lost })
    await untilTurn('all are answered', () => answered === lost)
    assert.deepEqual(new Set(await Promise.all(waiting)), new Set([200]))
    assert.equal(good.seen.length - before, lost)
    // From now on nobody waits for it: the clock stands still.
    for (let i = 0; i < 20; i++) assert.equal((await get()).status, 200)
  })
}

test('a watch whose endpoint vanishes is told so within 10 s, though nothing else uses the connection', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  await using hidden = await startRawBackend(portico, {
    host: '127.0.0.2',
    handler: (_request, response) => void response.write('{"type":"ADDED"}\n'),
  })
  await using relay = await startRelay({ host: '127.0.0.3', to: hidden })
  await registerRaw(portico, policyOf([relay]))
  const watch = await openWatch(portico.admin)
  await untilTurn('the first event', () => watch.seen() !== '')
  clock.hold()
  // A quiet backend is no dead one.
  await passLively(portico, clock, 3 * DETECTED_MS, { enough: watch.ended })
  assert.equal(watch.ended(), false)
  relay.vanish()
  await passLively(portico, clock, DETECTED_MS, { enough: watch.ended })
  await untilTurn('it ended', watch.ended)
  assert.equal(await watch.text, 'broken off')
})

test('watches have connections of their own, and more of them open more before they are full', async () => {
  await using portico = await startTestServer()
  const used = { watches: new Set<object>(), requests: new Set<object>() }
  await using raw = await startRawBackend(portico, {
    maxStreams: 10,
    handler: ({ url }, response) => {
      const isWatch = url.includes('watch=1')
      used[isWatch ? 'watches' : 'requests'].add(response.stream!.session!)
      if (isWatch) response.write('{}\n')
      else response.end('{}')
    },
  })
  await registerRaw(portico, policyOf([raw]))
  // Ten fit on a connection; another one is made when it has eight and takes the ninth.
  const watches = []
  for (let i = 0; i < 8; i++) watches.push(await openWatch(portico.admin))
  const connections = raw.sockets.size
  watches.push(await openWatch(portico.admin))
  assert.equal(used.watches.size, 1)
  await untilTurn('another connection', () => raw.sockets.size > connections)
  watches.push(...(await Promise.all(Array.from({ length: 51 }, () => openWatch(portico.admin)))))
  for (let i = 0; i < 20; i++) assert.equal((await portico.admin.get(path)).status, 200)
  assert.ok(used.watches.size >= 6 && used.watches.size <= 10, `${used.watches.size} connections of watches`)
  assert.equal(used.requests.size, 1)
  for (const session of used.requests) assert.ok(!used.watches.has(session))
  assert.equal(watches.filter((w) => w.ended()).length, 0)
})

for (const protocol of ['http/1.1', 'h2']) {
  test(`a frozen endpoint (SIGSTOP, ${protocol}) is found out, its requests go to another one, and it comes back`, async () => {
    await using portico = await startTestServer()
    await using frozen = await startChildBackend(portico, { host: '127.0.0.2', protocol })
    await using good = await startChildBackend(portico, { host: '127.0.0.3', protocol })
    await registerRaw(portico, { ...policyOf([frozen, good]), connections: { readIdle: '1s' } })
    const hosts = async (n: number): Promise<Set<string>> => {
      const answers = await Promise.all(Array.from({ length: n }, () => portico.admin.get(path)))
      return new Set(answers.map((a) => (a.status === 200 ? a.json<{ host: string }>().host : a.text)))
    }
    assert.deepEqual(await hosts(50), new Set(['127.0.0.2', '127.0.0.3']))
    frozen.process.kill('SIGSTOP')
    assert.deepEqual(await hosts(50), new Set(['127.0.0.3']))
    const left = (await portico.admin.get('/metrics')).text
    assert.match(
      left,
      /portico_proxy_endpoint_ejections_total\{backend="v1.raw.example.com",endpoint="127.0.0.2:\d+"\} [1-9]/,
    )
    frozen.process.kill('SIGCONT')
    const backMs = performance.now()
    while (!(await hosts(20)).has('127.0.0.2')) assert.ok(performance.now() - backMs < 10_000)
  })
}

for (const protocol of ['http/1.1', 'h2']) {
  test(`where the only endpoint is frozen (${protocol}), requests get 503 after one attempt, not after several`, async () => {
    await using portico = await startTestServer()
    await using frozen = await startChildBackend(portico, { host: '127.0.0.2', protocol })
    await registerRaw(portico, { ...policyOf([frozen]), connections: { readIdle: '1s', pingTimeout: '1s' } })
    assert.equal((await portico.admin.get(path)).status, 200)
    frozen.process.kill('SIGSTOP')
    const answer = await portico.admin.get(path)
    assert.equal(answer.status, 503)
    const causes = answer.json<Status>().details?.causes ?? []
    assert.equal(causes.find((c) => c.field === 'attempts')?.message, '1', answer.text)
  })
}
