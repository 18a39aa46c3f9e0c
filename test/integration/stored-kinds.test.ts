/**
 * Kinds that are stored for servers behind us: rules of admission and of flow control.
 * Expected values: what kube-apiserver 1.35 answers to the same objects.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const ADMISSION = '/apis/admissionregistration.k8s.io/v1'
const FLOW_CONTROL = '/apis/flowcontrol.apiserver.k8s.io/v1'
let portico: TestServer
before(async () => {
  portico = await startTestServer()
})
after(() => portico.stop())

interface Stored {
  metadata: { generation?: number; resourceVersion: string; annotations?: Record<string, string> }
  [field: string]: unknown
}

const MATCH_DEFAULTS = { matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} }
const kinds: readonly { path: string; given: Record<string, unknown>; want: Record<string, unknown> }[] = [
  {
    path: `${ADMISSION}/validatingwebhookconfigurations`,
    given: {
      webhooks: [
        {
          name: 'a.example.com',
          clientConfig: { service: { namespace: 'default', name: 'hook' }, caBundle: 'aGVsbG8=' },
          rules: [{ operations: ['CREATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] }],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    },
    want: {
      webhooks: [
        {
          name: 'a.example.com',
          clientConfig: { service: { namespace: 'default', name: 'hook', port: 443 }, caBundle: 'aGVsbG8=' },
          rules: [
            {
              operations: ['CREATE'],
              apiGroups: ['apps'],
              apiVersions: ['v1'],
              resources: ['deployments'],
              scope: '*',
            },
          ],
          failurePolicy: 'Fail',
          ...MATCH_DEFAULTS,
          sideEffects: 'None',
          timeoutSeconds: 10,
          admissionReviewVersions: ['v1'],
        },
      ],
    },
  },
  {
    path: `${ADMISSION}/mutatingwebhookconfigurations`,
    given: {
      webhooks: [
        {
          name: 'a.example.com',
          clientConfig: { url: 'https://hook.example.com/x' },
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    },
    want: {
      webhooks: [
        {
          name: 'a.example.com',
          clientConfig: { url: 'https://hook.example.com/x' },
          failurePolicy: 'Fail',
          ...MATCH_DEFAULTS,
          sideEffects: 'None',
          timeoutSeconds: 10,
          admissionReviewVersions: ['v1'],
          reinvocationPolicy: 'Never',
        },
      ],
    },
  },
  {
    path: `${ADMISSION}/validatingadmissionpolicies`,
    given: {
      spec: {
        matchConstraints: {
          resourceRules: [
            {
              operations: ['CREATE'],
              apiGroups: [''],
              apiVersions: ['v1'],
              resources: ['configmaps'],
              resourceNames: ['x'],
            },
          ],
        },
        validations: [{ expression: 'true' }],
      },
      status: { observedGeneration: 7 },
    },
    want: {
      spec: {
        matchConstraints: {
          ...MATCH_DEFAULTS,
          resourceRules: [
            {
              resourceNames: ['x'],
              operations: ['CREATE'],
              apiGroups: [''],
              apiVersions: ['v1'],
              resources: ['configmaps'],
              scope: '*',
            },
          ],
        },
        validations: [{ expression: 'true' }],
        failurePolicy: 'Fail',
      },
      status: {},
    },
  },
  {
    path: `${ADMISSION}/validatingadmissionpolicybindings`,
    given: { spec: { policyName: 'p', validationActions: ['Deny'], matchResources: {} } },
    want: { spec: { policyName: 'p', validationActions: ['Deny'], matchResources: MATCH_DEFAULTS } },
  },
  {
    path: `${ADMISSION}/mutatingadmissionpolicies`,
    given: { spec: { mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[]' } }] } },
    want: { spec: { mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[]' } }], failurePolicy: 'Fail' } },
  },
  {
    path: `${ADMISSION}/mutatingadmissionpolicybindings`,
    given: { spec: { policyName: 'p' } },
    want: { spec: { policyName: 'p' } },
  },
  {
    path: `${FLOW_CONTROL}/flowschemas`,
    given: { spec: { priorityLevelConfiguration: { name: 'pl' } } },
    want: { spec: { priorityLevelConfiguration: { name: 'pl' }, matchingPrecedence: 1000 }, status: {} },
  },
  {
    path: `${FLOW_CONTROL}/prioritylevelconfigurations`,
    given: { spec: { type: 'Limited', limited: { limitResponse: { type: 'Queue', queuing: {} } } } },
    want: {
      spec: {
        type: 'Limited',
        limited: {
          nominalConcurrencyShares: 30,
          limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 8, queueLengthLimit: 50 } },
          lendablePercent: 0,
        },
      },
      status: {},
    },
  },
]

for (const { path, given, want } of kinds) {
  test(`${path}: defaults, generation, and the same from protobuf as from JSON`, async () => {
    const made = await portico.admin.post(path, { metadata: { name: 'made.example.com' }, ...given })
    assert.equal(made.status, 201, made.text)
    const { metadata, kind: _kind, apiVersion: _version, ...rest } = made.json<Stored>()
    assert.deepEqual(rest, want)
    assert.equal(metadata.generation, 1)
    // Stored as protobuf: what is read went through it.
    const read = (await portico.admin.get(`${path}/made.example.com`)).json<Stored>()
    assert.deepEqual(read, made.json())
    const labelled = await portico.admin.patch(`${path}/made.example.com`, 'merge', {
      metadata: { labels: { a: 'b' } },
    })
    assert.equal(labelled.json<Stored>().metadata.generation, 1, 'labels are no new generation')
    const field = 'webhooks' in want ? { webhooks: [] } : { spec: { failurePolicy: 'Ignore', matchingPrecedence: 5 } }
    if (!/bindings$|prioritylevel/.test(path)) {
      const changed = await portico.admin.patch(`${path}/made.example.com`, 'merge', field)
      assert.equal(changed.json<Stored>().metadata.generation, 2)
    }
  })
}

test('the mandatory flow control objects are there, kept up by their owner', async () => {
  for (const [resource, name] of [
    ['flowschemas', 'exempt'],
    ['flowschemas', 'catch-all'],
    ['prioritylevelconfigurations', 'exempt'],
    ['prioritylevelconfigurations', 'catch-all'],
  ]) {
    const found = await portico.admin.get(`${FLOW_CONTROL}/${resource}/${name}`)
    assert.equal(found.status, 200, `${resource}/${name}`)
    assert.equal(found.json<Stored>().metadata.annotations?.['apf.kubernetes.io/autoupdate-spec'], 'true')
  }
})

test('cells of their tables', async () => {
  const spec = { policyName: 'p', validationActions: ['Deny'] }
  const paramRefs: [string, object | undefined, string][] = [
    ['none', undefined, '<unset>'],
    ['named', { name: 'x', namespace: 'default', parameterNotFoundAction: 'Deny' }, 'default/x'],
    ['anywhere', { name: 'x', parameterNotFoundAction: 'Deny' }, '*/x'],
    [
      'selected',
      { selector: { matchLabels: { a: 'b' } }, parameterNotFoundAction: 'Deny' },
      '&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}',
    ],
  ]
  const path = `${ADMISSION}/validatingadmissionpolicybindings`
  for (const [name, paramRef, want] of paramRefs) {
    await portico.admin.post(path, { metadata: { name }, spec: { ...spec, ...(paramRef ? { paramRef } : {}) } })
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const table = (await portico.admin.get(`${path}/${name}`, { headers: { accept } })).json<{
      rows: { cells: unknown[] }[]
    }>()
    assert.deepEqual(table.rows[0]!.cells.slice(0, 3), [name, 'p', want])
  }
})

test('a certificate of group portico:backends may list and watch them and namespaces, and change none', async () => {
  const backend = portico.as('some-backend', 'portico:backends')
  const paths = [...kinds.map((k) => k.path), '/api/v1/namespaces']
  for (const path of paths) {
    assert.equal((await backend.get(path)).status, 200, path)
    assert.equal((await backend.get(`${path}?watch=1&timeoutSeconds=1`)).status, 200, path)
    assert.equal((await backend.post(path, { metadata: { name: 'x' } })).status, 403, path)
    assert.equal((await portico.as('jane').get(path)).status, 403, path)
  }
})

test('they are in discovery, with hashes of where they are stored', async () => {
  type List = { resources: { name: string; storageVersionHash?: string; categories?: string[] }[] }
  await until('both groups are there', async () => (await portico.admin.get(FLOW_CONTROL)).status === 200)
  const { resources } = (await portico.admin.get(ADMISSION)).json<List>()
  const webhooks = resources.find((r) => r.name === 'validatingwebhookconfigurations')
  assert.deepEqual([webhooks?.storageVersionHash, webhooks?.categories], ['B0wHjQmsGNk=', ['api-extensions']])
  const flow = (await portico.admin.get(FLOW_CONTROL)).json<List>().resources
  assert.equal(flow.find((r) => r.name === 'flowschemas')?.storageVersionHash, 'GJVAJZSZBIw=')
})
