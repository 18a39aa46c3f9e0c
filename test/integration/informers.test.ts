/** Controllers follow objects straight from the watch caches: one watch for each resource, and no request of the process to itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seriesOf, valueOf } from '../harness/metrics.ts'
import { startTestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const NAMESPACES = '/api/v1/namespaces'

test('informers: with all controllers at work, each resource that they follow has one watch, and no other has any', async () => {
  await using portico = await startTestServer()
  const watches = (await seriesOf(portico, 'portico_watch_cache_watches')).filter((s) => s.value !== 0)
  assert.deepEqual(Object.fromEntries(watches.map((s) => [s.labels['resource'], s.value])), {
    apiservices: 1,
    backendpolicies: 1,
    configmaps: 1,
    endpointslices: 1,
    namespaces: 1,
    services: 1,
  })
  assert.equal(watches.length, 6)
  // Events that were sent to requests, also to those of the process itself.
  assert.equal(await valueOf(portico, 'apiserver_watch_events_total'), 0)
  await portico.admin.post(NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'followed' } })
  await until(
    'the namespace is followed',
    async () => (await valueOf(portico, 'portico_informer_objects', { resource: 'namespaces' })) === 5,
  )
  assert.equal(await valueOf(portico, 'apiserver_watch_events_total'), 0)
  assert.equal(await valueOf(portico, 'portico_informer_objects', { resource: 'configmaps' }), 1)
  assert.deepEqual(portico.errors, [])
})
