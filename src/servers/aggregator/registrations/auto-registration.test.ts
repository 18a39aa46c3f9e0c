import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { APIService } from '../../../api/apiservice.ts'
import { WorkQueue } from '../../../client/work-queue.ts'
import type { GroupDiscovery } from '../../../endpoints/discovery-types.ts'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { Publisher } from '../../../lib/published.ts'
import { noopMetrics } from '../../../observability/metrics.ts'
import { WorkQueueMetrics } from '../../../client/work-queue-metrics.ts'
import { AUTOMANAGED, AutoRegistration } from './auto-registration.ts'

const local: APIService = {
  kind: 'APIService',
  apiVersion: 'apiregistration.k8s.io/v1',
  metadata: { name: 'v1.apps', uid: '1', labels: { [AUTOMANAGED]: 'true' } },
  spec: { group: 'apps', version: 'v1', groupPriorityMinimum: 17800, versionPriority: 100 },
}

test('what a server served before is kept until it tells what it serves now', async () => {
  const discovery = new Publisher<readonly GroupDiscovery[]>([])
  const installed = new Publisher(false)
  const calls: string[] = []
  const auto = new AutoRegistration({
    informer: { lister: { get: () => local }, addHandler: () => () => {} },
    client: {
      create: async (o) => o,
      update: async (o) => o,
      delete: async (name) => calls.push(name),
    },
    queue: new WorkQueue({ clock: new FakeClock(), metrics: new WorkQueueMetrics(noopMetrics).bind('test') }),
    sources: [{ discovery, installed }],
  })
  assert.deepEqual(await auto.reconcile('v1.apps'), { kind: 'requeue', afterMs: 1000 })
  assert.deepEqual(calls, [])
  installed.publish(true)
  assert.deepEqual(await auto.reconcile('v1.apps'), { kind: 'done' })
  assert.deepEqual(calls, ['v1.apps'])
})
