/** Backends that are no Service: each kind passes the same requests; and certificates that change while they are in use. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { PolicyBackend } from '../../src/api/backend-policy.ts'
import { type KeyPair, makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { untilCondition } from '../harness/backends.ts'
import {
  answerText,
  policyOf,
  RAW_API_SERVICE,
  RAW_PATH,
  RAW_TLS,
  type RawBackend,
  type RawOptions,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer } from '../harness/server.ts'
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
  await until('it is refused', async () => {
    const answer = await portico.admin.get(path)
    return answer.status === 503 && answer.text.includes('certificate signed by unknown authority')
  })
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

test('a client certificate in a Secret of its own is shown to the backend, and so is the next one', async () => {
  await using portico = await startTestServer()
  const ca = makeCA({ commonName: 'clients', ...validity })
  const client = (commonName: string): KeyPair => makeCertificate({ commonName, usages: ['client'], ...validity }, ca)
  const names: string[] = []
  await using raw = await startRawBackend(portico, {
    clientCA: ca.cert,
    handler: (_request, response) => {
      names.push((response.stream!.session!.socket as TLSSocket).getPeerCertificate().subject.CN as string)
      response.end('{}')
    },
  })
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
