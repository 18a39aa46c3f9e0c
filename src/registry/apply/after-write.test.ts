import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  asObject,
  configMaps,
  type Json,
  listOf,
  managerOfKind,
  ownersOf,
  STRING,
  struct,
  WIDGET,
  widgets,
  widgetShape,
  WORKLOAD,
} from '../../../test/harness/apply-kinds.ts'
import { FieldManager, managerOf, withoutTimeChurn } from './field-manager.ts'
import { FieldSet } from './field-set.ts'

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const AT = '2026-01-02T03:04:05Z'
const LATER = NOW + 60_000

// Facts: kube-apiserver 1.35.4 answered a create of these objects with these fields.
const created: readonly { name: string; kind: string; apiVersion: string; object: Json; want: string }[] = [
  {
    name: 'ConfigMap: maps and lists that were not there are owned themselves, structs are not',
    apiVersion: 'v1',
    kind: 'ConfigMap',
    object: {
      metadata: {
        name: 'a',
        uid: 'x',
        creationTimestamp: AT,
        labels: { l: '1' },
        finalizers: ['f/x'],
        ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'n', uid: 'u1' }],
      },
      data: { z: '1', B: '2' },
    },
    want: '{"f:data":{".":{},"f:B":{},"f:z":{}},"f:metadata":{"f:finalizers":{".":{},"v:\\"f/x\\"":{}},"f:labels":{".":{},"f:l":{}},"f:ownerReferences":{".":{},"k:{\\"uid\\":\\"u1\\"}":{}}}}',
  },
  {
    name: 'Service: a key that is left out has its default, an atomic map is owned as a whole',
    apiVersion: 'v1',
    kind: 'Service',
    object: {
      metadata: { name: 'a' },
      spec: {
        type: 'ClusterIP',
        internalTrafficPolicy: 'Cluster',
        sessionAffinity: 'None',
        selector: { a: 'b' },
        ports: [
          { port: 443, name: 's', protocol: 'TCP', targetPort: 443 },
          { port: 80, name: 'h' },
        ],
      },
      status: { loadBalancer: {} },
    },
    want: '{"f:spec":{"f:internalTrafficPolicy":{},"f:ports":{".":{},"k:{\\"port\\":80,\\"protocol\\":\\"TCP\\"}":{".":{},"f:name":{},"f:port":{},"f:targetPort":{}},"k:{\\"port\\":443,\\"protocol\\":\\"TCP\\"}":{".":{},"f:name":{},"f:port":{},"f:protocol":{},"f:targetPort":{}}},"f:selector":{},"f:sessionAffinity":{},"f:type":{}}}',
  },
  {
    name: 'EndpointSlice: atomic lists',
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    object: {
      metadata: { name: 'a' },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['192.0.2.1'] }],
      ports: [{ port: 80 }],
    },
    want: '{"f:addressType":{},"f:endpoints":{},"f:ports":{}}',
  },
  {
    name: 'Lease',
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    object: { metadata: { name: 'a' }, spec: { holderIdentity: 'x', renewTime: '2020-01-01T00:00:00.000000Z' } },
    want: '{"f:spec":{"f:holderIdentity":{},"f:renewTime":{}}}',
  },
  {
    name: 'Namespace: generateName is owned, the name is not',
    apiVersion: 'v1',
    kind: 'Namespace',
    object: { metadata: { generateName: 'a', name: 'a1b2c' }, spec: {}, status: {} },
    want: '{"f:metadata":{"f:generateName":{}}}',
  },
  {
    name: 'Workload: a struct of an item is owned with the item',
    ...WORKLOAD,
    object: {
      metadata: { name: 'a' },
      spec: {
        replicas: 1,
        selector: { matchLabels: { a: 'b' } },
        raw: { a: { b: [1] } },
        template: {
          metadata: { labels: { a: 'b' } },
          spec: {
            containers: [
              { name: 'n', args: ['x'], ports: [{ containerPort: 80 }], env: [{ name: 'E', value: '1' }] },
              { name: 'l', resources: { limits: { cpu: '1' } } },
            ],
            tolerations: [{ key: 'k' }],
            nodeSelector: { q: 'w' },
            volumes: [{ name: 'v', emptyDir: {} }],
          },
        },
      },
    },
    want: '{"f:spec":{"f:raw":{},"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:containers":{"k:{\\"name\\":\\"l\\"}":{".":{},"f:name":{},"f:resources":{".":{},"f:limits":{".":{},"f:cpu":{}}}},"k:{\\"name\\":\\"n\\"}":{".":{},"f:args":{},"f:env":{".":{},"k:{\\"name\\":\\"E\\"}":{".":{},"f:name":{},"f:value":{}}},"f:name":{},"f:ports":{".":{},"k:{\\"containerPort\\":80,\\"protocol\\":\\"TCP\\"}":{".":{},"f:containerPort":{}}},"f:resources":{}}},"f:nodeSelector":{},"f:tolerations":{},"f:volumes":{".":{},"k:{\\"name\\":\\"v\\"}":{".":{},"f:emptyDir":{},"f:name":{}}}}}}}',
  },
]
for (const { name, apiVersion, kind, object, want } of created) {
  test(`a create takes all that is given: ${name}`, () => {
    const written = managerOfKind(apiVersion, kind).afterWrite({
      live: undefined,
      object: asObject({ apiVersion, kind, ...object }),
      manager: 'm',
      now: NOW,
    })
    assert.deepEqual(ownersOf(written), [[`m Update ${apiVersion}`, want]])
    assert.equal((written.metadata.managedFields as Json[])[0]!['time'], AT)
  })
}

const configMap = (data: Json | undefined, metadata: Json = {}): Json => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', uid: 'u', ...metadata },
  ...(data === undefined ? {} : { data }),
})
const entry = (over: Json = {}): Json => ({
  manager: 'q',
  operation: 'Update',
  apiVersion: 'v1',
  time: '2020-01-01T00:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1: { 'f:q': { 'f:z': {} } },
  ...over,
})
function update(live: Json, object: Json, manager = 'm', now = NOW): ReturnType<typeof asObject> {
  return configMaps.afterWrite({ live: asObject(live), object: asObject(object), manager, now })
}

test('an update takes what changed from who had it, and what is removed from all', () => {
  const first = update(configMap(undefined, { managedFields: [entry()] }), configMap({ a: '1', b: '1', c: '1' }), 'one')
  const second = update(first as unknown as Json, configMap({ a: '2', b: '1', d: '1' }), 'two', LATER)
  assert.deepEqual(ownersOf(second), [
    ['q Update v1', '{"f:q":{"f:z":{}}}'],
    ['one Update v1', '{"f:data":{".":{},"f:b":{}}}'],
    ['two Update v1', '{"f:data":{"f:a":{},"f:d":{}}}'],
  ])
})

test('what is owned below a removed field, and was not there, stays with its owner', () => {
  const managedFields = [entry({ fieldsV1: { 'f:data': { 'f:z': { '.': {}, 'f:gone': {} } } } })]
  const written = update(configMap({ z: '1' }, { managedFields }), configMap({}))
  assert.deepEqual(ownersOf(written), [['q Update v1', '{"f:data":{"f:z":{"f:gone":{}}}}']])
})

test('an update that changes nothing leaves entries and times', () => {
  const first = update(configMap(undefined, { managedFields: [entry()] }), configMap({ a: '1' }))
  const second = update(first as unknown as Json, configMap({ a: '1' }), 'm', LATER)
  assert.deepEqual(second.metadata.managedFields, first.metadata.managedFields)
})

test('an object without managers stays without, unless it is new', () => {
  assert.deepEqual(ownersOf(update(configMap({ a: '1' }), configMap({ a: '2' }))), [])
})

const resets: readonly { name: string; managedFields: unknown }[] = [
  { name: 'one empty entry', managedFields: [{}] },
  { name: 'no entries', managedFields: [] },
]
for (const { name, managedFields } of resets) {
  test(`managers are forgotten on request: ${name}`, () => {
    const live = configMap({ a: '1' }, { managedFields: [entry()] })
    assert.deepEqual(ownersOf(update(live, configMap({ a: '2' }, { managedFields }))), [])
  })
}

// Facts: kube-apiserver 1.35.4 was sent these entries with a create.
const brought: readonly { name: string; entry: Json; kept: boolean }[] = [
  { name: 'a plain entry', entry: entry(), kept: true },
  { name: 'an applier', entry: entry({ operation: 'Apply' }), kept: true },
  { name: 'a subresource', entry: entry({ subresource: 'status' }), kept: true },
  { name: 'no time', entry: entry({ time: undefined }), kept: true },
  { name: 'no manager', entry: entry({ manager: undefined }), kept: true },
  { name: 'another operation', entry: entry({ operation: 'X' }), kept: false },
  { name: 'no operation', entry: entry({ operation: undefined }), kept: false },
  { name: 'no version', entry: entry({ apiVersion: undefined }), kept: false },
  { name: 'no type', entry: entry({ fieldsType: undefined }), kept: false },
  { name: 'another type', entry: entry({ fieldsType: 'FieldsV2' }), kept: false },
  { name: 'fields that cannot be read', entry: entry({ fieldsV1: { 'k:y': {} } }), kept: false },
  { name: 'no fields', entry: entry({ fieldsV1: undefined }), kept: false },
  { name: 'empty fields', entry: entry({ fieldsV1: {} }), kept: false },
  { name: 'a version that the kind does not have', entry: entry({ apiVersion: 'v9' }), kept: false },
  { name: 'fields that the writer changes', entry: entry({ fieldsV1: { 'f:data': { 'f:z': {} } } }), kept: false },
  { name: 'no entry at all', entry: [] as unknown as Json, kept: false },
]
for (const { name, entry: given, kept } of brought) {
  test(`an entry that a create brings is ${kept ? 'kept' : 'dropped'}: ${name}`, () => {
    const object = configMap({ z: '1' }, { managedFields: [given] })
    const written = configMaps.afterWrite({ live: undefined, object: asObject(object), manager: 'm', now: NOW })
    assert.equal(ownersOf(written).length, kept ? 2 : 1)
    assert.equal(ownersOf(written).at(-1)?.[1], '{"f:data":{".":{},"f:z":{}}}')
  })
}

test('entries that cannot be read fall back to the stored ones', () => {
  const live = configMap({ a: '1' }, { managedFields: [entry()] })
  const written = update(live, configMap({ a: '1' }, { managedFields: [entry({ operation: 'X' })] }))
  assert.deepEqual(ownersOf(written), [['q Update v1', '{"f:q":{"f:z":{}}}']])
})

test('the oldest updates are merged when there are more than ten', () => {
  let live = configMap({ z: '1' }, { managedFields: [entry({ fieldsV1: { 'f:data': { 'f:z': {} } }, manager: 'u0' })] })
  const data: Json = { z: '1' }
  for (let i = 1; i <= 13; i++) {
    data[`k${i}`] = '1'
    live = update(live, configMap({ ...data }), `u${i}`, NOW + i * 1000) as unknown as Json
  }
  assert.deepEqual(ownersOf(asObject(live)), [
    ['ancient-changes Update v1', '{"f:data":{"f:k1":{},"f:k2":{},"f:k3":{},"f:k4":{},"f:z":{}}}'],
    ...[5, 6, 7, 8, 9, 10, 11, 12, 13].map((i) => [`u${i} Update v1`, `{"f:data":{"f:k${i}":{}}}`]),
  ])
})

test('entries are sorted: appliers first, then by time, name, version, subresource', () => {
  const names = ['b', 'a', 'c']
  const managedFields = names.flatMap((manager, i) => [
    entry({ manager, time: `2020-01-0${3 - i}T00:00:00Z` }),
    entry({ manager, operation: 'Apply' }),
  ])
  const written = update(configMap({}, { managedFields }), configMap({ a: '1' }))
  assert.deepEqual(
    ownersOf(written).map(([name]) => name),
    ['a Apply v1', 'b Apply v1', 'c Apply v1', 'c Update v1', 'a Update v1', 'b Update v1', 'm Update v1'],
  )
})

test('a subresource has managers of its own, and takes no managers from the body', () => {
  const status = managerOfKind(WORKLOAD.apiVersion, WORKLOAD.kind, {
    subresource: 'status',
    resetFields: () => FieldSet.of(['f:spec'], ['f:metadata', 'f:labels']),
  })
  const live = asObject({ ...WORKLOAD, metadata: { name: 'a', uid: 'u', managedFields: [entry(WORKLOAD)] }, spec: {} })
  const written = status.afterWrite({
    live,
    object: asObject({
      ...WORKLOAD,
      metadata: { name: 'a', uid: 'u', labels: { a: '1' }, annotations: { a: '1' }, managedFields: [{}] },
      spec: { replicas: 2 },
      status: { replicas: 2, conditions: [{ type: 'Ready', status: 'True' }] },
    }),
    manager: 'kubelet',
    now: NOW,
  })
  assert.deepEqual(ownersOf(written), [
    ['q Update test.example.com/v1', '{"f:q":{"f:z":{}}}'],
    [
      'kubelet Update test.example.com/v1 status',
      '{"f:metadata":{"f:annotations":{".":{},"f:a":{}}},"f:status":{"f:conditions":{".":{},"k:{\\"type\\":\\"Ready\\"}":{".":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},"f:replicas":{}}}',
    ],
  ])
})

test('a custom resource: what is deduced from values', () => {
  const spec = {
    m: { a: '1' },
    s: ['x'],
    n: 1,
    free: { a: { b: [1], c: {}, d: null } },
    o: { p: '1' },
    l: [{ k: '1', j: '2', v: '3' }],
  }
  const object = asObject({ ...WIDGET, metadata: { name: 'a' }, spec })
  const first = widgets.afterWrite({ live: undefined, object, manager: 'm', now: NOW })
  assert.equal(
    ownersOf(first)[0]![1],
    '{"f:spec":{".":{},"f:free":{".":{},"f:a":{".":{},"f:b":{},"f:c":{},"f:d":{}}},"f:l":{".":{},"k:{\\"j\\":\\"2\\",\\"k\\":\\"1\\"}":{".":{},"f:j":{},"f:k":{},"f:v":{}}},"f:m":{".":{},"f:a":{}},"f:n":{},"f:o":{".":{},"f:p":{}},"f:s":{".":{},"v:\\"x\\"":{}}}}',
  )
  const changed = asObject({ ...WIDGET, metadata: { name: 'a', uid: 'u' }, spec: { ...spec, free: { a: 1, e: [2] } } })
  const second = widgets.afterWrite({ live: first, object: changed, manager: 'u', now: NOW })
  assert.equal(
    ownersOf(second).find(([name]) => name.startsWith('u '))?.[1],
    '{"f:spec":{"f:free":{"f:a":{},"f:e":{}}}}',
  )
})

// Facts: an updater of a value without a schema, before and after the update.
const deduced: readonly { name: string; before: unknown; after: unknown; first: string; second: string }[] = [
  { name: 'a map became null', before: { x: 1 }, after: null, first: '{}', second: '' },
  { name: 'null became a map', before: null, after: { x: 1 }, first: '{}', second: '{"f:x":{}}' },
  { name: 'a map became a list', before: { x: 1 }, after: [1], first: '', second: '{}' },
  { name: 'a list became a map', before: [1], after: { x: 1 }, first: '', second: '{".":{},"f:x":{}}' },
  { name: 'a list changed', before: [1], after: [2], first: '', second: '{}' },
  { name: 'a scalar became a list', before: 1, after: [1], first: '', second: '{}' },
  { name: 'a map lost a key', before: { x: 1, y: 1 }, after: { x: 1 }, first: '{".":{},"f:x":{}}', second: '' },
]
for (const { name, before, after, first, second } of deduced) {
  test(`a value without a schema: ${name}`, () => {
    const write = (
      value: unknown,
      manager: string,
      live?: ReturnType<typeof asObject>,
    ): ReturnType<typeof asObject> => {
      const object = asObject({
        ...WIDGET,
        metadata: { name: 'a', uid: 'u' },
        spec: { n: 1, free: { q: 1, a: value } },
      })
      return widgets.afterWrite({ live, object, manager, now: NOW })
    }
    const owners = ownersOf(write(after, 'two', write(before, 'one')))
    const fieldsOf = (manager: string): string => {
      const fields = owners.find(([owner]) => owner.startsWith(manager))?.[1]
      const value = fields === undefined ? undefined : at(JSON.parse(fields), ['f:spec', 'f:free', 'f:a'])
      return value === undefined ? '' : JSON.stringify(value)
    }
    assert.deepEqual([fieldsOf('one'), fieldsOf('two')], [first, second])
  })
}
const at = (json: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Json | undefined)?.[key], json)

test('items that share a key are owned as one, and not what is below them', () => {
  const spec = (v: string): Json => ({ l: [{ k: '1', v }, { k: '1', v: 'x' }, { k: '2' }], s: ['a', 'a'] })
  const object = asObject({ ...WIDGET, metadata: { name: 'a' }, spec: spec('1') })
  const first = widgets.afterWrite({ live: undefined, object, manager: 'm', now: NOW })
  const both =
    '{"f:spec":{".":{},"f:l":{".":{},"k:{\\"j\\":\\"dj\\",\\"k\\":\\"1\\"}":{},"k:{\\"j\\":\\"dj\\",\\"k\\":\\"2\\"}":{".":{},"f:k":{}}},"f:s":{".":{},"v:\\"a\\"":{}}}}'
  assert.equal(ownersOf(first)[0]![1], both)
  const changed = asObject({ ...WIDGET, metadata: { name: 'a', uid: 'u' }, spec: spec('2') })
  const second = widgets.afterWrite({ live: first, object: changed, manager: 'u', now: LATER })
  assert.deepEqual(ownersOf(second)[1], [
    'u Update test.example.com/v1',
    '{"f:spec":{"f:l":{"k:{\\"j\\":\\"dj\\",\\"k\\":\\"1\\"}":{}}}}',
  ])
})

// Facts: what kube-apiserver 1.35.4 did when a CustomResourceDefinition changed under stored objects.
test('a form that became atomic: who owned a part owns the whole; one that became granular changes nothing', () => {
  const write = (spec: Json, l: ReturnType<typeof widgetShape>, live?: Json): Json =>
    new FieldManager({ ...WIDGET, shape: l }).afterWrite({
      live: live && asObject(live),
      object: asObject({ ...WIDGET, metadata: { name: 'a', uid: 'u' }, spec }),
      manager: live ? 'u' : 'm',
      now: NOW,
    }) as unknown as Json
  const atomic = widgetShape({ l: listOf('atomic', struct({ k: STRING })), m: struct({ a: STRING }, true) })
  const spec = { l: [{ k: '1' }], m: { a: '1' } }
  const granular = write(spec, widgetShape())
  const nowAtomic = write({ ...spec, n: 1 }, atomic, granular)
  assert.equal(ownersOf(asObject(nowAtomic))[0]![1], '{"f:spec":{".":{},"f:l":{},"f:m":{}}}')
  const again = write({ ...spec, n: 2 }, widgetShape(), nowAtomic)
  assert.equal(ownersOf(asObject(again))[0]![1], '{"f:spec":{".":{},"f:l":{},"f:m":{}}}')
})

const names: readonly { name: string; given: [string, string]; want: string }[] = [
  { name: 'what the request says', given: ['me', 'kubectl/v1.35'], want: 'me' },
  { name: 'the User-Agent up to a slash', given: ['', 'kubectl/v1.35 (linux/amd64)'], want: 'kubectl' },
  { name: 'no control characters', given: ['', 'a\u0001b\u007f c\u200b/1'], want: 'ab c' },
  { name: 'at most 128 bytes, whole characters', given: ['', `${'x'.repeat(127)}\u00e9`], want: 'x'.repeat(127) },
  { name: 'nothing', given: ['', ''], want: '' },
]
for (const { name, given, want } of names) test(`managerOf: ${name}`, () => assert.equal(managerOf(...given), want))

test('a manager without a name is unknown', () => {
  const written = configMaps.afterWrite({
    live: undefined,
    object: asObject(configMap({ a: '1' })),
    manager: '',
    now: NOW,
  })
  assert.equal(ownersOf(written)[0]![0], 'unknown Update v1')
})

test('withoutTimeChurn keeps stored times where only times changed', () => {
  const live = asObject(configMap({ a: '1' }, { managedFields: [entry()] }))
  const newTime = { managedFields: [entry({ time: AT })] }
  assert.deepEqual(withoutTimeChurn(live, asObject(configMap({ a: '1' }, newTime))), live)
  const changed = asObject(configMap({ a: '2' }, newTime))
  assert.equal(withoutTimeChurn(live, changed), changed)
  const moved = asObject(configMap({ a: '1' }, { managedFields: [entry({ time: AT, manager: 'z' })] }))
  assert.equal(withoutTimeChurn(live, moved), moved)
})

test('objects that come in are not changed', () => {
  const freeze = <T>(value: T): T => {
    if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze)
    return value
  }
  update(freeze(configMap({ a: '1' }, { managedFields: [entry()] })), freeze(configMap({ b: '1' })))
})
