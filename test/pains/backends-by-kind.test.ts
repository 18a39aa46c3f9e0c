/** Backends that are no Service: each kind passes the same requests; and certificates that change while they are in use. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { PolicyBackend } from '../../src/api/backend-policy.ts'
import { type KeyPair, makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { untilCondition } from '../harness/backends.ts'
import { HeldClock, passLively } from '../harness/held-clock.ts'
import {
  answerText,
  policyOf,
  RAW_API_SERVICE,
  RAW_PATH,
  RAW_TLS,
  type RawBackend,
  type RawHandler,
  type RawOptions,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until, untilTurn } from '../harness/until.ts'
import { EVENT, openWatch } from '../harness/watches.ts'

const folder = await mkdtemp(join(tmpdir(), 'portico-sockets-'))
const socketPath = join(folder, 'backend.sock')
const tls = RAW_TLS
const kinds: readonly {
  name: string
  options?: RawOptions
  backend: (b: RawBackend) => Omit<PolicyBackend, 'name'>
  host: (b: RawBackend) => string
}[] = [
  {
    name: 'a URL',
    backend: (b) => ({ url: `https://localhost:${b.port}`, tls }),
    host: (b) => `localhost:${b.port}`,
  },
  {
    name: 'a URL by address, with another name in its certificate',
    backend: (b) => ({ url: `https://127.0.0.1:${b.port}`, tls: { ...tls, serverName: 'raw.default.svc' } }),
    host: (b) => `127.0.0.1:${b.port}`,
  },
  {
    name: 'a DNS name',
    backend: (b) => ({ dns: { name: 'localhost', port: b.port }, tls }),
    host: (b) => `localhost:${b.port}`,
  },
  {
    name: 'a list of endpoints',
    backend: (b) => ({ endpoints: [{ address: '127.0.0.1', port: b.port }], tls }),
    host: (b) => `127.0.0.1:${b.port}`,
  },
  {
    name: 'a socket of this machine',
    options: { socketPath },
    backend: () => ({ unixSocket: socketPath }),
    host: () => 'localhost',
  },
]
for (const { name, options, backend, host } of kinds) {
  test(`a backend by ${name}: reads, writes, watches and errors pass, identity arrives`, async () => {
    await using portico = await startTestServer()
    await using raw = await startRawBackend(portico, options)
    const hosts: string[] = []
    raw.handler = (request, response) => {
      hosts.push(String(request.headers[':authority'] ?? request.headers['host']))
      response.setHeader('content-type', 'application/json')
      if (request.url.includes('watch=1')) {
        response.write('{"type":"ADDED","object":{"kind":"Thing"}}\n')
        return
      }
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        const user = request.headers['x-remote-user']
        response.statusCode = request.url.endsWith('/none') ? 404 : 200
        response.end(JSON.stringify({ method: request.method, user, body }))
      })
    }
    await registerRaw(portico, { backends: [{ name: 'default', ...backend(raw) }] })
    const path = `${RAW_PATH}/things`
    const read = await portico.admin.get(path)
    assert.deepEqual([read.status, read.json()], [200, { method: 'GET', user: 'portico:admin', body: '' }], read.text)
    const written = await portico.admin.post(path, '{"a":1}')
    assert.deepEqual(written.json(), { method: 'POST', user: 'portico:admin', body: '{"a":1}' })
    assert.equal((await portico.admin.get(`${path}/none`)).status, 404)
    const watch = await portico.admin.stream(`${path}?watch=1`)
    for await (const chunk of watch.body) {
      assert.equal(String(chunk), '{"type":"ADDED","object":{"kind":"Thing"}}\n')
      break
    }
    assert.deepEqual([...new Set(hosts)], [host(raw)])
    const groups = (await portico.admin.get('/apis/raw.example.com/v1')).json<{ resources: { name: string }[] }>()
    assert.deepEqual(
      groups.resources.map((r) => r.name),
      ['things'],
    )
  })
}
test.after(() => rm(folder, { recursive: true }))

const path = `${RAW_PATH}/things`
const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 }
function issued(commonName: string): { ca: string; pair: KeyPair } {
  const ca = makeCA({ commonName, ...validity })
  return {
    ca: ca.cert,
    pair: makeCertificate({ commonName: 'raw', names: ['localhost', '127.0.0.1'], ...validity }, ca),
  }
}
/** In a ConfigMap; made, or changed. */
async function putCa(portico: TestServer, cas: readonly string[]): Promise<void> {
  const name = '/api/v1/namespaces/default/configmaps/rotating-ca'
  const object = { metadata: { name: 'rotating-ca' }, data: { 'ca.crt': cas.join('\n') } }
  const made = await portico.admin.post('/api/v1/namespaces/default/configmaps', object)
  if (made.status !== 201) assert.equal((await portico.admin.put(name, object)).status, 200)
}
const rotatingTls = { ca: [{ configMap: { namespace: 'default', name: 'rotating-ca' } }] }
const registerRotating = (portico: TestServer, raw: RawBackend): Promise<void> =>
  registerRaw(portico, {
    backends: [{ name: 'default', url: `https://127.0.0.1:${raw.port}`, tls: rotatingTls }],
  })
/** How long a CA that is trusted no more may still be taken. */
const REFUSED_WITHIN_MS = 5_000
/** By the server's own time, which was held before the change. */
async function untilRefused(portico: TestServer, clock: HeldClock): Promise<void> {
  const refused = async (): Promise<boolean> => {
    const answer = await portico.admin.get(path)
    return answer.status === 503 && answer.text.includes('certificate signed by unknown authority')
  }
  const passedMs = await passLively(portico, clock, REFUSED_WITHIN_MS, { enough: refused })
  assert.ok(passedMs < REFUSED_WITHIN_MS, `not refused within ${REFUSED_WITHIN_MS} ms of the change`)
}

test('all certificates of a backend rotate under load without an error, and the old CA is refused within 5 s', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  const [{ ca: oldCa, pair: oldPair }, { ca: newCa, pair: newPair }] = [issued('old'), issued('new')]
  await using raw = await startRawBackend(portico, {
    pair: oldPair,
    handler: (request, response) => {
      if (request.url.includes('watch=1')) response.write(EVENT)
      else answerText('{}')(request, response)
    },
  })
  await putCa(portico, [oldCa])
  await registerRotating(portico, raw)
  const watches = await Promise.all(Array.from({ length: 20 }, () => openWatch(portico.admin)))
  let stop = false
  const statuses = new Map<number, number>()
  const load = Array.from({ length: 4 }, async () => {
    while (!stop) {
      const { status } = await portico.admin.get(path)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })
  const answered = (): number => [...statuses.values()].reduce((a, b) => a + b, 0)
  const requests = async (n: number): Promise<void> => {
    const goal = answered() + n
    await untilTurn(`${n} more answers`, () => answered() >= goal)
  }
  await requests(50)
  await putCa(portico, [oldCa, newCa])
  await requests(50)
  raw.secure(newPair)
  await requests(50)
  // From the change on, no time passes but what untilRefused() lets pass.
  clock.hold()
  await putCa(portico, [newCa])
  await requests(50)
  stop = true
  await Promise.all(load)
  assert.deepEqual([...statuses.keys()], [200])
  assert.equal(watches.filter((w) => w.ended()).length, 0, 'no watch was dropped')
  // Whoever shows a certificate of the old CA now is nobody.
  raw.secure(oldPair)
  raw.cut()
  await untilRefused(portico, clock)
})

test('a backend that stays with a certificate of the old CA is refused within 5 s, though connected; its watches stay', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  const { ca: oldCa, pair } = issued('old')
  await using raw = await startRawBackend(portico, {
    pair,
    handler: (request, response) => {
      if (request.url.includes('watch=1')) response.write(EVENT)
      else answerText('{}')(request, response)
    },
  })
  await putCa(portico, [oldCa])
  await registerRotating(portico, raw)
  const watch = await openWatch(portico.admin)
  assert.equal((await portico.admin.get(path)).status, 200)
  clock.hold()
  await putCa(portico, [issued('new').ca])
  await untilRefused(portico, clock)
  assert.equal(watch.ended(), false)
})

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

interface NamingClients extends AsyncDisposable {
  readonly raw: RawBackend
  /** A certificate that the backend takes. */
  readonly client: (commonName: string) => KeyPair
  /** Of the certificate that each request came with. */
  readonly names: readonly string[]
}
async function startNamingClients(portico: TestServer): Promise<NamingClients> {
  const ca = makeCA({ commonName: 'clients', ...validity })
  const names: string[] = []
  const raw = await startRawBackend(portico, {
    clientCA: ca.cert,
    handler: (_request, response) => {
      names.push((response.stream!.session!.socket as TLSSocket).getPeerCertificate().subject.CN as string)
      response.end('{}')
    },
  })
  return {
    raw,
    client: (commonName) => makeCertificate({ commonName, usages: ['client'], ...validity }, ca),
    names,
    [Symbol.asyncDispose]: () => raw.close(),
  }
}

test('a client certificate in a Secret of its own is shown to the backend, and so is the next one', async () => {
  await using portico = await startTestServer()
  await using shownTo = await startNamingClients(portico)
  const { raw, client, names } = shownTo
  const secrets = '/api/v1/namespaces/default/secrets'
  const secret = ({ cert, key }: KeyPair): object => ({
    metadata: { name: 'client' },
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': Buffer.from(cert).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') },
  })
  const made = await portico.admin.post(secrets, secret(client('first')))
  assert.equal(made.status, 201, made.text)
  const clientCertificate = { secret: { namespace: 'default', name: 'client' } }
  const url = `https://127.0.0.1:${raw.port}`
  await registerRaw(portico, { backends: [{ name: 'default', url, tls: { ...RAW_TLS, clientCertificate } }] })
  const shown = async (): Promise<string> => {
    const answer = await portico.admin.get(path)
    assert.equal(answer.status, 200, answer.text)
    return names.at(-1)!
  }
  assert.equal(await shown(), 'first')
  assert.equal((await portico.admin.put(`${secrets}/client`, secret(client('second')))).status, 200)
  await until('the next one is shown', async () => (await shown()) === 'second')
})

test('a client certificate in files is shown to the backend, and the next one as soon as both its halves are there', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer([], { clock })
  await using shownTo = await startNamingClients(portico)
  const { raw, client, names } = shownTo
  const [certFile, keyFile] = [join(folder, 'client.crt'), join(folder, 'client.key')]
  const first = client('first')
  await writeFile(certFile, first.cert)
  await writeFile(keyFile, first.key)
  const backend = { name: 'default', url: `https://127.0.0.1:${raw.port}` }
  await registerRaw(portico, {
    backends: [{ ...backend, tls: { ...RAW_TLS, clientCertificate: { certFile, keyFile } } }],
  })
  const shown = async (): Promise<string> => {
    const answer = await portico.admin.get(path)
    assert.equal(answer.status, 200, answer.text)
    return names.at(-1)!
  }
  assert.equal(await shown(), 'first')
  clock.hold()
  const second = client('second')
  await writeFile(certFile, second.cert)
  await passLively(portico, clock, 3_000)
  assert.equal(await shown(), 'first', 'a certificate without its key is not used')
  await writeFile(keyFile, second.key)
  const passedMs = await passLively(portico, clock, 5_000, { enough: async () => (await shown()) === 'second' })
  assert.ok(passedMs < 5_000, 'the next one is shown')
})

for (const { name, key } of [{ name: 'a Secret' }, { name: 'a Secret by another key', key: 'bundle.pem' }]) {
  test(`a CA in ${name}: its backend is trusted, and no longer once another CA is there`, async () => {
    const clock = new HeldClock()
    await using portico = await startTestServer([], { clock })
    const { ca, pair } = issued('kept')
    await using raw = await startRawBackend(portico, { pair })
    const secrets = '/api/v1/namespaces/default/secrets'
    const secret = (pem: string): object => ({
      metadata: { name: 'ca' },
      data: { [key ?? 'ca.crt']: Buffer.from(pem).toString('base64') },
    })
    assert.equal((await portico.admin.post(secrets, secret(ca))).status, 201)
    const tls = { ca: [{ secret: { namespace: 'default', name: 'ca', ...(key === undefined ? {} : { key }) } }] }
    await registerRaw(portico, { backends: [{ name: 'default', url: `https://127.0.0.1:${raw.port}`, tls }] })
    assert.equal((await portico.admin.get(path)).status, 200)
    clock.hold()
    assert.equal((await portico.admin.put(`${secrets}/ca`, secret(issued('other').ca))).status, 200)
    await untilRefused(portico, clock)
  })
}

test('a URL with a path: requests, watches, documents and probes go under it, and nothing beside it', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, { pathPrefix: '/gate/way' })
  const url = `https://127.0.0.1:${raw.port}/gate/way/`
  await registerRaw(portico, {
    backends: [{ name: 'default', url, tls: RAW_TLS }],
    probe: { path: `${RAW_PATH}/alive`, interval: '500ms' },
  })
  assert.equal((await portico.admin.get(`${path}?limit=5&labelSelector=a%2Fb`)).status, 200)
  assert.equal((await portico.admin.post(path, '{}')).status, 200)
  raw.handler = (_request, response) => response.write(EVENT)
  const watch = await openWatch(portico.admin)
  await untilTurn('the event is here', () => watch.seen() === EVENT)
  const wanted = [`GET ${path}?limit=5&labelSelector=a%2Fb`, `POST ${path}`, `GET ${path}?watch=1`]
  assert.deepEqual(
    raw.seen.filter((s) => !s.endsWith('/alive')),
    wanted,
  )
  // Asked for only where a client asks.
  assert.equal((await portico.admin.get('/openapi/v3')).status, 200)
  // The last one is the question that a stranger asks.
  for (const own of [RAW_PATH, `${RAW_PATH}/alive`, '/openapi/v3', `${path}?limit=1`])
    await until(`it is asked for ${own}`, () => raw.asked.includes(`/gate/way${own}`))
  assert.deepEqual(
    raw.asked.filter((u) => !u.startsWith('/gate/way/')),
    [],
  )
})

test('a DNS name whose address changes: requests go to the new one, what ran on the old one ends between two events', async () => {
  const clock = new HeldClock()
  const addresses = ['127.0.0.1']
  const asked: string[] = []
  await using portico = await startTestServer([], {
    clock,
    lookup: async (name) => {
      asked.push(name)
      return addresses.map((address) => ({ address, family: 4 }))
    },
  })
  const handler: RawHandler = (request, response) =>
    request.url.includes('watch') ? void response.write(EVENT) : response.end('"old"')
  await using old = await startRawBackend(portico, { handler })
  await using _next = await startRawBackend(portico, {
    host: '127.0.0.2',
    port: old.port,
    handler: answerText('"next"'),
  })
  await registerRaw(portico, {
    backends: [
      { name: 'default', dns: { name: 'raw.test', port: old.port }, tls: { ...tls, serverName: 'raw.default.svc' } },
    ],
  })
  assert.equal((await portico.admin.get(path)).text, '"old"')
  const watch = await openWatch(portico.admin)
  await untilTurn('the event is here', () => watch.seen() === EVENT)
  addresses[0] = '127.0.0.2'
  clock.hold()
  const answered = async (): Promise<boolean> => (await portico.admin.get(path)).text === '"next"'
  const passedMs = await passLively(portico, clock, 11_000, { enough: answered })
  assert.ok(passedMs <= 10_000, `${passedMs} ms`)
  clock.advance(60_000)
  assert.equal(await watch.text, EVENT)
  assert.deepEqual([...new Set(asked)], ['raw.test'])
})
