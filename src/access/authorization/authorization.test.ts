import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alwaysAllow, alwaysDeny, privilegedGroup } from './always.ts'
import { refusal } from './attributes.ts'
import type { Attributes, Authorizer } from './authorizer.ts'
import { fixedRules } from './fixed-rules.ts'
import { unionAuthorizer } from './union.ts'

const AUTHENTICATED = ['system:authenticated']
function wants(o: Partial<Attributes> & { groups?: string[] }): Attributes {
  const { groups = AUTHENTICATED, ...rest } = o
  const isResourceRequest = o.path === undefined
  return {
    user: { name: 'jane', groups },
    verb: 'get',
    isResourceRequest,
    path: '',
    apiGroup: '',
    apiVersion: 'v1',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    ...rest,
  }
}
const CONFIG = { resource: 'configmaps', namespace: 'kube-system', name: 'extension-apiserver-authentication' }
const BACKENDS = ['portico:backends', 'system:authenticated']
const anonymous = ['system:unauthenticated']

const rows: readonly { name: string; a: Attributes; allowed: boolean }[] = [
  { name: 'everyone: health', a: wants({ path: '/healthz', groups: anonymous }), allowed: true },
  { name: 'everyone: version', a: wants({ path: '/version', groups: anonymous }), allowed: true },
  { name: 'not everyone: metrics', a: wants({ path: '/metrics' }), allowed: false },
  { name: 'not everyone: discovery', a: wants({ path: '/apis', groups: anonymous }), allowed: false },
  { name: 'authenticated: discovery', a: wants({ path: '/apis' }), allowed: true },
  { name: 'authenticated: OpenAPI', a: wants({ path: '/openapi/v3/api/v1' }), allowed: true },
  { name: 'a path that only begins like discovery', a: wants({ path: '/apisecret' }), allowed: false },
  { name: 'discovery is for reading', a: wants({ path: '/apis', verb: 'post' }), allowed: false },
  {
    name: 'authenticated: reviews of oneself',
    a: wants({ verb: 'create', apiGroup: 'authorization.k8s.io', resource: 'selfsubjectaccessreviews' }),
    allowed: true,
  },
  {
    name: 'authenticated: no objects',
    a: wants({ resource: 'configmaps', namespace: 'default', verb: 'list' }),
    allowed: false,
  },
  { name: 'backends: their configuration', a: wants({ ...CONFIG, groups: BACKENDS }), allowed: true },
  {
    name: 'backends: watch their configuration by name',
    a: wants({ ...CONFIG, verb: 'watch', groups: BACKENDS }),
    allowed: true,
  },
  {
    name: 'backends: no other configuration',
    a: wants({ ...CONFIG, name: 'other', groups: BACKENDS }),
    allowed: false,
  },
  { name: 'backends: nor change it', a: wants({ ...CONFIG, verb: 'update', groups: BACKENDS }), allowed: false },
  {
    name: 'backends: watch namespaces',
    a: wants({ verb: 'watch', resource: 'namespaces', groups: BACKENDS }),
    allowed: true,
  },
  {
    name: 'backends: but not their status',
    a: wants({ verb: 'get', resource: 'namespaces', subresource: 'status', groups: BACKENDS }),
    allowed: false,
  },
  {
    name: 'backends: list webhook configurations',
    a: wants({
      verb: 'list',
      apiGroup: 'admissionregistration.k8s.io',
      resource: 'mutatingwebhookconfigurations',
      groups: BACKENDS,
    }),
    allowed: true,
  },
  {
    name: 'backends: no change of flow schemas',
    a: wants({ verb: 'update', apiGroup: 'flowcontrol.apiserver.k8s.io', resource: 'flowschemas', groups: BACKENDS }),
    allowed: false,
  },
  {
    name: 'others: no flow schemas',
    a: wants({ verb: 'list', apiGroup: 'flowcontrol.apiserver.k8s.io', resource: 'flowschemas' }),
    allowed: false,
  },
  {
    name: 'backends: access reviews',
    a: wants({ verb: 'create', apiGroup: 'authorization.k8s.io', resource: 'subjectaccessreviews', groups: BACKENDS }),
    allowed: true,
  },
  {
    name: 'others: no access reviews',
    a: wants({ verb: 'create', apiGroup: 'authorization.k8s.io', resource: 'subjectaccessreviews' }),
    allowed: false,
  },
]
for (const { name, a, allowed } of rows) {
  test(`fixed rules: ${name}`, async () => {
    assert.equal((await fixedRules().authorize(a)).kind, allowed ? 'allow' : 'no-opinion')
  })
}

test('a union ends at the first allow or deny and collects the reasons of the others', async () => {
  const says = (kind: 'allow' | 'deny' | 'no-opinion', reason: string, later = false): Authorizer => ({
    name: reason,
    authorize: () => (later ? Promise.resolve({ kind, reason }) : { kind, reason }),
  })
  const a = wants({})
  assert.deepEqual(
    await unionAuthorizer([says('no-opinion', 'a'), says('deny', 'b', true), says('allow', 'c')]).authorize(a),
    { kind: 'deny', reason: 'b' },
  )
  assert.deepEqual(
    await unionAuthorizer([says('no-opinion', 'a', true), says('no-opinion', ''), says('no-opinion', 'c')]).authorize(
      a,
    ),
    { kind: 'no-opinion', reason: 'a\nc' },
  )
  assert.equal(
    (await unionAuthorizer([privilegedGroup(), alwaysDeny()]).authorize(wants({ groups: ['system:masters'] }))).kind,
    'allow',
  )
  assert.equal(
    (await unionAuthorizer([privilegedGroup(), alwaysDeny()]).authorize(a)).reason,
    'Everything is forbidden.',
  )
  assert.equal((await alwaysAllow().authorize(a)).kind, 'allow')
})

test('refusals are worded as kube-apiserver words them, and safe to show in a browser', () => {
  assert.equal(
    refusal(wants({ verb: 'list', resource: 'pods', namespace: 'default' }), ''),
    'User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
  )
  assert.equal(
    refusal(wants({ resource: 'nodes', subresource: 'status', apiGroup: 'x' }), 'why'),
    'User "jane" cannot get resource "nodes/status" in API group "x" at the cluster scope: why',
  )
  assert.equal(refusal(wants({ path: '/<b>' }), ''), 'User "jane" cannot get path "/&lt;b&gt;"')
})
