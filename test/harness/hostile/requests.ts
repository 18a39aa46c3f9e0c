/** Requests of at most 3 MiB that make a careless server work hard: deep, wide, repeated, expanding. */
import { JSON_BODIES, BUNDLES } from './json.ts'
import { JUST_ALLOWED } from './just-allowed.ts'
import { PATCHES } from './patches.ts'
import { PROTOBUF } from './protobuf.ts'
import { SOME_YAML, YAML } from './yaml.ts'
import { TARGET_BYTES, CONFIG_MAPS, REFUSED, TAKEN_OR_REFUSED, filled, numbered, configMap } from './texts.ts'

export interface Hostile {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly type?: string
  /** Made when it is sent. */
  readonly body?: () => string | Uint8Array
  readonly accept?: string
  /** system:masters else. */
  readonly as?: 'nobody'
  readonly statuses: readonly number[]
}

const SELECTORS: readonly { name: string; query: string }[] = [
  { name: 'label requirements', query: `labelSelector=${filled('!a,', '', '!a', TARGET_BYTES)}` },
  { name: 'label values', query: `labelSelector=a+in+(${filled('b,', '', 'b)', TARGET_BYTES - 100)}` },
  { name: 'empty label values', query: `labelSelector=a+in+(${filled(',', '', ')', TARGET_BYTES - 100)}` },
  { name: 'a long label', query: `labelSelector=${filled('a', '', '', TARGET_BYTES)}` },
  { name: 'exclamation marks', query: `labelSelector=${filled('!', '', '', TARGET_BYTES)}` },
  { name: 'field requirements', query: `fieldSelector=${filled('metadata.name!=a,', '', '', TARGET_BYTES)}` },
  { name: 'field terms that are empty', query: `fieldSelector=${filled(',', '', '', TARGET_BYTES)}` },
  { name: 'a long field', query: `fieldSelector=${filled('a', '', '', TARGET_BYTES)}` },
  {
    name: 'a long field value of escapes',
    query: `fieldSelector=metadata.name=${filled('\\\\', '', '', TARGET_BYTES - 100)}`,
  },
  {
    name: 'a continue token',
    query: `limit=1&continue=${Buffer.from(filled('[', '', '', 700_000)).toString('base64url')}`,
  },
  {
    name: 'a continue token of segments',
    query: `limit=1&continue=${Buffer.from(`{"v":"meta.k8s.io/v1","rv":1,"start":"${'/'.repeat(700_000)}"}`).toString('base64url')}`,
  },
  { name: 'parameters', query: filled('a&', '', '', TARGET_BYTES) },
  { name: 'parameters with values', query: filled('dryRun=All&', '', '', TARGET_BYTES) },
  { name: 'escapes', query: `labelSelector=${filled('%41', '', '', TARGET_BYTES)}` },
  { name: 'a long limit', query: `limit=${filled('9', '', '', TARGET_BYTES)}` },
  { name: 'a long resource version', query: `resourceVersion=${filled('9', '', '', TARGET_BYTES)}` },
]

const WRITTEN = '/api/v1/namespaces/default/configmaps?dryRun=All'

function* answers(): Generator<Hostile> {
  const body = (): string => Array.from({ length: 20_000 }, (_, i) => `"k${i}":"${'- x: y'.repeat(6)}"`).join(',')
  for (const [name, accept] of [
    ['YAML', 'application/yaml'],
    ['a table', 'application/json;as=Table;g=meta.k8s.io;v=v1'],
    ['protobuf', 'application/vnd.kubernetes.protobuf'],
  ] as const)
    yield {
      name: `an answer as ${name} with many keys`,
      method: 'POST',
      path: WRITTEN,
      type: 'application/json',
      accept,
      body: () => configMap(body()),
      statuses: TAKEN_OR_REFUSED,
    }
  yield {
    name: 'a table of a service with many labels in its selector',
    method: 'POST',
    path: '/api/v1/namespaces/default/services?dryRun=All',
    type: 'application/json',
    accept: 'application/json;as=Table;g=meta.k8s.io;v=v1',
    body: () =>
      `{"metadata":{"name":"hostile"},"spec":{"ports":[{"port":1}],"selector":{${Array.from({ length: 40_000 }, (_, i) => `"k${i}":"v"`).join(',')}}}}`,
    statuses: TAKEN_OR_REFUSED,
  }
  yield {
    name: 'a long value answered as YAML',
    method: 'POST',
    path: WRITTEN,
    type: 'application/json',
    accept: 'application/yaml',
    body: () => configMap(`"a":"${'x: y\\n'.repeat(160_000)}"`),
    statuses: TAKEN_OR_REFUSED,
  }
}

function* reviews(): Generator<Hostile> {
  const AUTHORIZATION = '/apis/authorization.k8s.io/v1'
  const common = { method: 'POST', type: 'application/json', statuses: TAKEN_OR_REFUSED }
  yield {
    ...common,
    name: 'groups of a SubjectAccessReview',
    path: `${AUTHORIZATION}/subjectaccessreviews`,
    body: () => filled('"a",', '{"spec":{"user":"a","resourceAttributes":{},"groups":[', '"a"]}}'),
  }
  yield {
    ...common,
    name: 'extras of a SubjectAccessReview',
    path: `${AUTHORIZATION}/subjectaccessreviews`,
    body: () => numbered((i) => `"k${i}":[]`, '{"spec":{"user":"a","resourceAttributes":{},"extra":{', '}}}', ','),
  }
  yield {
    ...common,
    name: 'a long token of a TokenReview',
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: () => filled('a.', '{"spec":{"token":"', '"}}'),
  }
  for (const { name, body } of SOME_YAML)
    yield {
      ...common,
      name: `a review of somebody without rights, in YAML: ${name}`,
      path: `${AUTHORIZATION}/selfsubjectaccessreviews`,
      type: 'application/yaml',
      body,
      as: 'nobody',
      statuses: REFUSED,
    }
  yield {
    ...common,
    name: 'a review of somebody without rights: fields nobody knows',
    path: `${AUTHORIZATION}/selfsubjectaccessreviews`,
    body: () => numbered((i) => `"k${i}":1`, '{"spec":{', '}}', ','),
    as: 'nobody',
    statuses: REFUSED,
  }
}

function* bodies(): Generator<Hostile> {
  const forms = [
    ['YAML', 'application/yaml', YAML],
    ['JSON', 'application/json', JSON_BODIES],
    ['JSON just allowed', 'application/json', JUST_ALLOWED],
    [
      'JSON, CA bundle',
      'application/json',
      BUNDLES.map((b) => ({ ...b, path: '/apis/apiregistration.k8s.io/v1/apiservices' })),
    ],
    ['protobuf', 'application/vnd.kubernetes.protobuf', PROTOBUF],
  ] as const
  for (const [form, type, list] of forms)
    for (const { name, body, path = CONFIG_MAPS } of list)
      yield {
        name: `${form}: ${name}`,
        method: 'POST',
        path: `${path}?dryRun=All`,
        type,
        body,
        statuses: TAKEN_OR_REFUSED,
      }
  for (const { name, type, body } of PATCHES)
    yield {
      name: `${type} patch: ${name}`,
      method: 'PATCH',
      path: `${CONFIG_MAPS}/kube-root-ca.crt?dryRun=All`
        .replace('default', 'kube-system')
        .replace('kube-root-ca.crt', 'extension-apiserver-authentication'),
      type: `application/${type === 'strategic' ? 'strategic-merge' : type === 'merge' ? 'merge' : 'json'}-patch+json`,
      body,
      statuses: [...TAKEN_OR_REFUSED, 500],
    }
  for (const { name, body } of SOME_YAML)
    yield {
      name: `options of a delete in YAML: ${name}`,
      method: 'DELETE',
      path: `${CONFIG_MAPS}/none`,
      type: 'application/yaml',
      body,
      statuses: [...REFUSED, 404],
    }
  yield {
    name: 'options of a delete: dry runs',
    method: 'DELETE',
    path: CONFIG_MAPS,
    type: 'application/json',
    body: () => filled('"",', '{"dryRun":[', '""]}'),
    statuses: REFUSED,
  }
}

export function* hostileRequests(): Generator<Hostile> {
  yield* bodies()
  yield* reviews()
  yield* answers()
  for (const { name, query } of SELECTORS) {
    yield {
      name: `query of a list: ${name}`,
      method: 'GET',
      path: `${CONFIG_MAPS}?${query}`,
      statuses: [200, 400, 414, 422, 500, 410],
    }
    yield {
      name: `query of a deletecollection: ${name}`,
      method: 'DELETE',
      path: `${CONFIG_MAPS}?dryRun=All&${query}`,
      statuses: [200, 400, 414, 422, 500, 410],
    }
  }
  yield {
    name: 'a path of many segments',
    method: 'GET',
    path: filled('/a', '/api/v1', '', TARGET_BYTES),
    statuses: [400, 404, 414],
  }
  yield {
    name: 'a path of slashes',
    method: 'GET',
    path: filled('/', '/apis/a/v1', '', TARGET_BYTES),
    statuses: [400, 404, 414],
  }
}
