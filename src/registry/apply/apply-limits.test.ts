import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  asObject,
  configMaps,
  type Json,
  ownersOf,
  services,
  widgets,
  WORKLOAD,
  workloads,
} from '../../../test/harness/apply-kinds.ts'
import { configMap, NOW, service, widget } from '../../../test/harness/apply-steps.ts'
import type { KubeObject } from '../../api/meta.ts'
import { StatusError } from '../../api/status-error.ts'
import { FieldManager } from './field-manager.ts'

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

/** Milliseconds of CPU of the fastest of a few runs. */
function cost(run: () => void): number {
  const runs = range(3).map(() => {
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  })
  return Math.min(...runs)
}

/** A create, the same again, half of it, and an update: each is one more way through all items. */
function life(manager: FieldManager, whole: Json, half: Json): void {
  const apply = (live: KubeObject | undefined, config: Json): KubeObject =>
    manager.apply({ live, config: asObject(config), manager: 'm', force: false, now: NOW })
  const first = apply(undefined, whole)
  const second = apply(first, whole)
  apply(second, half)
  manager.afterWrite({ live: second, object: asObject(half), manager: 'u', now: NOW })
}
const finalizers = (n: number): Json => configMap(undefined, { finalizers: range(n).map((i) => `f/${i}`) })
const ports = (n: number): Json => service({ ports: range(n).map((port) => ({ port, name: `p${port}` })) })
const managed = (n: number, operation: string): Json =>
  configMap(
    { a: '1' },
    {
      managedFields: range(n).map((i) => ({
        manager: `m${i}`,
        operation,
        apiVersion: 'v1',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': { [`f:k${i}`]: {} } },
      })),
    },
  )

const linear: readonly { name: string; run: (n: number) => void }[] = [
  { name: 'items of a set', run: (n) => life(configMaps, finalizers(n), finalizers(n / 2)) },
  { name: 'items of a list map', run: (n) => life(services, ports(n), ports(n / 2)) },
  {
    name: 'keys of a map',
    run: (n) => {
      const data = (size: number): Json => configMap(Object.fromEntries(range(size).map((i) => [`k${i}`, 'v'])))
      life(configMaps, data(n), data(n / 2))
    },
  },
  {
    name: 'updaters that an object brings',
    run: (n) => {
      const object = asObject(managed(n, 'Update'))
      const written = configMaps.afterWrite({ live: undefined, object, manager: 'u', now: NOW })
      assert.equal(ownersOf(written).length, 10)
    },
  },
  {
    name: 'appliers that an object has',
    run: (n) => {
      const live = asObject(managed(n, 'Apply'))
      const config = asObject(configMap({ a: '2' }))
      const applied = configMaps.apply({ live, config, manager: 'm', force: false, now: NOW })
      const written = configMaps.afterWrite({
        live: applied,
        object: asObject(configMap({ a: '3' })),
        manager: 'u',
        now: NOW,
      })
      assert.ok(ownersOf(written).length >= n - 2)
    },
  },
]
for (const { name, run } of linear) {
  test(`time grows with the number of ${name}, not with its square`, () => {
    const [small, large] = [cost(() => run(10_000)), cost(() => run(20_000))]
    assert.ok(large <= 3 * small, `${large.toFixed()} ms for 20,000, ${small.toFixed()} ms for 10,000`)
  })
}

const nested = (levels: number, open: string, inner: string, close: string): unknown =>
  JSON.parse(open.repeat(levels) + inner + close.repeat(levels))
const deep: readonly { name: string; manager: FieldManager; object: () => Json }[] = [
  {
    name: 'a struct in itself',
    manager: workloads,
    object: () => ({ ...WORKLOAD, metadata: { name: 'a' }, spec: nested(10_000, '{"nested":', '{"replicas":1}', '}') }),
  },
  {
    name: 'a raw value',
    manager: workloads,
    object: () => ({ ...WORKLOAD, metadata: { name: 'a' }, spec: { raw: nested(10_000, '[', '1', ']') } }),
  },
  { name: 'deduced maps', manager: widgets, object: () => widget({ free: nested(10_000, '{"a":', '1', '}') }) },
  { name: 'a list for a text', manager: configMaps, object: () => configMap({ a: nested(10_000, '[', '1', ']') }) },
]
for (const { name, manager, object } of deep) {
  test(`10,000 levels are refused or written, and end no process: ${name}`, () => {
    const [live, written] = [asObject(object()), asObject(object())]
    const writes = [
      () => manager.afterWrite({ live: undefined, object: written, manager: 'm', now: NOW }),
      () => manager.afterWrite({ live, object: written, manager: 'm', now: NOW }),
      () => manager.apply({ live: undefined, config: written, manager: 'm', force: false, now: NOW }),
      () => manager.apply({ live, config: written, manager: 'm', force: false, now: NOW }),
    ]
    for (const write of writes) {
      try {
        assert.equal(write().metadata.name, written.metadata.name)
      } catch (error) {
        assert.ok(error instanceof StatusError, String(error))
        assert.ok(error.code === 400 || error.code === 500)
      }
    }
  })
}

test('names of the language are plain names', () => {
  const object = JSON.parse(
    '{"metadata":{"name":"b","labels":{"__proto__":"1","constructor":"1"}},"data":{"__proto__":"x","toString":"y"}}',
  ) as Json
  const config = { ...configMap(undefined), ...object }
  const applied = configMaps.apply({ live: undefined, config: asObject(config), manager: 'm', force: false, now: NOW })
  const data = (applied as unknown as Json)['data'] as Json
  assert.deepEqual(Object.keys(data).toSorted(), ['__proto__', 'toString'])
  assert.equal(Object.getPrototypeOf(data), Object.prototype)
  assert.match(ownersOf(applied)[0]![1], /"f:__proto__":\{\},"f:toString":\{\}/)
  const dropped = configMaps.apply({
    live: applied,
    config: asObject(configMap(undefined)),
    manager: 'm',
    force: false,
    now: NOW,
  })
  assert.equal((dropped as unknown as Json)['data'], undefined)
})
