import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  asObject,
  configMaps,
  type Json,
  managerOfKind,
  ownersOf,
  services,
  widgets,
  WORKLOAD,
  workloads,
} from '../../../test/harness/apply-kinds.ts'
import { configMap, NOW, play, service, type Step, widget, workload } from '../../../test/harness/apply-steps.ts'
import type { KubeObject } from '../../api/meta.ts'
import { FieldManager } from './field-manager.ts'
import { FieldSet } from './field-set.ts'

const v1 = (name: string): string => `${name} v1`
// Facts: what kube-apiserver 1.35.4 answered to the same requests.
const merges: readonly {
  name: string
  manager: FieldManager
  steps: readonly Step[]
  part: (object: Json) => unknown
  want: unknown
  owners: readonly (readonly [string, string])[]
}[] = [
  {
    name: 'an apply that creates owns what it names, and no parents',
    manager: configMaps,
    steps: [{ by: 'm', config: configMap({ k: '1' }, { labels: { l: '1' } }) }],
    part: (o) => o['data'],
    want: { k: '1' },
    owners: [[v1('m Apply'), '{"f:data":{"f:k":{}},"f:metadata":{"f:labels":{"f:l":{}}}}']],
  },
  {
    name: 'equal values are shared',
    manager: configMaps,
    steps: [
      { by: 'm', config: configMap({ k: '1' }) },
      { by: 'm2', config: configMap({ k: '1', j: '1' }) },
    ],
    part: (o) => o['data'],
    want: { k: '1', j: '1' },
    owners: [
      [v1('m Apply'), '{"f:data":{"f:k":{}}}'],
      [v1('m2 Apply'), '{"f:data":{"f:j":{},"f:k":{}}}'],
    ],
  },
  {
    name: 'force takes fields over; what nobody names any more goes',
    manager: configMaps,
    steps: [
      { by: 'm', config: configMap({ k: '1', j: '1' }) },
      { by: 'm2', config: configMap({ k: '2' }), force: true },
      { by: 'm', config: configMap(undefined) },
    ],
    part: (o) => o['data'],
    want: { k: '2' },
    owners: [[v1('m2 Apply'), '{"f:data":{"f:k":{}}}']],
  },
  {
    name: 'what a manager drops stays while others own it',
    manager: configMaps,
    steps: [
      { by: 'm', config: configMap({ k: '1', j: '1' }) },
      { by: 'm2', config: configMap({ k: '1' }) },
      { by: 'm', config: configMap(undefined) },
    ],
    part: (o) => o['data'],
    want: { k: '1' },
    owners: [[v1('m2 Apply'), '{"f:data":{"f:k":{}}}']],
  },
  {
    name: 'a null is owned; null for a map that has keys changes nothing, so the manager has no time and comes first',
    manager: configMaps,
    steps: [
      { by: 'u', config: configMap({ b: '1' }), update: true },
      { by: 'm', config: configMap({ k: null }) },
      { by: 'm2', config: configMap(null) },
    ],
    part: (o) => o['data'],
    want: { b: '1' },
    owners: [
      [v1('m2 Apply'), '{"f:data":{}}'],
      [v1('m Apply'), '{"f:data":{"f:k":{}}}'],
      [v1('u Update'), '{"f:data":{".":{},"f:b":{}}}'],
    ],
  },
  {
    name: 'empty maps are owned, empty lists are not',
    manager: configMaps,
    steps: [{ by: 'm', config: configMap({}, { labels: {}, annotations: null, finalizers: [] }) }],
    part: (o) => o['data'],
    want: undefined,
    owners: [[v1('m Apply'), '{"f:data":{},"f:metadata":{"f:annotations":{},"f:labels":{}}}']],
  },
  {
    name: 'metadata that the server sets is not owned',
    manager: configMaps,
    steps: [
      {
        by: 'm',
        config: configMap(
          { a: '1' },
          { uid: 'u', resourceVersion: '1', generation: 7, creationTimestamp: null, namespace: 'n' },
        ),
      },
    ],
    part: (o) => o['data'],
    want: { a: '1' },
    owners: [[v1('m Apply'), '{"f:data":{"f:a":{}}}']],
  },
  {
    name: 'before-first-apply owns what an untracked object has',
    manager: configMaps,
    steps: [
      { by: 'u', config: configMap({ a: '1', b: '1' }, { labels: { l: '1' } }), update: true },
      { by: 'u', config: configMap({ a: '1', b: '1' }, { labels: { l: '1' }, managedFields: [{}] }), update: true },
      { by: 'm', config: configMap({ a: '1' }) },
    ],
    part: (o) => o['data'],
    want: { a: '1', b: '1' },
    owners: [
      [v1('m Apply'), '{"f:data":{"f:a":{}}}'],
      [
        v1('before-first-apply Update'),
        '{"f:data":{".":{},"f:a":{},"f:b":{}},"f:metadata":{"f:labels":{".":{},"f:l":{}}}}',
      ],
    ],
  },
  {
    name: 'a set keeps the order of the configuration around items of others',
    manager: configMaps,
    steps: [
      { by: 'm', config: configMap(undefined, { finalizers: ['x/a', 'x/b'] }) },
      { by: 'm2', config: configMap(undefined, { finalizers: ['x/c', 'x/b', 'x/d'] }) },
      { by: 'm2', config: configMap(undefined, { finalizers: ['x/d', 'x/b'] }) },
    ],
    part: (o) => (o['metadata'] as Json)['finalizers'],
    want: ['x/a', 'x/d', 'x/b'],
    owners: [
      [v1('m Apply'), '{"f:metadata":{"f:finalizers":{"v:\\"x/a\\"":{},"v:\\"x/b\\"":{}}}}'],
      [v1('m2 Apply'), '{"f:metadata":{"f:finalizers":{"v:\\"x/b\\"":{},"v:\\"x/d\\"":{}}}}'],
    ],
  },
  {
    name: 'items of a list map are told apart by keys with defaults, and merge in order',
    manager: services,
    steps: [
      {
        by: 'm',
        config: service({
          ports: [
            { port: 443, name: 's', protocol: 'TCP' },
            { port: 81, name: 'h1' },
          ],
        }),
      },
      {
        by: 'm2',
        config: service({
          ports: [
            { port: 82, name: 'x' },
            { port: 443, name: 's' },
            { port: 83, name: 'y' },
          ],
        }),
      },
    ],
    part: (o) => ((o['spec'] as Json)['ports'] as Json[]).map(({ port }) => port),
    want: [82, 443, 81, 83],
    owners: [
      [
        v1('m Apply'),
        '{"f:spec":{"f:ports":{"k:{\\"port\\":81,\\"protocol\\":\\"TCP\\"}":{".":{},"f:name":{},"f:port":{}},"k:{\\"port\\":443,\\"protocol\\":\\"TCP\\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{}}}}}',
      ],
      [
        v1('m2 Apply'),
        '{"f:spec":{"f:ports":{"k:{\\"port\\":82,\\"protocol\\":\\"TCP\\"}":{".":{},"f:name":{},"f:port":{}},"k:{\\"port\\":83,\\"protocol\\":\\"TCP\\"}":{".":{},"f:name":{},"f:port":{}},"k:{\\"port\\":443,\\"protocol\\":\\"TCP\\"}":{".":{},"f:name":{},"f:port":{}}}}}',
      ],
    ],
  },
  {
    name: 'an item goes when its applier drops it, with what an updater changed in it',
    manager: services,
    steps: [
      { by: 'm', config: service({ ports: [{ port: 1 }, { port: 2 }] }) },
      { by: 'u', config: service({ ports: [{ port: 1 }, { port: 2, targetPort: 9 }] }), update: true },
      { by: 'm', config: service({ ports: [{ port: 1 }] }) },
    ],
    part: (o) => ((o['spec'] as Json)['ports'] as Json[]).map(({ port }) => port),
    want: [1],
    owners: [
      [v1('m Apply'), '{"f:spec":{"f:ports":{"k:{\\"port\\":1,\\"protocol\\":\\"TCP\\"}":{".":{},"f:port":{}}}}}'],
    ],
  },
  {
    name: 'what nobody owns stays in what is kept, and goes with what goes',
    manager: workloads,
    steps: [
      {
        by: 'm',
        config: workload({ containers: [{ name: 'a', image: 'i' }, { name: 'b' }], tolerations: [{ key: 'k' }] }),
      },
      { by: 'm', config: workload({ containers: [{ name: 'a' }] }) },
    ],
    part: (o) => (o['spec'] as Json)['template'],
    want: { spec: { containers: [{ name: 'a' }] } },
    owners: [
      [
        'm Apply test.example.com/v1',
        '{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\\"name\\":\\"a\\"}":{".":{},"f:name":{}}}}}}}',
      ],
    ],
  },
  {
    name: 'a custom resource: parents that are still named keep what others own',
    manager: widgets,
    steps: [
      { by: 'm', config: widget({ m: { a: '1' }, s: ['x'], o: { p: '1' }, l: [{ k: '1', j: '2' }] }) },
      {
        by: 'u',
        config: widget({ m: { a: '1', b: '1' }, s: ['x'], o: { p: '1', q: '1' }, l: [{ k: '1', j: '2' }] }),
        update: true,
      },
      { by: 'm', config: widget({}) },
    ],
    part: (o) => o['spec'],
    want: { m: { b: '1' }, o: { q: '1' } },
    owners: [
      ['m Apply test.example.com/v1', '{"f:spec":{}}'],
      ['u Update test.example.com/v1', '{"f:spec":{"f:m":{"f:b":{}},"f:o":{"f:q":{}}}}'],
    ],
  },
  {
    name: 'a custom resource: null leaves a deduced map that has keys, and replaces a list or a scalar',
    manager: widgets,
    steps: [
      { by: 'u', config: widget({ free: { a: { x: 1 }, l: [1], s: 's' } }), update: true },
      { by: 'm', config: widget({ free: { a: null, l: null, s: null } }), force: true },
    ],
    part: (o) => o['spec'],
    want: { free: { a: { x: 1 } } },
    owners: [
      ['m Apply test.example.com/v1', '{"f:spec":{"f:free":{"f:a":{},"f:l":{},"f:s":{}}}}'],
      ['u Update test.example.com/v1', '{"f:spec":{".":{},"f:free":{".":{},"f:a":{".":{},"f:x":{}}}}}'],
    ],
  },
  {
    name: 'a custom resource: an emptied map is still that of another manager',
    manager: widgets,
    steps: [
      { by: 'm', config: widget({ free: {} }) },
      { by: 'm2', config: widget({ free: { a: '1' }, o: { p: '1' } }), force: true },
      { by: 'm', config: widget({ free: {} }) },
      { by: 'm2', config: widget({ o: { p: '1' } }) },
    ],
    part: (o) => o['spec'],
    want: { o: { p: '1' } },
    owners: [
      ['m Apply test.example.com/v1', '{"f:spec":{"f:free":{}}}'],
      ['m2 Apply test.example.com/v1', '{"f:spec":{"f:o":{"f:p":{}}}}'],
    ],
  },
  {
    name: 'a custom resource: deduced maps merge, deduced lists are replaced, atomic maps and lists too',
    manager: widgets,
    steps: [
      { by: 'm', config: widget({ free: { a: { x: 1 }, l: [1] }, am: { a: '1' }, al: ['a'] }) },
      { by: 'm2', config: widget({ free: { a: { y: 1 }, l: [2] }, am: { b: '1' }, al: ['b'] }), force: true },
    ],
    part: (o) => o['spec'],
    want: { free: { a: { x: 1, y: 1 }, l: [2] }, am: { b: '1' }, al: ['b'] },
    owners: [
      ['m Apply test.example.com/v1', '{"f:spec":{"f:free":{"f:a":{".":{},"f:x":{}}}}}'],
      ['m2 Apply test.example.com/v1', '{"f:spec":{"f:al":{},"f:am":{},"f:free":{"f:a":{".":{},"f:y":{}},"f:l":{}}}}'],
    ],
  },
]
for (const { name, manager, steps, part, want, owners } of merges) {
  test(`apply: ${name}`, () => {
    const object = play(manager, steps)
    assert.deepEqual(part(object as unknown as Json), want)
    assert.deepEqual(ownersOf(object), owners)
  })
}

test('an apply that changes nothing returns an equal object and keeps the time', () => {
  const config = configMap({ a: '1' }, { labels: { l: '1' } })
  const first = configMaps.apply({ live: undefined, config: asObject(config), manager: 'm', force: false, now: NOW })
  const second = configMaps.apply({
    live: first,
    config: asObject(config),
    manager: 'm',
    force: false,
    now: NOW + 5000,
  })
  assert.deepEqual(second, first)
  const shared = configMaps.apply({
    live: first,
    config: asObject(config),
    manager: 'n',
    force: false,
    now: NOW + 5000,
  })
  assert.equal(
    'time' in (shared.metadata.managedFields as Json[])[0]!,
    false,
    'a manager that changed nothing has no time',
  )
})

test('an apply through an endpoint neither takes nor loses what its strategy resets', () => {
  const main = managerOfKind(WORKLOAD.apiVersion, WORKLOAD.kind, { resetFields: () => FieldSet.of(['f:status']) })
  const config = { ...WORKLOAD, metadata: { name: 'a' }, spec: { replicas: 1 }, status: { replicas: 1 } }
  const object = play(main, [{ by: 'm', config }])
  assert.deepEqual(ownersOf(object), [['m Apply test.example.com/v1', '{"f:spec":{"f:replicas":{}}}']])
})

test('an apply that drops a field leaves what nobody owns beside it', () => {
  const config = (spec: Json): Json => ({ ...WORKLOAD, metadata: { name: 'b' }, spec })
  const apply = (live: KubeObject | undefined, spec: Json): KubeObject =>
    workloads.apply({ live, config: asObject(config(spec)), manager: 'm', force: false, now: NOW })
  const first = apply(undefined, { replicas: 1, paused: true })
  const defaulted = asObject({ ...first, spec: { replicas: 1, paused: true, selector: { matchLabels: { a: 'b' } } } })
  const second = apply(defaulted, { paused: true }) as unknown as Json
  assert.deepEqual(second['spec'], { paused: true, selector: { matchLabels: { a: 'b' } } })
})

test('a map that an apply empties is null until the object is conformed', () => {
  const apply = (live: KubeObject | undefined, manager: string, spec: Json): KubeObject =>
    widgets.apply({ live, config: asObject(widget(spec)), manager, force: false, now: NOW })
  const both = apply(apply(undefined, 'm1', { m: {} }), 'm2', { m: { a: '1' }, n: 1 })
  assert.deepEqual((apply(both, 'm2', { n: 1 }) as unknown as Json)['spec'], { m: null, n: 1 })
})
