/** Backends that are no Service: each kind passes the same requests. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PolicyBackend } from '../../src/api/backend-policy.ts'
import {
  RAW_PATH,
  RAW_TLS,
  type RawBackend,
  type RawOptions,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer } from '../harness/server.ts'

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
