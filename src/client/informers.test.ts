import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/meta.ts'
import { noopLogger } from '../observability/logger.ts'
import { MetricsRegistry } from '../observability/metrics-registry.ts'
import { Informers } from './informers.ts'
import type { ObjectRange, ObjectSource } from './object-source.ts'

const CONFIG_MAPS = { group: '', version: 'v1', resource: 'configmaps' }
const object = (name: string): KubeObject => ({ metadata: { name, namespace: 'ns', resourceVersion: '1' } })

function setUp() {
  const metrics = new MetricsRegistry()
  const runs: { resource: string; range: ObjectRange; signal: AbortSignal }[] = []
  const informers = new Informers({
    sourceOf: ({ resource }, range): ObjectSource<KubeObject> => ({
      run: async (sink, signal) => {
        runs.push({ resource, range, signal })
        sink.replace([object('a'), object('b')])
      },
    }),
    log: noopLogger,
    metrics,
  })
  return { informers, metrics, runs }
}

test('informers: two that ask for a resource get one informer, which is run once', async () => {
  const { informers, runs } = setUp()
  await using _ = informers
  const first = informers.of(CONFIG_MAPS)
  const second = informers.of({ ...CONFIG_MAPS })
  assert.equal(first, second)
  first.start()
  second.start()
  assert.deepEqual(
    runs.map(({ resource, range }) => ({ resource, range })),
    [{ resource: 'configmaps', range: {} }],
  )
})
test('informers: a version, a resource and a single object have one each', async () => {
  const { informers } = setUp()
  await using _ = informers
  const one = { namespace: 'ns', name: 'a' }
  const all = [
    informers.of(CONFIG_MAPS),
    informers.of({ ...CONFIG_MAPS, version: 'v2' }),
    informers.of({ ...CONFIG_MAPS, resource: 'secrets' }),
    informers.ofOne(CONFIG_MAPS, one),
    informers.ofOne(CONFIG_MAPS, { ...one, name: 'b' }),
  ]
  assert.equal(new Set(all).size, all.length)
  assert.equal(informers.ofOne(CONFIG_MAPS, { ...one }), all[3])
})
test('informers: all end together; until then their objects are counted by resource', async () => {
  const { informers, metrics, runs } = setUp()
  const render = async (): Promise<string> => (await Array.fromAsync(metrics.render())).join('')
  informers.of(CONFIG_MAPS).start()
  informers.ofOne(CONFIG_MAPS, { namespace: 'ns', name: 'a' }).start()
  assert.match(await render(), /^portico_informer_objects\{resource="configmaps"\} 4$/m)
  await informers[Symbol.asyncDispose]()
  assert.deepEqual(
    runs.map((r) => r.signal.aborted),
    [true, true],
  )
})
