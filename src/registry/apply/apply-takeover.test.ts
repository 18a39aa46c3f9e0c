import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  asObject,
  configMaps,
  type Json,
  NUMBER,
  ownersOf,
  STRING,
  struct,
  WIDGET,
  widgetShape,
} from '../../../test/harness/apply-kinds.ts'
import { configMap, NOW, play, refusal, type Step, widget } from '../../../test/harness/apply-steps.ts'
import type { KubeObject } from '../../api/meta.ts'
import { FieldManager } from './field-manager.ts'

const ANNOTATION = 'kubectl.kubernetes.io/last-applied-configuration'
const clientSide = (data: Json, applied: unknown): Step => ({
  by: 'kubectl-client-side-apply',
  config: configMap(data, {
    annotations: { [ANNOTATION]: typeof applied === 'string' ? applied : JSON.stringify(applied) },
  }),
  update: true,
})
const annotationOf = (object: KubeObject): string | undefined => object.metadata.annotations?.[ANNOTATION]

test('kubectl takes over what its client-side apply set, and the annotation follows', () => {
  const steps = [
    clientSide({ a: '1', b: '1' }, configMap({ a: '1', b: '1' })),
    { by: 'kubectl', config: configMap({ a: '2' }) },
  ]
  const object = play(configMaps, steps)
  assert.deepEqual((object as unknown as Json)['data'], { a: '2', b: '1' })
  assert.deepEqual(ownersOf(object), [
    ['kubectl Apply v1', '{"f:data":{"f:a":{}}}'],
    [
      'kubectl-client-side-apply Update v1',
      `{"f:data":{".":{},"f:b":{}},"f:metadata":{"f:annotations":{".":{},"f:${ANNOTATION}":{}}}}`,
    ],
  ])
  assert.equal(
    annotationOf(object),
    '{"apiVersion":"v1","data":{"a":"2"},"kind":"ConfigMap","metadata":{"name":"b"}}\n',
  )
  const own = {
    by: 'kubectl',
    config: configMap({ a: '2' }, { annotations: { [ANNOTATION]: 'x' } }),
    force: true as const,
  }
  assert.equal(
    annotationOf(play(configMaps, [...steps, own])),
    '{"apiVersion":"v1","data":{"a":"2"},"kind":"ConfigMap","metadata":{"annotations":{},"name":"b"}}\n',
  )
})

const kept: readonly { name: string; steps: readonly Step[]; other: string }[] = [
  {
    name: 'others than kubectl',
    steps: [clientSide({ a: '1' }, configMap({ a: '1' })), { by: 'other', config: configMap({ a: '2' }) }],
    other: 'kubectl-client-side-apply',
  },
  {
    name: 'a value that the annotation does not have',
    steps: [
      clientSide({ a: '1' }, configMap({ a: '1' })),
      {
        by: 'u',
        config: configMap({ a: 'zz' }, { annotations: { [ANNOTATION]: JSON.stringify(configMap({ a: '1' })) } }),
        update: true,
      },
      { by: 'kubectl', config: configMap({ a: '4' }) },
    ],
    other: 'u',
  },
  {
    name: 'an annotation that cannot be read',
    steps: [clientSide({ a: '1' }, 'garbage'), { by: 'kubectl', config: configMap({ a: '2' }) }],
    other: 'kubectl-client-side-apply',
  },
  {
    name: 'an annotation of another version',
    steps: [
      clientSide({ a: '1' }, { ...configMap({ a: '1' }), apiVersion: 'v0' }),
      { by: 'kubectl', config: configMap({ a: '2' }) },
    ],
    other: 'kubectl-client-side-apply',
  },
]
for (const { name, steps, other } of kept) {
  test(`client-side apply keeps its fields from ${name}`, () => {
    assert.equal(
      refusal(configMaps, steps).message,
      `Apply failed with 1 conflict: conflict with "${other}" using v1: .data.a`,
    )
  })
}

test('managers of other versions are judged in their own version', () => {
  // v2 calls the number `count` and keeps it under `size`.
  const v2 = { apiVersion: 'test.example.com/v2', kind: 'Widget' }
  const shape2 = widgetShape({ size: struct({ count: NUMBER }), title: STRING })
  const convert = (object: KubeObject, apiVersion: string): KubeObject => {
    const { n, size, ...spec } = ((object as unknown as Json)['spec'] ?? {}) as { n?: unknown; size?: Json | null }
    const count = apiVersion === v2.apiVersion ? n : size?.['count']
    const own = apiVersion === v2.apiVersion ? { size: { count } } : { n: count }
    return { ...object, apiVersion, spec: { ...spec, ...(count === undefined ? {} : own) } } as KubeObject
  }
  const shapes = new Map([
    [WIDGET.apiVersion, widgetShape()],
    [v2.apiVersion, shape2],
  ])
  const versions = { shape: (version: string) => shapes.get(version), convert }
  const one = new FieldManager({ ...WIDGET, shape: widgetShape(), versions })
  const two = new FieldManager({ ...v2, shape: shape2, versions })
  const apply = (
    to: FieldManager,
    live: KubeObject | undefined,
    config: Json,
    manager: string,
    force = false,
  ): KubeObject => to.apply({ live, config: asObject(config), manager, force, now: NOW })
  const second = (spec: Json): Json => ({ ...v2, metadata: { name: 'b' }, spec })

  const first = apply(one, undefined, widget({ n: 1, s: ['x'] }), 'm')
  const inTwo = convert(first, v2.apiVersion)
  assert.throws(() => apply(two, inTwo, second({ size: { count: 2 } }), 'other'), {
    message: 'Apply failed with 1 conflict: conflict with "m": .spec.n',
  })
  const shared = apply(two, inTwo, second({ size: { count: 1 } }), 'other')
  assert.deepEqual(ownersOf(shared), [
    ['other Apply test.example.com/v2', '{"f:spec":{"f:size":{"f:count":{}}}}'],
    ['m Apply test.example.com/v1', '{"f:spec":{"f:n":{},"f:s":{"v:\\"x\\"":{}}}}'],
  ])
  const dropped = apply(one, convert(shared, WIDGET.apiVersion), widget({ s: ['x'] }), 'm') as unknown as Json
  assert.deepEqual(dropped['spec'], { n: 1, s: ['x'] }, 'the other version still owns the number')
  const moved = apply(two, convert(first, v2.apiVersion), second({ s: ['x'] }), 'm')
  assert.deepEqual(
    (moved as unknown as Json)['spec'],
    { s: ['x'] },
    'an applier drops in the version that it used before',
  )
  assert.deepEqual(ownersOf(moved), [['m Apply test.example.com/v2', '{"f:spec":{"f:s":{"v:\\"x\\"":{}}}}']])
})
