/** Conversion and bytes. What servers answer to each request is in fixtures/recorded/answers/autoscaling.json. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fc } from '../../../../test/harness/property.ts'
import { wrapProtobuf } from '../../../api/codec/protobuf-envelope.ts'
import { ObjectForms } from '../../../endpoints/object-forms.ts'
import { CoreTables } from '../tables.ts'
import { olderAutoscaler } from './horizontal-pod-autoscaler.ts'

const tables = new CoreTables()
const v1 = tables.kindVersion('autoscaling', 'v1', 'HorizontalPodAutoscaler')
const v2 = tables.kindVersion('autoscaling', 'v2', 'HorizontalPodAutoscaler')
const older = new ObjectForms(v1, olderAutoscaler.conversion!(tables))

interface Entry {
  readonly name?: string
  readonly response: { readonly base64?: string }
}
const { entries } = JSON.parse(
  readFileSync(new URL('../../../../fixtures/recorded/answers/autoscaling.json', import.meta.url), 'utf8'),
) as { entries: readonly Entry[] }

for (const form of [v1, v2]) {
  test(`${form.apiVersion}: kube-apiserver's protobuf is written byte for byte`, () => {
    const { base64 } = entries.find((e) => e.name?.startsWith(`${form.apiVersion}: get as protobuf`))!.response
    const bytes = Buffer.from(base64!, 'base64')
    const { kind, apiVersion, ...object } = form.decodeStored(bytes)
    assert.deepEqual([kind, apiVersion], [form.kind, form.apiVersion])
    const raw = form.encodeMessage(object)
    assert.ok(bytes.equals(wrapProtobuf({ apiVersion: form.apiVersion, kind: form.kind, raw })))
  })
}

const name = fc.constantFrom('a', 'queue', 'x.example.com/y')
const quantity = fc.constantFrom('1', '500m', '2k', '100Mi', '1e3')
const selector = fc.constantFrom(undefined, { matchLabels: { a: 'b' } })
const count = fc.integer({ min: 1, max: 1000 })
const identifier = fc.record({ name, selector })
const average = quantity.map((averageValue) => ({ type: 'AverageValue', averageValue }))
const utilization = count.map((averageUtilization) => ({ type: 'Utilization', averageUtilization }))
const value = quantity.map((v) => ({ type: 'Value', value: v }))
const reference = fc.record({ kind: fc.constant('Ingress'), name, apiVersion: fc.constantFrom(undefined, 'g/v1') })
const metric = fc.oneof(
  fc.record({ metric: identifier, target: average }).map((pods) => ({ type: 'Pods', pods })),
  fc
    .record({ name: fc.constant('memory'), target: fc.oneof(average, utilization) })
    .map((resource) => ({ type: 'Resource', resource })),
  fc
    .record({ describedObject: reference, metric: identifier, target: value })
    .map((object) => ({ type: 'Object', object })),
  fc
    .record({ metric: identifier, target: fc.oneof(average, value) })
    .map((external) => ({ type: 'External', external })),
  fc
    .record({ name: fc.constant('cpu'), container: fc.constant('c'), target: utilization })
    .map((containerResource) => ({ type: 'ContainerResource', containerResource })),
)
const cpu = utilization.map((target) => ({ type: 'Resource', resource: { name: 'cpu', target } }))
const rules = fc.record({
  stabilizationWindowSeconds: fc.constantFrom(undefined, 0, 60),
  selectPolicy: fc.constantFrom('Max', 'Min', 'Disabled'),
  policies: fc.constant([{ type: 'Pods', value: 4, periodSeconds: 15 }]),
  tolerance: fc.option(quantity, { nil: undefined }),
})
const spec = fc.record({
  scaleTargetRef: reference,
  minReplicas: count,
  maxReplicas: count,
  // v1 has the CPU utilization in a field of its own: it comes back last.
  metrics: fc
    .tuple(fc.array(metric, { maxLength: 4 }), fc.option(cpu))
    .map(([all, last]) => (last ? [...all, last] : all)),
  behavior: fc.option(fc.record({ scaleUp: rules, scaleDown: rules }), { nil: undefined }),
})

test('what autoscaling/v1 is told of an object in autoscaling/v2 comes back whole', () => {
  fc.assert(
    fc.property(spec, (given) => {
      const object = v2.fit(
        plain({ metadata: { name: 'a', annotations: { kept: 'yes' } }, spec: given, status: {} }) as object,
      ).object
      v2.fillDefaults(object)
      const back = v2.conform(older.toHub(older.view(object)))
      assert.deepEqual(plain(back), plain(object))
    }),
  )
})

test('annotations that say nothing, or nothing readable, are dropped and change nothing', () => {
  const prefix = 'autoscaling.alpha.kubernetes.io/'
  const bare = older.toHub({ metadata: { name: 'a', annotations: { kept: 'yes' } } })
  for (const last of ['metrics', 'current-metrics', 'conditions', 'behavior']) {
    for (const text of ['', '{', '[]', '{}', 'null', '3', '[{"type":3}]', '{"ScaleUp":3}']) {
      const object = { metadata: { name: 'a', annotations: { [prefix + last]: text, kept: 'yes' } } }
      assert.deepEqual(plain(older.toHub(object)), plain(bare), `${last}: ${text}`)
    }
  }
})

const plain = (object: unknown): unknown => JSON.parse(JSON.stringify(object))
