import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MetricsRegistry } from './metrics-registry.ts'

async function text(registry: MetricsRegistry): Promise<string> {
  let all = ''
  for await (const slice of registry.render()) all += slice
  return all
}

test('a counter, a gauge and a histogram are rendered with escaped labels and cumulative buckets', async () => {
  const registry = new MetricsRegistry()
  registry
    .counter({ name: 'a_total', help: 'back\\slash', labels: ['x'] })
    .with('q"\n\\')
    .inc(2)
  registry.gauge({ name: 'b', help: 'h' }).with().set(-1.5)
  const h = registry.histogram({ name: 'c', help: 'h', buckets: [0.1, 1] }).with()
  for (const v of [0.05, 0.1, 0.5, 7]) h.observe(v)
  const got = await text(registry)
  assert.ok(got.includes('# HELP a_total back\\\\slash\n# TYPE a_total counter\na_total{x="q\\"\\n\\\\"} 2\n'))
  assert.ok(got.includes('b -1.5\n'))
  assert.ok(got.includes('c_bucket{le="0.1"} 2\nc_bucket{le="1"} 3\nc_bucket{le="+Inf"} 4\nc_sum 7.65\nc_count 4\n'))
})

test('past maxSeries everything goes to the series named other, and that is counted', async () => {
  const registry = new MetricsRegistry()
  const family = registry.counter({ name: 'a_total', help: 'h', labels: ['user'], maxSeries: 2 })
  for (const user of ['u1', 'u2', 'u3', 'u4', 'u1']) family.with(user).inc()
  const got = await text(registry)
  assert.ok(got.includes('a_total{user="u1"} 2'))
  assert.ok(got.includes('a_total{user="other"} 2'))
  assert.ok(!got.includes('u3'))
  assert.ok(got.includes('portico_metrics_series_overflow_total{metric="a_total"} 2'))
})

test('a removed series is no longer exposed, and a family is shared by name', async () => {
  const registry = new MetricsRegistry()
  registry
    .gauge({ name: 'g', help: 'h', labels: ['name'] })
    .with('gone')
    .set(1)
  registry
    .gauge({ name: 'g', help: 'h', labels: ['name'] })
    .with('kept')
    .set(1)
  registry.gauge({ name: 'g', help: 'h', labels: ['name'] }).remove('gone')
  const got = await text(registry)
  assert.ok(!got.includes('gone') && got.includes('g{name="kept"} 1'))
  assert.throws(() => registry.counter({ name: 'g', help: 'h' }), /is a gauge already/)
})

test('rendering many series gives the event loop its turn', async () => {
  const registry = new MetricsRegistry()
  const family = registry.gauge({ name: 'g', help: 'h', labels: ['i'], maxSeries: 10_000 })
  for (let i = 0; i < 9000; i++) family.with(String(i)).set(i)
  let turns = 0
  const immediate = (): void => {
    turns++
    if (turns < 100) setImmediate(immediate)
  }
  setImmediate(immediate)
  const got = await text(registry)
  assert.equal(got.split('\n').filter((l) => l.startsWith('g{')).length, 9000)
  assert.ok(turns >= 4, `${turns} turns`)
})

test('series of a label value that is gone are dropped from every family, and handles with them', async () => {
  const metrics = new MetricsRegistry()
  const a = metrics.counter({ name: 'a_total', help: 'a', labels: ['group', 'code'] })
  const b = metrics.histogram({ name: 'b_seconds', help: 'b', labels: ['verb', 'group'], buckets: [1] })
  const c = metrics.gauge({ name: 'c', help: 'c', labels: ['name'] })
  for (const group of ['x', 'y']) {
    a.with(group, '200').inc()
    b.with('GET', group).observe(0.5)
    c.with(group).set(1)
  }
  const before = metrics.generation
  metrics.forget('group', new Set(['x', 'z']))
  assert.notEqual(metrics.generation, before)
  let text = ''
  for await (const slice of metrics.render()) text += slice
  assert.ok(!text.includes('group="x"'))
  assert.ok(text.includes('a_total{group="y",code="200"} 1'))
  assert.ok(text.includes('c{name="x"} 1'), 'another label')
  const after = metrics.generation
  metrics.forget('group', new Set(['x']))
  assert.equal(metrics.generation, after, 'nothing was there')
})
