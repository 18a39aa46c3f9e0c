import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { APIService } from '../../../api/apiservice.ts'
import { conflict } from '../../../api/status-error.ts'
import { runWorkers } from '../../../client/controller.ts'
import type { EventHandler } from '../../../client/informer.ts'
import { ObjectStore } from '../../../client/object-store.ts'
import { WorkQueue } from '../../../client/work-queue.ts'
import { WorkQueueMetrics } from '../../../client/work-queue-metrics.ts'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { nextTurn } from '../../../lib/next-turn.ts'
import { noopLogger } from '../../../observability/logger.ts'
import { noopMetrics } from '../../../observability/metrics.ts'
import { ConditionWriter, type WantedCondition } from './condition-writer.ts'

const UP: WantedCondition = { type: 'Available', status: 'True', reason: 'Passed', message: 'all checks passed' }
const DOWN: WantedCondition = { type: 'Available', status: 'False', reason: 'FailedDiscoveryCheck', message: 'gone' }

let clock: FakeClock
let store: ObjectStore<APIService>
let handler: EventHandler<APIService>
let writer: ConditionWriter
let leader: AbortController
/** `status` of the Available condition, of each write. */
let writes: string[]
let refuse: boolean
/** As the manager of controllers does once this process holds the Lease. */
let lead: () => void

/** As the API server and an informer behind it. */
function put(name: string, change: (o: APIService) => APIService): APIService {
  const before = store.get(name)
  const after = change(before ?? { metadata: { name, uid: `uid of ${name}`, resourceVersion: '1' }, spec: SPEC })
  store.set(after)
  if (before) handler.updated?.(before, after)
  else handler.added?.(after)
  return after
}
const SPEC = { group: 'g', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 }

beforeEach(() => {
  clock = new FakeClock()
  store = new ObjectStore<APIService>()
  writes = []
  refuse = false
  leader = new AbortController()
  const queue = new WorkQueue({ clock, metrics: new WorkQueueMetrics(noopMetrics).bind('test') })
  writer = new ConditionWriter({
    informer: {
      lister: store,
      addHandler: (h) => {
        handler = h
        return () => {}
      },
    },
    client: {
      update: async (o) => {
        if (refuse) throw conflict({ group: '', resource: 'apiservices' }, o.metadata.name!, 'changed')
        writes.push(o.status!.conditions!.map((c) => `${c.type}=${c.status}`).join())
        return put(o.metadata.name!, () => o)
      },
    },
    queue,
    clock,
    log: noopLogger,
  })
  queue.suspend()
  lead = () => {
    queue.resume()
    writer.termBegins()
    void runWorkers({ name: 'test', reconciler: writer, queue, log: noopLogger }, leader.signal)
  }
})

async function pass(ms: number): Promise<void> {
  for (let left = ms; left >= 0; left -= 1000) {
    clock.advance(Math.min(1000, left))
    for (let i = 0; i < 5; i++) await nextTurn()
  }
}

test('conditions: the first verdict at once, then at most one write in 10 s', async () => {
  lead()
  const a = put('a', (o) => o)
  writer.want(a, UP)
  await pass(0)
  assert.deepEqual(writes, ['Available=True'])
  for (let i = 0; i < 60; i++) {
    writer.want(a, i % 2 === 0 ? DOWN : UP)
    await pass(500)
  }
  assert.ok(writes.length <= 4, `${writes.length} writes in 30 s`)
  writer.want(a, DOWN)
  await pass(10_000)
  assert.equal(writes.at(-1), 'Available=False')
  const count = writes.length
  await pass(60_000)
  assert.equal(writes.length, count, 'nothing changed')
})

test('conditions: who does not lead writes nothing, and all it knows once it leads', async () => {
  const a = put('a', (o) => o)
  writer.want(a, UP)
  await pass(30_000)
  assert.deepEqual(writes, [])
  lead()
  await pass(0)
  assert.deepEqual(writes, ['Available=True'])
})

test('conditions: a new spec is told of at once', async () => {
  lead()
  writer.want(
    put('a', (o) => o),
    UP,
  )
  await pass(0)
  const changed = put('a', (o) => ({ ...o, spec: { ...SPEC, versionPriority: 2 } }))
  writer.want(changed, DOWN)
  await pass(0)
  assert.deepEqual(writes, ['Available=True', 'Available=False'])
})

test('conditions: what somebody else wrote is put right, after a while', async () => {
  lead()
  writer.want(
    put('a', (o) => o),
    UP,
  )
  await pass(0)
  put('a', (o) => ({ ...o, status: { conditions: [] } }))
  await pass(9000)
  assert.equal(writes.length, 1)
  await pass(2000)
  assert.deepEqual(writes, ['Available=True', 'Available=True'])
})

test('conditions: False is not worth a mention where it never was True', async () => {
  lead()
  const a = put('a', (o) => o)
  const degraded = { type: 'Degraded', reason: 'r', message: 'm' }
  writer.want(a, UP)
  writer.wantFalse(a, degraded)
  await pass(10_000)
  assert.deepEqual(writes, ['Available=True'])
  writer.want(a, { ...degraded, status: 'True' })
  await pass(10_000)
  writer.wantFalse(a, degraded)
  await pass(10_000)
  assert.deepEqual(writes.slice(1), ['Available=True,Degraded=True', 'Available=True,Degraded=False'])
})

test('conditions: a conflict is tried again on what is stored then', async () => {
  lead()
  refuse = true
  writer.want(
    put('a', (o) => o),
    UP,
  )
  await pass(1000)
  assert.deepEqual(writes, [])
  refuse = false
  await pass(1000)
  assert.deepEqual(writes, ['Available=True'])
})

test('conditions: nothing is left of one that was deleted, or made anew under the same name', async () => {
  lead()
  const a = put('a', (o) => o)
  writer.want(a, DOWN)
  await pass(0)
  const anew = put('a', (o) => ({ ...o, metadata: { name: 'a', uid: 'other', resourceVersion: '2' }, status: {} }))
  writer.want(a, DOWN)
  await pass(20_000)
  assert.deepEqual(writes, ['Available=False'], 'the verdict was about the old one')
  writer.want(anew, UP)
  await pass(0)
  assert.equal(writes.at(-1), 'Available=True')
  store.delete('a')
  handler.deleted?.(anew)
  writer.want(anew, DOWN)
  assert.equal(writer.size, 0)
})

test('conditions: one that stands in a file has nothing to be written to', async () => {
  lead()
  writer.want(
    put('a', () => ({ metadata: { name: 'a', uid: 'file' }, spec: SPEC })),
    UP,
  )
  await pass(20_000)
  assert.deepEqual(writes, [])
})
