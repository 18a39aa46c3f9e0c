/** Who calls arrives complete or not at all, nobody else can say it, and backends that believe anybody are told of. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { connect, type IncomingHttpHeaders } from 'node:http2'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { SecureContextOptions } from 'node:tls'
import { headerOf } from '../../fixtures/backends/seen-requests.ts'
import { type Condition, registerSample } from '../harness/backends.ts'
import { HeldClock, passLively } from '../harness/held-clock.ts'
import {
  namedBackend,
  policyOf,
  putPolicy,
  RAW_API_SERVICE,
  RAW_GROUP,
  RAW_PATH,
  RAW_TLS,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

async function untilBypassable(portico: TestServer, name: string, status: string): Promise<Condition> {
  let condition: Condition | undefined
  await until(`AuthBypassable=${status}`, async () => {
    const found = await portico.admin.get(`/apis/apiregistration.k8s.io/v1/apiservices/${name}`)
    const { conditions } = found.json<{ status: { conditions: Condition[] } }>().status
    condition = conditions.find((c) => c.type === 'AuthBypassable')
    return condition?.status === status
  })
  return condition!
}

test('AuthBypassable: True for a backend that trusts forged headers, False for one that does not', async () => {
  await using portico = await startTestServer(['--identity-probe-interval=200ms'])
  await using garden = await registerSample(portico, 'garden')
  await using library = await registerSample(portico, 'library')
  const right = await untilBypassable(portico, garden.apiService, 'False')
  assert.equal(right.reason, 'ForgedIdentityRefused')
  await untilBypassable(portico, library.apiService, 'False')

  garden.sample.knobs.trustsHeaders = true
  const wrong = await untilBypassable(portico, garden.apiService, 'True')
  assert.equal(wrong.reason, 'ForgedIdentityAccepted')
  assert.match(wrong.message, /200 to forged ones and 401 to none$/)
  garden.sample.knobs.trustsHeaders = false
  await untilBypassable(portico, garden.apiService, 'False')

  const probes = garden.sample.seen.filter((r) => headerOf(r, 'user-agent').includes('portico/identity-probe'))
  assert.ok(probes.length >= 6)
  for (const { method, url } of probes)
    assert.deepEqual([method, url], ['GET', '/apis/garden.example.com/v1/flowers?limit=1'])
  const forged = probes.filter((r) => headerOf(r, 'x-remote-user').length > 0)
  for (const probe of forged) {
    assert.deepEqual(headerOf(probe, 'x-remote-user'), ['system:portico-probe'])
    assert.deepEqual(headerOf(probe, 'x-remote-group'), ['system:masters'])
  }
})

/** Serves the group below a path, to whoever says that he is somebody. */
async function startCredulous(portico: TestServer, prefix: string): Promise<{ port: number } & AsyncDisposable> {
  const { cert, key } = portico.pki.servingFor('credulous', ['127.0.0.1'])
  const resource = { name: 'things', singularName: '', namespaced: false, kind: 'Thing', verbs: ['list'] }
  const documents: Record<string, object> = {
    [`${prefix}${RAW_PATH}`]: { kind: 'APIResourceList', groupVersion: `${RAW_GROUP}/v1`, resources: [resource] },
    [`${prefix}${RAW_PATH}/things?limit=1`]: { kind: 'ThingList', items: [] },
  }
  const server = createServer({ cert, key }, ({ url = '', headers }, response) => {
    const document = documents[url]
    response.writeHead(document === undefined ? 404 : 'x-remote-user' in headers ? 200 : 401)
    response.end(JSON.stringify(document ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('AuthBypassable: the question goes below the path of the URL', async () => {
  await using portico = await startTestServer(['--identity-probe-interval=200ms'])
  await using credulous = await startCredulous(portico, '/pre')
  const url = `https://127.0.0.1:${credulous.port}/pre`
  await registerRaw(portico, { backends: [{ name: 'default', url, tls: RAW_TLS }] })
  const { message, reason } = await untilBypassable(portico, RAW_API_SERVICE, 'True')
  assert.equal(reason, 'ForgedIdentityAccepted')
  assert.match(message, /200 to forged ones and 401 to none$/)
})

test('AuthBypassable: True where only a server that routes lead to believes anybody', async () => {
  await using portico = await startTestServer(['--identity-probe-interval=200ms'])
  await using raw = await startRawBackend(portico)
  await using credulous = await startCredulous(portico, '')
  await registerRaw(portico, policyOf([raw]))
  await untilBypassable(portico, RAW_API_SERVICE, 'False')
  await putPolicy(portico, {
    backends: [namedBackend('default', raw), namedBackend('canary', { address: '127.0.0.1', port: credulous.port })],
    routes: [{ matches: [{ headers: [{ name: 'X-Canary' }] }], to: [{ backend: 'canary' }] }],
  })
  const { message } = await untilBypassable(portico, RAW_API_SERVICE, 'True')
  assert.ok(message.startsWith(`127.0.0.1:${credulous.port} believes`), message)
})

test('the probe can be turned off', async () => {
  const clock = new HeldClock()
  await using portico = await startTestServer(['--identity-probe-interval=0'], { clock })
  await using garden = await registerSample(portico, 'garden')
  clock.hold()
  await passLively(portico, clock, 3_600_000, { stepMs: 60_000 })
  assert.ok(!garden.sample.seen.some((r) => headerOf(r, 'user-agent').includes('portico/identity-probe')))
})

type Send = (url: string, tls: SecureContextOptions, path: string, headers: OutgoingHttpHeaders) => Promise<number>
const overHttp1: Send = async (url, tls, path, headers) => {
  const asked = request(`${url}${path}`, { ...tls, headers, agent: false }).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  return answer.statusCode!
}
const overHttp2: Send = async (url, tls, path, headers) => {
  const session = connect(url, { ...tls, maxSendHeaderBlockLength: 4_194_304 })
  try {
    const stream = session.request({ ...headers, ':path': path }).end()
    const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders]
    return Number(head[':status'])
  } finally {
    session.destroy()
  }
}
const GROUPS = Array.from({ length: 2_000 }, (_, i) => `group-${i}-of-a-large-company`)
for (const allowH2 of [false, true]) {
  for (const http2 of [false, true]) {
    const legs = `${allowH2 ? 'h2' : 'http/1.1'} from the client, ${http2 ? 'h2' : 'http/1.1'} to the backend`
    test(`2,000 groups, uid and extras arrive whole; more than fit are a 431, never fewer: ${legs}`, async () => {
      await using portico = await startTestServer()
      const { pki } = portico
      let seen: readonly string[] = []
      await using raw = await startRawBackend(portico, {
        http2,
        handler: ({ rawHeaders }, response) => {
          seen = rawHeaders
          response.end('{}')
        },
      })
      await registerRaw(portico, policyOf([raw]))
      const all = (name: string): string[] => seen.filter((_, i) => i % 2 === 1 && seen[i - 1]!.toLowerCase() === name)
      // Another front proxy before this one: its certificate is of the same CA.
      const tls = { ca: pki.ca().cert, ...pki.frontProxyClient() }
      const send = allowH2 ? overHttp2 : overHttp1
      const headers = (groups: readonly string[]): OutgoingHttpHeaders => ({
        'x-remote-user': 'jane',
        'x-remote-uid': 'u-1',
        'x-remote-group': [...groups],
        'x-remote-extra-scopes%2fa': ['one', 'two'],
      })
      const path = `${RAW_PATH}/things`
      assert.equal(await send(portico.url, tls, path, headers(['system:masters', ...GROUPS])), 200)
      assert.deepEqual(all('x-remote-user'), ['jane'])
      assert.deepEqual(all('x-remote-uid'), ['u-1'])
      assert.deepEqual(all('x-remote-extra-scopes%2fa'), ['one', 'two'])
      assert.deepEqual(
        all('x-remote-group').filter((g) => !g.startsWith('system:')),
        GROUPS,
      )
      seen = []
      const tooMany = Array.from({ length: 5_000 }, (_, i) => `group-${i}`)
      assert.equal(await send(portico.url, tls, path, headers(tooMany)), 431)
      assert.deepEqual(seen, [], 'the backend is not asked')
    })
  }
}

test('what a client says of itself never reaches a backend, under any name that may claim an identity', async () => {
  await using portico = await startTestServer(['--requestheader-username-headers=X-Remote-User,X-Our-User'])
  let seen: readonly string[] = []
  await using raw = await startRawBackend(portico, {
    handler: ({ rawHeaders }, response) => {
      seen = rawHeaders.map((text) => text.toLowerCase())
      response.end('{}')
    },
  })
  await registerRaw(portico, policyOf([raw]))
  const names = [
    'X-Remote-User',
    'x-remote-uid',
    'X-REMOTE-GROUP',
    'X-Remote-Extra-Scopes',
    'X_Remote_User',
    'X-Our-User',
  ]
  const forged = Object.fromEntries([...names, 'X-Our_User'].map((name) => [name, 'forged']))
  const answer = await portico.admin.get(`${RAW_PATH}/things`, { headers: { ...forged, 'x-other': 'mine' } })
  assert.equal(answer.status, 200, answer.text)
  assert.ok(!seen.includes('forged'), seen.join())
  assert.equal(seen[seen.indexOf('x-remote-user') + 1], 'portico:admin')
  assert.equal(seen[seen.indexOf('x-other') + 1], 'mine')
})
