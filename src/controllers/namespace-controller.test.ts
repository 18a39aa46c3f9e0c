import { Informer } from '../client/informer.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '../client/client.ts'
import { Reflector } from '../client/reflector.ts'
import type { Transport, TransportRequest } from '../client/transport.ts'
import { WorkQueueMetrics } from '../client/work-queue-metrics.ts'
import { WorkQueue } from '../client/work-queue.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { noopLogger } from '../observability/logger.ts'
import { noopMetrics } from '../observability/metrics.ts'
import { type Namespace, NamespaceController } from './namespace-controller.ts'

const GOING: Namespace = {
  metadata: { name: 'going', resourceVersion: '1', deletionTimestamp: '2026-01-01T00:00:00Z' },
  spec: { finalizers: ['kubernetes'] },
  status: { phase: 'Terminating' },
}

test('namespace controller: a backend that is down holds up the emptying of nothing else, and is named', async () => {
  const asked: TransportRequest[] = []
  const configMaps = new Set(['a', 'b'])
  const transport: Transport = async (request) => {
    asked.push(request)
    const [status, body] = answer(request, configMaps)
    return { status, headers: {}, body: bytesOf(JSON.stringify(body)) }
  }
  const clock = new FakeClock()
  const queue = new WorkQueue({ clock, metrics: new WorkQueueMetrics(noopMetrics).bind('namespace') })
  const resource = (group: string, name: string) => ({ group, version: 'v1', resource: name })
  const client = new Client(transport)
  const server = client.resource<Namespace>({ group: '', version: 'v1', resource: 'namespaces' })
  const source = new Reflector({ server, clock, log: noopLogger })
  await using informer = new Informer<Namespace>({ source, log: noopLogger })
  const controller = new NamespaceController({
    client,
    informer,
    queue,
    clock,
    resources: () => ({
      known: [resource('garden.example.com', 'flowers'), resource('', 'configmaps')],
      failed: [],
    }),
  })
  informer.start()
  await informer.synced
  const result = await controller.reconcile('going', new AbortController().signal)
  assert.deepEqual([...configMaps], [], 'the healthy resource was emptied')
  assert.equal(result.kind, 'requeue')
  const report = asked.find((r) => r.path.endsWith('/status'))!
  const { status } = JSON.parse(Buffer.from(report.body!).toString()) as Namespace
  const bad = status!.conditions!.filter((c) => c.status === 'True')
  assert.deepEqual(
    bad.map((c) => c.type),
    ['NamespaceDeletionContentFailure'],
  )
  assert.match(bad[0]!.message, /flowers\.garden\.example\.com/)
  assert.ok(!asked.some((r) => r.path.endsWith('/finalize')))
})

function answer({ method, path }: TransportRequest, configMaps: Set<string>): [number, object] {
  if (path.includes('/flowers')) return [503, { kind: 'Status', code: 503, message: 'service unavailable' }]
  if (path.includes('/configmaps')) {
    if (method === 'DELETE') configMaps.delete(path.split('/').at(-1)!)
    const items = [...configMaps].map((name) => ({ metadata: { name } }))
    return [200, { kind: 'ConfigMapList', metadata: { resourceVersion: '1' }, items }]
  }
  if (method === 'PUT') return [200, GOING]
  return [200, { kind: 'NamespaceList', metadata: { resourceVersion: '1' }, items: [GOING] }]
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
