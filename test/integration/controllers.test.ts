/** Controllers that `--controllers` switches off, and what is counted of those that run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const NAMESPACES = '/api/v1/namespaces'

async function metric(server: TestServer, series: string): Promise<number> {
  const { text } = await server.admin.get('/metrics')
  const line = text.split('\n').find((l) => l.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1) ?? 0)
}
async function deleteNamespace(server: TestServer): Promise<void> {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'going' } }
  assert.equal((await server.admin.post(NAMESPACES, namespace)).status, 201)
  assert.equal((await server.admin.delete(`${NAMESPACES}/going`)).status, 200)
}

test('controllers: namespaces go, and each look at one is counted', async () => {
  await using server = await startTestServer([])
  await deleteNamespace(server)
  await until('the namespace is gone', async () => (await server.admin.get(`${NAMESPACES}/going`)).status === 404)
  const done = 'portico_controller_reconciles_total{controller="namespace",outcome="done"}'
  await until('it is counted', async () => (await metric(server, done)) > 0)
})

test('controllers: without their controller namespaces stay, and the server is ready all the same', async () => {
  await using server = await startTestServer(['--controllers=*,-namespace-controller'])
  await deleteNamespace(server)
  await until(
    'another controller works',
    async () => (await metric(server, 'workqueue_adds_total{name="cluster-authentication-info"}')) > 0,
  )
  const { status, text } = await server.admin.get(`${NAMESPACES}/going`)
  assert.deepEqual([status, (JSON.parse(text) as { status: { phase: string } }).status.phase], [200, 'Terminating'])
  assert.equal(await metric(server, 'workqueue_adds_total{name="namespace"}'), 0)
  assert.match(
    (await server.admin.get('/readyz?verbose')).text,
    /^\[\+\]poststarthook\/start-namespace-controller ok$/m,
  )
})
