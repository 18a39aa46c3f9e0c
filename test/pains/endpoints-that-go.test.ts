/** Endpoints that terminate, vanish, freeze or come back: watches move without a torn event, requests fail over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status } from '../../src/api/status-error.ts'
import { type KeyPair, makeCA, makeCertificate } from '../../src/http/certificates.ts'
import {
  answerText,
  putPolicy,
  RAW_API_SERVICE,
  RAW_PATH,
  RAW_TLS,
  type RawBackend,
  type RawHandler,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { untilCondition } from '../harness/backends.ts'
import { startChildBackend } from '../harness/child-backend.ts'
import { httpClient } from '../harness/http-client.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const path = `${RAW_PATH}/things`
const EVENT = `{"type":"ADDED","object":{"kind":"Thing","spec":"${'x'.repeat(200)}"}}\n`
const policyOf = (backends: readonly { readonly address: string; readonly port: number }[]): object => ({
  backends: [{ name: 'default', endpoints: backends.map(({ address, port }) => ({ address, port })), tls: RAW_TLS }],
})
const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 }
function issued(commonName: string): { ca: string; pair: KeyPair } {
  const ca = makeCA({ commonName, ...validity })
  return {
    ca: ca.cert,
    pair: makeCertificate({ commonName: 'raw', names: ['localhost', '127.0.0.1'], ...validity }, ca),
  }
}
/** Half an event at once, the other half when it is let go. */
function halves(): { handler: RawHandler; letGo: () => void; open: () => number } {
  const waiting: (() => void)[] = []
  return {
    handler: (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write(EVENT + EVENT.slice(0, 50))
      waiting.push(() => response.write(EVENT.slice(50)))
    },
    letGo: () => {
      for (const send of waiting) send()
    },
    open: () => waiting.length,
  }
}
async function watch(portico: TestServer): Promise<{ text: Promise<string>; ended: () => boolean }> {
  const { body } = await portico.admin.stream(`${path}?watch=1`)
  let done = false
  const text = (async () => {
    let all = ''
    for await (const chunk of body) all += String(chunk)
    done = true
    return all
  })().catch(() => 'broken off')
  return { text, ended: () => done }
}

test('watches of an endpoint that goes end between two events, spread over the time, and others go on', async () => {
  await using portico = await startTestServer(['--backend-drain-duration=400ms'])
  const first = halves()
  await using going = await startRawBackend(portico, { host: '127.0.0.2', handler: first.handler })
  const second = halves()
  await using staying = await startRawBackend(portico, { host: '127.0.0.3', handler: second.handler })
  await registerRaw(portico, policyOf([going, staying]))
  const watches = await Promise.all(Array.from({ length: 20 }, () => watch(portico)))
  assert.deepEqual([first.open(), second.open()], [10, 10], 'spread evenly')
  const startedMs = performance.now()
  await putPolicy(portico, policyOf([staying]))
  // None may be torn: each has to wait for the rest of its event.
  first.letGo()
  const endedMs: number[] = []
  const texts = watches.map(async (w) => {
    const text = await w.text
    endedMs.push(performance.now() - startedMs)
    return text
  })
  while (endedMs.length < 10) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(watches.filter((w) => w.ended()).length, 10)
  for (const [i, w] of watches.entries()) if (w.ended()) assert.equal(await texts[i]!, EVENT + EVENT)
  const spread = Math.max(...endedMs) - Math.min(...endedMs)
  assert.ok(spread > 200 && spread < 800, `over ${spread} ms`)
  assert.equal(
    await portico.admin.get(`${path}?watch=1`, { signal: AbortSignal.timeout(200) }).catch((e: Error) => e.name),
    'TimeoutError',
    'new watches are served',
  )
  assert.equal(first.open(), 10, 'nothing new went to the one that goes')
})

test('when this server stops, proxied watches end between two events, spread over the time', async () => {
  await using portico = await startTestServer(['--shutdown-watch-termination-grace-period=400ms'])
  const events = halves()
  await using raw = await startRawBackend(portico, { handler: events.handler })
  await registerRaw(portico, policyOf([raw]))
  const client = httpClient(portico.url, { ca: portico.pki.ca().cert, ...portico.pki.admin() })
  const endedMs: number[] = []
  const texts = Array.from({ length: 10 }, async () => {
    const { body } = await client.stream(`${path}?watch=1`)
    let text = ''
    for await (const chunk of body) text += String(chunk)
    endedMs.push(performance.now())
    return text
  })
  while (events.open() < 10) await new Promise((resolve) => setImmediate(resolve))
  const stopped = portico.server.stop()
  events.letGo()
  for (const text of await Promise.all(texts)) assert.equal(text, EVENT + EVENT)
  const spread = Math.max(...endedMs) - Math.min(...endedMs)
  assert.ok(spread > 200, `over ${spread} ms`)
  await stopped
  await client.close()
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

test('a certificate that ends soon is told in a condition and in metrics', async () => {
  await using portico = await startTestServer()
  const soon = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3 * 86_400_000 }
  const pair = makeCertificate({ commonName: 'raw', names: ['127.0.0.1'], ...soon }, portico.pki.ca())
  await using raw = await startRawBackend(portico, { pair })
  await registerRaw(portico, policyOf([raw]))
  const told = await untilCondition(portico, RAW_API_SERVICE, (c) => c?.status === 'True', 'CertificateExpiring')
  assert.equal(told.reason, 'CertificateEndsSoon')
  assert.match(told.message, /^the backend's certificate ends at \d{4}-/)
  const metrics = (await portico.admin.get('/metrics')).text
  const seconds = Number(
    /^portico_backend_certificate_expiry_seconds\{backend="v1.raw.example.com",use="backend"\} (\S+)$/m.exec(
      metrics,
    )?.[1],
  )
  assert.ok(seconds > 2.9 * 86_400 && seconds <= 3 * 86_400, String(seconds))
  for (const use of ['serving', 'client-ca', 'front-proxy-ca', 'front-proxy-client'])
    assert.match(metrics, new RegExp(`^portico_certificate_expiry_seconds\\{use="${use}"\\} [0-9.e+]+$`, 'm'))
})

test('a rolling restart of three endpoints under load, half of it POST: no error, no request twice', async () => {
  await using portico = await startTestServer()
  const posted: string[] = []
  const handler: RawHandler = (request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      if (request.method === 'POST') posted.push(body)
      response.end('{}')
    })
  }
  await using a = await startRawBackend(portico, { host: '127.0.0.1', handler })
  await using b = await startRawBackend(portico, { host: '127.0.0.2', handler })
  await using c = await startRawBackend(portico, { host: '127.0.0.3', handler })
  await registerRaw(portico, policyOf([a, b, c]))
  let stop = false
  let sent = 0
  const wrong: string[] = []
  const one = async (n: number): Promise<void> => {
    const { status, text } = n % 2 === 0 ? await portico.admin.get(path) : await portico.admin.post(path, `post ${n}`)
    if (status !== 200) wrong.push(`${status} ${text}`)
  }
  const load = Array.from({ length: 16 }, async () => {
    while (!stop) await one(sent++)
  })
  const more = async (n: number): Promise<void> => {
    const goal = sent + n
    while (sent < goal) await new Promise((resolve) => setImmediate(resolve))
  }
  await more(300)
  for (const backend of [a, b, c]) {
    await backend.restart()
    await more(300)
  }
  stop = true
  await Promise.all(load)
  assert.deepEqual(wrong, [])
  assert.equal(new Set(posted).size, posted.length)
  assert.equal(posted.length, Math.floor(sent / 2))
})

test('three endpoints share requests and watches evenly', async () => {
  await using portico = await startTestServer()
  const watches = new Map<string, number>()
  const requests = new Map<string, number>()
  const handlerOf =
    (host: string): RawHandler =>
    ({ url }, response) => {
      const counts = url.includes('watch=1') ? watches : requests
      counts.set(host, (counts.get(host) ?? 0) + 1)
      if (url.includes('watch=1')) response.write('{}\n')
      else response.end('{}')
    }
  const start = (host: string): Promise<RawBackend> => startRawBackend(portico, { host, handler: handlerOf(host) })
  await using a = await start('127.0.0.1')
  await using b = await start('127.0.0.2')
  await using c = await start('127.0.0.3')
  await registerRaw(portico, policyOf([a, b, c]))
  const open = Array.from({ length: 150 }, () => watch(portico))
  await Promise.all(open)
  for (let i = 0; i < 60; i++) await Promise.all(Array.from({ length: 20 }, () => portico.admin.get(path)))
  const ratio = (counts: ReadonlyMap<string, number>): number =>
    Math.max(...counts.values()) / Math.min(...counts.values())
  assert.deepEqual([watches.size, requests.size], [3, 3])
  assert.ok(ratio(watches) <= 1.3, JSON.stringify([...watches]))
  assert.ok(ratio(requests) <= 1.2, JSON.stringify([...requests]))
})

test('all certificates of a backend rotate under load without an error, and the old CA is refused afterwards', async () => {
  await using portico = await startTestServer()
  const [{ ca: oldCa, pair: oldPair }, { ca: newCa, pair: newPair }] = [issued('old'), issued('new')]
  await using raw = await startRawBackend(portico, {
    pair: oldPair,
    handler: (request, response) => {
      if (request.url.includes('watch=1')) response.write(EVENT)
      else answerText('{}')(request, response)
    },
  })
  const put = async (cas: readonly string[]): Promise<void> => {
    const name = '/api/v1/namespaces/default/configmaps/rotating-ca'
    const object = { metadata: { name: 'rotating-ca' }, data: { 'ca.crt': cas.join('\n') } }
    const made = await portico.admin.post('/api/v1/namespaces/default/configmaps', object)
    if (made.status !== 201) assert.equal((await portico.admin.put(name, object)).status, 200)
  }
  await put([oldCa])
  const tls = { ca: [{ configMap: { namespace: 'default', name: 'rotating-ca' } }] }
  await registerRaw(portico, { backends: [{ name: 'default', url: `https://127.0.0.1:${raw.port}`, tls }] })
  const watches = await Promise.all(Array.from({ length: 20 }, () => watch(portico)))
  let stop = false
  const statuses = new Map<number, number>()
  const load = Array.from({ length: 4 }, async () => {
    while (!stop) {
      const { status } = await portico.admin.get(path)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })
  const requests = async (n: number): Promise<void> => {
    const goal = [...statuses.values()].reduce((a, b) => a + b, 0) + n
    while ([...statuses.values()].reduce((a, b) => a + b, 0) < goal) await new Promise((r) => setImmediate(r))
  }
  await requests(50)
  await put([oldCa, newCa])
  await requests(50)
  raw.secure(newPair)
  await requests(50)
  await put([newCa])
  await requests(50)
  stop = true
  await Promise.all(load)
  assert.deepEqual([...statuses.keys()], [200])
  assert.equal(watches.filter((w) => w.ended()).length, 0, 'no watch was dropped')
  // Whoever shows a certificate of the old CA now is nobody.
  raw.secure(oldPair)
  raw.cut()
  const startedMs = performance.now()
  for (;;) {
    const answer = await portico.admin.get(path)
    if (answer.status === 503 && answer.text.includes('certificate signed by unknown authority')) break
    assert.ok(performance.now() - startedMs < 5_000, `${answer.status} ${answer.text}`)
  }
})
