/** Kinds that are served in two versions over one store: watched in both at once, written in either. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeProtobuf } from '../../src/api/codec/codec.ts'
import type { KubeObject } from '../../src/api/meta.ts'
import { CoreTables } from '../../src/servers/core/tables.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { untilTurn } from '../harness/until.ts'

const GROUP = '/apis/autoscaling'
const LIST = 'namespaces/default/horizontalpodautoscalers'
const PROTOBUF = 'application/vnd.kubernetes.protobuf'
const METRICS = 'autoscaling.alpha.kubernetes.io/metrics'
const tables = new CoreTables()

let portico: TestServer
before(async () => {
  portico = await startTestServer()
})
after(() => portico.stop())

interface WatchEvent {
  readonly type: string
  readonly object: KubeObject & { spec: Record<string, unknown> }
}

/** The events of a watch, as they come; of protobuf, the frames. */
async function watched(version: string, accept: string, signal: AbortSignal): Promise<WatchEvent[]> {
  const { body } = await portico.admin.stream(`${GROUP}/${version}/${LIST}?watch=1`, { headers: { accept }, signal })
  const events: WatchEvent[] = []
  void (async () => {
    let bytes = Buffer.alloc(0)
    for await (const chunk of body) {
      bytes = Buffer.concat([bytes, chunk as Buffer])
      bytes = accept === PROTOBUF ? takeFrames(bytes, events) : takeLines(bytes, events)
    }
  })().catch(() => {})
  return events
}
function takeLines(bytes: Buffer, events: WatchEvent[]): Buffer<ArrayBuffer> {
  const lines = bytes.toString().split('\n')
  const rest = lines.pop()!
  for (const line of lines) events.push(JSON.parse(line) as WatchEvent)
  return Buffer.from(rest)
}
function takeFrames(bytes: Buffer, events: WatchEvent[]): Buffer<ArrayBuffer> {
  let at = 0
  while (bytes.length - at >= 4 && bytes.length - at - 4 >= bytes.readUInt32BE(at)) {
    const frame = bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at))
    at += 4 + frame.length
    // A WatchEvent: its type, then the object in a RawExtension, with an envelope of its own.
    const start = frame.indexOf('k8s\0')
    const type = frame.subarray(2, 2 + frame[1]!).toString()
    events.push({ type, object: decodeProtobuf(tables, frame.subarray(start)) as WatchEvent['object'] })
  }
  return Buffer.from(bytes.subarray(at))
}

test('both versions are watched at once, in JSON and protobuf, and each has its own form', async () => {
  const stop = new AbortController()
  const watches = await Promise.all(
    ['v1', 'v2'].flatMap((version) =>
      ['application/json', PROTOBUF].map(async (accept) => ({
        version,
        events: await watched(version, accept, stop.signal),
      })),
    ),
  )
  const metadata = { name: 'web' }
  const scaleTargetRef = { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' }
  const memory = {
    type: 'Resource',
    resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '64Mi' } },
  }
  const cpu = (averageUtilization: number): object => ({
    type: 'Resource',
    resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
  })
  const created = await portico.admin.post(`${GROUP}/v2/${LIST}`, {
    metadata,
    spec: { scaleTargetRef, maxReplicas: 5, metrics: [memory, cpu(70)] },
  })
  assert.equal(created.status, 201, created.text)
  const patched = await portico.admin.patch(`${GROUP}/v1/${LIST}/web`, 'merge', {
    spec: { targetCPUUtilizationPercentage: 40 },
  })
  assert.equal(patched.status, 200, patched.text)
  await portico.admin.delete(`${GROUP}/v1/${LIST}/web`)
  await untilTurn('each watch has three events', () => watches.every((w) => w.events.length === 3))
  stop.abort()

  for (const { version, events } of watches) {
    assert.deepEqual(
      events.map((e) => [e.type, e.object.apiVersion]),
      ['ADDED', 'MODIFIED', 'DELETED'].map((type) => [type, `autoscaling/${version}`]),
    )
    const seen = events.map(({ object: { metadata: own, spec } }) =>
      version === 'v2' ? spec['metrics'] : [spec['targetCPUUtilizationPercentage'], own.annotations?.[METRICS]],
    )
    const older = '[{"type":"Resource","resource":{"name":"memory","targetAverageValue":"64Mi"}}]'
    const want =
      version === 'v2'
        ? [70, 40, 40].map((percent) => [memory, cpu(percent)])
        : [70, 40, 40].map((percent) => [percent, older])
    assert.deepEqual(seen, want)
  }
  const [json, protobuf] = [watches[0]!, watches[1]!].map((w) => w.events)
  assert.deepEqual(protobuf, json, 'the same objects, whichever way they were written')
})

test('managers of both versions own what they set, and each is judged in its own version', async () => {
  const scaleTargetRef = { kind: 'Deployment', name: 'api', apiVersion: 'apps/v1' }
  await portico.admin.post(`${GROUP}/v1/${LIST}?fieldManager=maker`, {
    metadata: { name: 'api' },
    spec: { scaleTargetRef, maxReplicas: 5, targetCPUUtilizationPercentage: 50 },
  })
  const apply = (version: string, spec: object): ReturnType<typeof portico.admin.patch> =>
    portico.admin.patch(`${GROUP}/${version}/${LIST}/api?fieldManager=applier`, 'apply', {
      apiVersion: `autoscaling/${version}`,
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'api' },
      spec,
    })
  const metrics = [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } },
  ]
  const refused = await apply('v2', { metrics })
  assert.equal(refused.status, 409)
  assert.match(refused.text, /conflict with \\"maker\\" using autoscaling\/v1: .spec.targetCPUUtilizationPercentage/)
  const taken = await apply('v2', { maxReplicas: 5 })
  assert.equal(taken.status, 200, taken.text)
  const { managedFields } = taken.json<{ metadata: { managedFields: { manager: string; apiVersion: string }[] } }>()
    .metadata
  assert.deepEqual(
    managedFields.map((m) => [m.manager, m.apiVersion]),
    [
      ['applier', 'autoscaling/v2'],
      ['maker', 'autoscaling/v1'],
    ],
  )
})

test('--runtime-config chooses what is served, and a server without the rest is ready', async () => {
  await using chosen = await startTestServer([
    '--runtime-config=api/all=false,v1=true,v1/services=false,autoscaling/v1,batch/v2alpha1',
  ])
  const status = async (path: string): Promise<number> => (await chosen.admin.get(path)).status
  assert.deepEqual(
    await Promise.all(
      [
        '/api/v1/configmaps',
        '/api/v1/services',
        '/apis/autoscaling/v1/horizontalpodautoscalers',
        '/apis/autoscaling/v2/horizontalpodautoscalers',
        '/apis/discovery.k8s.io/v1/endpointslices',
        '/readyz',
      ].map(status),
    ),
    [200, 404, 200, 404, 404, 200],
  )
  const object = {
    metadata: { name: 'one' },
    spec: { scaleTargetRef: { kind: 'a', name: 'b', apiVersion: 'c/v1' }, maxReplicas: 2 },
  }
  assert.equal(
    (await chosen.admin.post(`${GROUP}/v1/${LIST}`, object)).status,
    201,
    'stored in the version that is off',
  )
  await assert.rejects(startTestServer(['--runtime-config=apps=true']), /runtime-config invalid key apps/)
})
