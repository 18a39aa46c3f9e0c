/** Backends beside the fallback: one that is down shows, and a weight leads past it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendPolicySpec } from '../../src/api/backend-policy.ts'
import { untilCondition } from '../harness/backends.ts'
import {
  answerText,
  causesOf,
  RAW_API_SERVICE,
  RAW_PATH,
  RAW_TLS,
  type RawBackend,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const named = (name: string) => answerText(JSON.stringify({ name }))
const policyOf = (a: RawBackend, b: RawBackend): Omit<BackendPolicySpec, 'targets'> => ({
  backends: [
    { name: 'default', endpoints: [{ address: a.address, port: a.port }], tls: RAW_TLS },
    { name: 'other', endpoints: [{ address: b.address, port: b.port }], tls: RAW_TLS },
  ],
  routes: [
    { matches: [{ resources: ['moved'] }], to: [{ backend: 'other' }] },
    { matches: [{ resources: ['stays'] }], to: [{ backend: 'default' }, { backend: 'other', weight: 0 }] },
    { to: [{ backend: 'default' }, { backend: 'other' }] },
  ],
  probe: { interval: '500ms', failureThreshold: 2, successThreshold: 1 },
})
const CLIENTS = Array.from({ length: 20 }, (_, i) => ({ 'user-agent': `client-${i}` }))
async function answers(portico: TestServer): Promise<string[]> {
  const found = CLIENTS.map(async (headers) => {
    const answer = await portico.admin.get(`${RAW_PATH}/things`, { headers })
    return answer.status === 200 ? answer.json<{ name: string }>().name : String(answer.status)
  })
  return Promise.all(found)
}
const up = async (portico: TestServer): Promise<string | undefined> =>
  /portico_apiservice_routed_backend_up\{name="v1\.raw\.example\.com",backend="other"\} (\d)/.exec(
    (await portico.admin.get('/metrics')).text,
  )?.[1]

test('a routed backend that dies is Degraded, and its clients go to the others of their route until it is back', async () => {
  await using portico = await startTestServer()
  await using a = await startRawBackend(portico, { host: '127.0.0.2', handler: named('a') })
  const b = await startRawBackend(portico, { host: '127.0.0.3', handler: named('b') })
  await registerRaw(portico, policyOf(a, b))
  const before = await answers(portico)
  assert.deepEqual(new Set(before), new Set(['a', 'b']))
  await b.close()

  const degraded = (status: string) => untilCondition(portico, RAW_API_SERVICE, (c) => c?.status === status, 'Degraded')
  const told = await degraded('True')
  assert.equal(told.reason, 'RoutedBackendUnavailable')
  assert.match(told.message, /^the backend "other", which routes lead to, is not available: .*connection refused/)
  assert.equal(await up(portico), '0')
  assert.deepEqual(new Set(await answers(portico)), new Set(['a']), 'nobody is sent to the dead one')
  const moved = await portico.admin.get(`${RAW_PATH}/moved`)
  assert.equal(moved.status, 503, 'where nobody else has what is asked for, nobody else is asked')
  const { phase, apiService, backend } = causesOf(moved)
  assert.deepEqual([phase, apiService, backend], ['connect', RAW_API_SERVICE, 'other'])
  assert.equal(moved.headers['retry-after'], undefined, 'known to be down')
  await untilCondition(portico, RAW_API_SERVICE, (c) => c?.status === 'True')

  await using _back = await startRawBackend(portico, { host: '127.0.0.3', port: b.port, handler: named('b') })
  assert.equal((await degraded('False')).reason, 'RequestsSucceed')
  assert.equal(await up(portico), '1')
  assert.deepEqual(await answers(portico), before, 'each client is back on its side')
})

test('when the fallback dies, its clients by weight go to the other; availability is its own', async () => {
  await using portico = await startTestServer()
  const a = await startRawBackend(portico, { host: '127.0.0.2', handler: named('a') })
  await using b = await startRawBackend(portico, { host: '127.0.0.3', handler: named('b') })
  await registerRaw(portico, policyOf(a, b))
  await a.close()
  await untilCondition(portico, RAW_API_SERVICE, (c) => c?.status === 'False')
  assert.deepEqual(new Set(await answers(portico)), new Set(['b']))
  const stays = await portico.admin.get(`${RAW_PATH}/stays`)
  assert.equal(stays.status, 503, 'one destination means that destination')
  const { phase, backend } = causesOf(stays)
  assert.deepEqual([phase, backend], ['unavailable', 'default'])
})
