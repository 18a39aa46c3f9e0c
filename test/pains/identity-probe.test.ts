/** Backends that believe identity headers of anybody are found and told of; they are only ever read from. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { headerOf } from '../../fixtures/backends/seen-requests.ts'
import { type Condition, registerSample } from '../harness/backends.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

async function untilBypassable(portico: TestServer, name: string, status: string): Promise<Condition> {
  const giveUp = Date.now() + 15_000
  for (;;) {
    const found = await portico.admin.get(`/apis/apiregistration.k8s.io/v1/apiservices/${name}`)
    const { conditions } = found.json<{ status: { conditions: Condition[] } }>().status
    const condition = conditions.find((c) => c.type === 'AuthBypassable')
    if (condition?.status === status) return condition
    if (Date.now() > giveUp) assert.fail(JSON.stringify(conditions))
    await setTimeout(20)
  }
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

test('the probe can be turned off', async () => {
  await using portico = await startTestServer(['--identity-probe-interval=0'])
  await using garden = await registerSample(portico, 'garden')
  await setTimeout(500)
  assert.ok(!garden.sample.seen.some((r) => headerOf(r, 'user-agent').includes('portico/identity-probe')))
})
