/** Writes that are refused, with what a kube-apiserver 1.35.4 answers to each of them. */
export interface BadWrite {
  readonly name: string
  readonly method: 'PATCH' | 'DELETE'
  readonly path: string
  readonly type?: string
  readonly body?: string
  readonly accept?: string
  readonly code: number
  readonly reason: string
  readonly message: string | RegExp
}

export const MAPS = '/api/v1/namespaces/default/configmaps'
export const SERVICES = '/api/v1/namespaces/default/services'
const APPLY = 'application/apply-patch+yaml'
const MERGE = 'application/merge-patch+json'
const JSON_PATCH = 'application/json-patch+json'
const STRATEGIC = 'application/strategic-merge-patch+json'

type Patch = Pick<BadWrite, 'name' | 'body' | 'code' | 'reason' | 'message'> & { readonly query?: string }
const patch = (path: string, type: string, { query = '', ...rest }: Patch): BadWrite => ({
  method: 'PATCH',
  path: `${path}/bad${query}`,
  type,
  ...rest,
})
const apply = (o: Patch, path = MAPS): BadWrite => patch(path, APPLY, { query: '?fieldManager=m', ...o })
const merge = (o: Patch): BadWrite => patch(MAPS, MERGE, o)

const map = (fields: object = {}): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'bad' }, ...fields })
const service = (ports: readonly object[]): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'bad' }, spec: { ports } })
const deep = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
const tooLarge = 'x'.repeat(3 * 1024 * 1024)

const badRequest = (message: string | RegExp): Pick<BadWrite, 'code' | 'reason' | 'message'> => ({
  code: 400,
  reason: 'BadRequest',
  message,
})
const invalid = (message: string | RegExp): Pick<BadWrite, 'code' | 'reason' | 'message'> => ({
  code: 422,
  reason: 'Invalid',
  message,
})
const failed = (message: string): Pick<BadWrite, 'code' | 'reason' | 'message'> => ({ code: 500, reason: '', message })
const NO_MANAGER = invalid(
  'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
)
const TOO_LARGE = {
  code: 413,
  reason: 'RequestEntityTooLarge',
  message: 'Request entity too large: limit is 3145728',
}
const OTHER_NAME = badRequest('the name of the object (other) does not match the name on the URL (bad)')
const OTHER_NAMESPACE = badRequest(
  'the namespace of the provided object does not match the namespace sent on the request',
)
const NO_NAME = badRequest('the name of the object (bad based on URL) was undeterminable: name must be provided')
const OTHER_UID = invalid('ConfigMap "bad" is invalid: metadata.uid: Invalid value: "0": field is immutable')
const replace = (path: string, value: string): string => JSON.stringify([{ op: 'replace', path, value }])

export const BAD_WRITES: readonly BadWrite[] = [
  apply({ name: 'apply without a manager', query: '', body: map(), ...NO_MANAGER }),
  apply({ name: 'apply with an empty manager', query: '?fieldManager=', body: map(), ...NO_MANAGER }),
  apply({
    name: 'apply of another apiVersion',
    body: map({ apiVersion: 'v9' }),
    ...badRequest('invalid object type: /v9, Kind=ConfigMap'),
  }),
  apply({
    name: 'apply of another kind',
    body: map({ kind: 'Secret' }),
    ...badRequest('invalid object type: /v1, Kind=Secret'),
  }),
  apply({
    name: 'apply with managers of its own',
    body: map({ metadata: { name: 'bad', managedFields: [] } }),
    ...badRequest('metadata.managedFields must be nil'),
  }),
  apply(
    {
      name: 'apply with one key twice in a list map',
      body: service([
        { port: 1, protocol: 'TCP', name: 'a' },
        { port: 1, protocol: 'TCP', name: 'b' },
      ]),
      ...failed(
        'failed to create typed patch object (/bad; /v1, Kind=Service): .spec.ports: duplicate entries for key [port=1,protocol="TCP"]',
      ),
    },
    SERVICES,
  ),
  apply({
    name: 'apply with one value twice in a set',
    body: map({ metadata: { name: 'bad', finalizers: ['a.b/c', 'a.b/c'] } }),
    ...failed(
      'failed to create typed patch object (/bad; /v1, Kind=ConfigMap): .metadata.finalizers: duplicate entries for key [="a.b/c"]',
    ),
  }),
  apply({ name: 'apply of another name', body: map({ metadata: { name: 'other' } }), ...OTHER_NAME }),
  apply(
    {
      name: 'apply to a resource that is not served',
      body: '{}',
      code: 404,
      reason: 'NotFound',
      message: 'the server could not find the requested resource',
    },
    '/api/v1/namespaces/default/gizmos',
  ),
  apply({
    name: 'apply of what is no YAML',
    body: 'a: b: c',
    ...badRequest(/^error decoding YAML: error converting YAML to JSON: yaml: /),
  }),
  apply({
    name: 'apply of a text',
    body: 'just words',
    ...badRequest(
      'error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type map[string]interface {}',
    ),
  }),
  apply({ name: 'apply of more than 3 MiB', body: map({ data: { a: tooLarge } }), ...TOO_LARGE }),
  apply({
    name: 'apply of 10,000 levels',
    body: map().replace('}}', `},"data":${deep(10_000)}}`),
    ...badRequest(/^error decoding YAML: error converting YAML to JSON: yaml: exceeded max depth of \d+$/),
  }),
  merge({
    name: 'force of a merge patch',
    query: '?force=true',
    body: '{}',
    ...invalid('PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'),
  }),
  merge({ name: 'merge patch of the name', body: '{"metadata":{"name":"other"}}', ...OTHER_NAME }),
  merge({ name: 'merge patch of the namespace', body: '{"metadata":{"namespace":"other"}}', ...OTHER_NAMESPACE }),
  merge({ name: 'merge patch of the uid', body: '{"metadata":{"uid":"0"}}', ...OTHER_UID }),
  merge({
    name: 'merge patch to an unknown kind',
    body: '{"kind":"Gizmo"}',
    ...invalid(/: no kind "Gizmo" is registered for version "v1" in scheme "pkg\/runtime\/scheme.go:111"$/),
  }),
  merge({ name: 'merge patch that removes the metadata', body: '{"metadata":null}', ...NO_NAME }),
  merge({
    name: 'merge patch of 10,000 levels',
    body: `{"data":${deep(10_000)}}`,
    ...badRequest("error decoding patch: invalid character '{' exceeded max depth"),
  }),
  merge({ name: 'merge patch of more than 3 MiB', body: `{"data":{"a":"${tooLarge}"}}`, ...TOO_LARGE }),
  merge({
    name: 'merge patch that is a list',
    body: '[]',
    ...badRequest('error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}'),
  }),
  patch(MAPS, JSON_PATCH, { name: 'JSON patch of the name', body: replace('/metadata/name', 'other'), ...OTHER_NAME }),
  patch(MAPS, JSON_PATCH, {
    name: 'JSON patch of the namespace',
    body: replace('/metadata/namespace', 'other'),
    ...OTHER_NAMESPACE,
  }),
  patch(MAPS, JSON_PATCH, { name: 'JSON patch of the uid', body: replace('/metadata/uid', '0'), ...OTHER_UID }),
  patch(MAPS, JSON_PATCH, {
    name: 'JSON patch that removes the metadata',
    body: '[{"op":"remove","path":"/metadata"}]',
    ...NO_NAME,
  }),
  patch(MAPS, STRATEGIC, {
    name: 'strategic patch of the name',
    body: '{"metadata":{"name":"other"}}',
    ...OTHER_NAME,
  }),
  patch(MAPS, STRATEGIC, {
    name: 'strategic patch of the namespace',
    body: '{"metadata":{"namespace":"other"}}',
    ...OTHER_NAMESPACE,
  }),
  patch(MAPS, STRATEGIC, { name: 'strategic patch of the uid', body: '{"metadata":{"uid":"0"}}', ...OTHER_UID }),
  patch(MAPS, 'application/json', {
    name: 'patch of no kind of patch',
    body: '{}',
    code: 415,
    reason: 'UnsupportedMediaType',
    message: '415: Unsupported Media Type',
  }),
  {
    name: 'deletecollection with options of another kind',
    method: 'DELETE',
    path: MAPS,
    type: 'application/json',
    body: '{"kind":"ConfigMap","apiVersion":"v1"}',
    ...badRequest('no kind "ConfigMap" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"'),
  },
  {
    name: 'deletecollection of a broken selector',
    method: 'DELETE',
    path: `${MAPS}?labelSelector=a%3D%3D%3D`,
    ...badRequest("unable to parse requirement: found '=', expected: identifier"),
  },
  {
    name: 'deletecollection for a media type that there is not',
    method: 'DELETE',
    path: MAPS,
    accept: 'image/png',
    code: 406,
    reason: 'NotAcceptable',
    message:
      '406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  },
]
