/** Controllers follow objects straight from the watch caches: one watch for each resource, and no request of the process to itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { startFrontedPair } from '../harness/fronted.ts'
import { seriesOf, valueOf } from '../harness/metrics.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const NAMESPACES = '/api/v1/namespaces'
const FOLLOWED = { apiservices: 1, backendpolicies: 1, configmaps: 1, endpointslices: 1, namespaces: 1, services: 1 }

/** Resource -> watches of its cache, where there are any. */
async function watchesOf(portico: TestServer): Promise<Record<string, number>> {
  const series = await seriesOf(portico, 'portico_watch_cache_watches')
  return Object.fromEntries(series.filter((s) => s.value !== 0).map((s) => [s.labels['resource'], s.value]))
}

test('informers: with all controllers at work, each resource that they follow has one watch, and no other has any', async () => {
  await using portico = await startTestServer()
  assert.deepEqual(await watchesOf(portico), FOLLOWED)
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

test('informers: in front of a cluster the objects of the cluster come by requests, our own from the watch caches', async () => {
  await using pair = await startFrontedPair({
    clusterArgs: ['--authorization-mode=AlwaysAllow'],
    frontArgs: ({ address }) => ['--authorization-mode=AlwaysAllow', `--core-delegate-kubeconfig=${address}`],
  })
  const { front, cluster } = pair
  assert.deepEqual(await watchesOf(front), { apiservices: 1, backendpolicies: 1 })
  // The cluster follows all for itself, and serves the front's watches of what the front has none of.
  const both = { ...FOLLOWED, endpointslices: 2, namespaces: 2, services: 2 }
  await until('the front watches the cluster', async () => isDeepStrictEqual(await watchesOf(cluster), both))
  assert.equal(await valueOf(front, 'portico_informer_objects', { resource: 'namespaces' }), 4)
})
