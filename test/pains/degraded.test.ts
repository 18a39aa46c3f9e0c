/** What requests tell of a backend, beside its probes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { headerOf } from '../../fixtures/backends/seen-requests.ts'
import { type Condition, registerSample, untilCondition } from '../harness/backends.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

async function untilDegraded(portico: TestServer, name: string, status: string, ask: () => Promise<unknown>) {
  const giveUp = Date.now() + 15_000
  for (;;) {
    await ask()
    const found = await portico.admin.get(`/apis/apiregistration.k8s.io/v1/apiservices/${name}`)
    const { conditions } = found.json<{ status: { conditions: Condition[] } }>().status
    const degraded = conditions.find((c) => c.type === 'Degraded')
    assert.equal(conditions.find((c) => c.type === 'Available')?.status, 'True')
    if (degraded?.status === status) return degraded
    if (Date.now() > giveUp) assert.fail(JSON.stringify(conditions))
    await setTimeout(100)
  }
}

test('a backend that answers its probe and fails everything else is Degraded, and stays available', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const ask = (): Promise<unknown> => portico.admin.get(garden.collection)
  await ask()
  Object.assign(garden.sample.knobs, { fault: 'status-500', onlyPath: garden.collection })
  const { reason } = await untilDegraded(portico, garden.apiService, 'True', ask)
  assert.equal(reason, 'RequestsFail')
  const { status } = await portico.admin.get(garden.collection)
  assert.equal(status, 500, 'it is still asked')
  garden.sample.knobs.fault = 'none'
  await untilDegraded(portico, garden.apiService, 'False', ask)
})

test('a backend that dies under traffic is out within 5 s, though it is probed twice a minute', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  await portico.admin.get(garden.collection)
  const killed = Date.now()
  await garden.sample.close()
  const down = untilCondition(portico, garden.apiService, (c) => c?.status === 'False')
  const answer = await portico.admin.get(garden.collection)
  assert.equal(answer.status, 503)
  await down
  assert.ok(Date.now() - killed < 5000, `${Date.now() - killed} ms`)
})

test('probes and discovery name the gateway to the backend', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const agents = new Set(garden.sample.seen.flatMap((r) => headerOf(r, 'user-agent')))
  assert.ok(agents.has('portico/availability-probe'), [...agents].join())
  for (const agent of agents) assert.match(agent, /^portico\//)
})
