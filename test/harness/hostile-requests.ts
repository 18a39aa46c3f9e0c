/** Requests of at most 3 MiB that make a careless server work hard: deep, wide, repeated, expanding. */
import { ProtobufWriter } from '../../src/api/codec/protobuf-wire.ts'
import { makeCA } from '../../src/http/certificates.ts'
import { wrapProtobuf } from '../../src/api/codec/protobuf-envelope.ts'

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

const BODY_BYTES = 3 * 1024 * 1024 - 1024
/** Of a request's head: somewhat less than what a head may have. */
const TARGET_BYTES = 1_000_000
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const REFUSED = [400, 413, 422]
const TAKEN_OR_REFUSED = [200, 201, ...REFUSED]

/** As often as it fits behind what stands before and after it. */
const filled = (part: string, before = '', after = '', bytes = BODY_BYTES): string =>
  before + part.repeat(Math.floor((bytes - before.length - after.length) / Buffer.byteLength(part))) + after
/** Numbered parts, as many as fit. */
function numbered(
  part: (i: number) => string,
  before: string,
  after: string,
  separator = '',
  most = Number.POSITIVE_INFINITY,
): string {
  const parts: string[] = []
  let size = before.length + after.length
  for (let i = 0; ; i++) {
    const text = part(i)
    size += text.length + separator.length
    if (size > BODY_BYTES || i === most) return before + parts.join(separator) + after
    parts.push(text)
  }
}
const configMap = (data: string, metadata = '"name":"hostile"'): string =>
  `{"kind":"ConfigMap","apiVersion":"v1","metadata":{${metadata}},"data":{${data}}}`
const [HEAD, TAIL] = configMap('|').split('|') as [string, string]
const inMetadata = (open: string, close: string): [string, string] =>
  configMap('', `"name":"hostile",${open}|${close}`).split('|') as [string, string]

const apiService = (bundle: string): string =>
  JSON.stringify({
    metadata: { name: 'v1.hostile.example.com' },
    spec: {
      group: 'hostile.example.com',
      version: 'v1',
      groupPriorityMinimum: 1,
      versionPriority: 1,
      service: { namespace: 'default', name: 'none' },
      caBundle: Buffer.from(bundle).toString('base64'),
    },
  })
const BUNDLE_BYTES = 2_300_000

/** Somewhat less than a document may have. */
const MOST = 49_900

interface Body {
  readonly name: string
  readonly body: () => string | Uint8Array
  readonly path?: string
}

const YAML: readonly Body[] = [
  { name: 'opening brackets', body: () => filled('[') },
  { name: 'opening braces', body: () => filled('{a: ') },
  { name: 'lists in lists', body: () => filled('- ') },
  { name: 'explicit keys in each other', body: () => filled('? ') },
  {
    name: 'maps in maps by indentation',
    body: () => Array.from({ length: 2400 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  },
  { name: 'closing brackets', body: () => filled(']') },
  { name: 'empty lists', body: () => filled('[],', 'data: [', ']') },
  {
    name: 'aliases of a long text',
    body: () => `a: &a ${'x'.repeat(100_000)}\nb: [${Array.from({ length: 5000 }, () => '*a').join(',')}]`,
  },
  {
    name: 'aliases of aliases',
    body: () =>
      Array.from(
        { length: 40 },
        (_, i) => `a${i}: &a${i} [${Array.from({ length: 9 }, () => (i === 0 ? 'x' : `*a${i - 1}`)).join(',')}]`,
      ).join('\n'),
  },
  { name: 'anchors', body: () => numbered((i) => `- &a${i} x\n`, '', '') },
  { name: 'aliases', body: () => filled('*a,', 'a: &a x\nb: [', ']') },
  { name: 'aliases of nothing', body: () => filled('*a,', '[', ']') },
  { name: 'merge keys', body: () => filled('<<: *a\n', 'a: &a {x: y}\n') },
  {
    name: 'keys',
    body: () =>
      numbered((i) => `  k${i}: v\n`, 'kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: hostile\ndata:\n', ''),
  },
  { name: 'equal keys', body: () => filled('a: b\n') },
  {
    name: 'keys just allowed',
    body: () =>
      numbered(
        (i) => `  k${i}: v\n`,
        'kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: hostile\ndata:\n',
        '',
        '',
        MOST,
      ),
  },
  { name: 'commas', body: () => filled(',', '[', ']', 400_000) },
  { name: 'anchors of one node', body: () => filled('&a ', '', '', 600_000) },
  { name: 'aliases that are small enough to be read at once', body: () => filled('*a,', 'a: &a x\nb: [', ']', 16_000) },
  { name: 'brackets that are small enough to be read at once', body: () => filled('[],', '[', ']', 16_000) },
  { name: 'commas that are small enough to be read at once', body: () => filled(',', '[', ']', 16_000) },
  { name: 'documents', body: () => filled('---\n') },
  { name: 'directives', body: () => filled('%YAML 1.1\n') },
  { name: 'tags', body: () => filled('!!str ', 'a: ') },
  { name: 'comments', body: () => filled('#\n') },
  { name: 'empty lines', body: () => filled('\n') },
  { name: 'spaces', body: () => filled(' ') },
  { name: 'a text of many lines', body: () => filled('x\n ', 'a:\n ') },
  { name: 'a quoted text of escapes', body: () => filled(String.raw`\x41`, 'a: "', '"') },
  { name: 'a folded text', body: () => filled('  x\n\n', 'a: >\n') },
  { name: 'a long number', body: () => filled('9', 'a: ') },
  { name: 'underscores in a number', body: () => filled('1_', 'a: ') },
]

const SOME_YAML = [
  ...YAML.slice(0, 3),
  ...YAML.filter(({ name }) => name === 'aliases of a long text' || name === 'keys'),
]

const JSON_BODIES: readonly Body[] = [
  { name: 'opening brackets', body: () => filled('[') },
  { name: 'opening braces', body: () => filled('{"a":') },
  { name: 'lists in a list', body: () => filled('[],', '{"data":[', '[]]}') },
  { name: 'nulls', body: () => filled('null,', '{"x":[', 'null]}') },
  { name: 'keys', body: () => numbered((i) => `"k${i}":"v"`, HEAD, TAIL, ',') },
  { name: 'equal keys', body: () => filled('"a":"b",', HEAD, `"a":"b"${TAIL}`) },
  {
    name: 'equal keys of an exact reading',
    body: () => filled('"a":"b",', HEAD, String.raw`"a":"\ud83d\ude00"${TAIL}`),
  },
  { name: 'fields nobody knows', body: () => numbered((i) => `"k${i}":1`, '{', '}', ',') },
  { name: 'a long name of a field nobody knows', body: () => filled('a', '{"metadata":{"name":"hostile"},"', '":1}') },
  { name: 'a long number', body: () => filled('9', '{"x":', '}') },
  { name: 'a number with a long fraction', body: () => filled('9', '{"x":1.', '}') },
  { name: 'long numbers', body: () => filled('99999999999999999,', '{"x":[', '1]}') },
  { name: 'escapes', body: () => filled(String.raw`\u0041`, '{"x":"', '"}') },
  { name: 'surrogate escapes', body: () => filled(String.raw`\ud800`, '{"x":"', '"}') },
  { name: 'backslashes', body: () => filled('\\\\', '{"x":"', '"}') },
  { name: 'backslashes before quotes', body: () => filled('\\\\"', '{"x":"', '"}') },
  { name: 'spaces', body: () => filled(' ', '{', '}') },
  { name: 'labels', body: () => numbered((i) => `"k${i}":"v"`, ...inMetadata('"labels":{', '}'), ',') },
  { name: 'labels that are wrong', body: () => numbered((i) => `"-${i}":"-"`, ...inMetadata('"labels":{', '}'), ',') },
  { name: 'annotations', body: () => numbered((i) => `"k${i}":"v"`, ...inMetadata('"annotations":{', '}'), ',') },
  { name: 'owners', body: () => filled('{},', ...pair(inMetadata('"ownerReferences":[', '{}]'))) },
  {
    name: 'controllers',
    body: () =>
      numbered(
        (i) => `{"apiVersion":"v1","kind":"A","name":"a","uid":"${i}","controller":true}`,
        ...inMetadata('"ownerReferences":[', ']'),
        ',',
      ),
  },
  { name: 'finalizers', body: () => numbered((i) => `"a/${i}"`, ...inMetadata('"finalizers":[', ']'), ',') },
  { name: 'finalizers that are wrong', body: () => filled('"",', ...pair(inMetadata('"finalizers":[', '""]'))) },
  { name: 'managed fields', body: () => filled('{},', ...pair(inMetadata('"managedFields":[', '{}]'))) },
  {
    name: 'managed fields that are deep',
    body: () => filled('{"a":', ...pair(inMetadata('"managedFields":[{"fieldsV1":', '}]'))),
  },
  { name: 'a long value', body: () => filled('x', `${HEAD}"a":"`, `"${TAIL}`) },
  { name: 'a long name', body: () => filled('-', '{"metadata":{"name":"', '"}}') },
  { name: 'characters to escape in a name', body: () => filled('\u007f', '{"metadata":{"name":"', '"}}') },
  {
    name: 'ports of a service',
    path: '/api/v1/namespaces/default/services',
    body: () =>
      numbered(
        (i) => `{"port":${i + 1},"name":"p${i}"}`,
        '{"metadata":{"name":"hostile"},"spec":{"ports":[',
        ']}}',
        ',',
      ),
  },
  {
    name: 'equal ports of a service',
    path: '/api/v1/namespaces/default/services',
    body: () => filled('{"port":1},', '{"metadata":{"name":"hostile"},"spec":{"ports":[', '{"port":1}]}}'),
  },
  {
    name: 'addresses of a service',
    path: '/api/v1/namespaces/default/services',
    body: () =>
      filled(
        '"1.1.1.1",',
        '{"metadata":{"name":"hostile"},"spec":{"ports":[{"port":1}],"externalIPs":[',
        '"1.1.1.1"],"loadBalancerSourceRanges":["1.1.1.1/8"]}}',
      ),
  },
  {
    name: 'ranges of a service',
    path: '/api/v1/namespaces/default/services',
    body: () =>
      filled(
        '"1.1.1.1/8",',
        '{"metadata":{"name":"hostile"},"spec":{"type":"LoadBalancer","ports":[{"port":1}],"loadBalancerSourceRanges":[',
        '"1.1.1.1/8"]}}',
      ),
  },
  {
    name: 'subsets of endpoints',
    path: '/api/v1/namespaces/default/endpoints',
    body: () => filled('{},', '{"metadata":{"name":"hostile"},"subsets":[', '{}]}'),
  },
  {
    name: 'addresses of endpoints',
    path: '/api/v1/namespaces/default/endpoints',
    body: () =>
      filled('{"ip":"1.2.3.4"},', '{"metadata":{"name":"hostile"},"subsets":[{"addresses":[', '{"ip":"1.2.3.4"}]}]}'),
  },
  {
    name: 'ports of an endpoint slice',
    path: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    body: () => filled('{},', '{"metadata":{"name":"hostile"},"addressType":"IPv4","endpoints":[],"ports":[', '{}]}'),
  },
  {
    name: 'finalizers of a namespace',
    path: '/api/v1/namespaces',
    body: () => filled('"a",', '{"metadata":{"name":"hostile"},"spec":{"finalizers":[', '"a"]}}'),
  },
  {
    name: 'routes of a policy',
    path: '/apis/gateway.portico.dev/v1alpha1/backendpolicies',
    body: () => filled('{},', '{"metadata":{"name":"hostile"},"spec":{"routes":[', '{}],"backends":[{}]}}'),
  },
  {
    name: 'backends of a policy',
    path: '/apis/gateway.portico.dev/v1alpha1/backendpolicies',
    body: () => filled('{},', '{"metadata":{"name":"hostile"},"spec":{"backends":[', '{}]}}'),
  },
]
const BUNDLES: readonly Body[] = [
  {
    name: 'certificates that do not end',
    body: () => apiService(filled('-----BEGIN CERTIFICATE-----', '', '', BUNDLE_BYTES)),
  },
  {
    name: 'certificates',
    body: () => {
      const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 86_400_000 }
      return apiService(filled(makeCA({ commonName: 'a', ...validity }).cert, '', '', BUNDLE_BYTES))
    },
  },
]
function pair([before, after]: [string, string]): [string, string] {
  return [before, after]
}

/** As many values as a document may have, where each costs the most. */
const JUST_ALLOWED: readonly Body[] = [
  { name: 'keys', body: () => numbered((i) => `"k${i}":"v"`, HEAD, TAIL, ',', MOST) },
  { name: 'keys that are wrong', body: () => numbered((i) => `" ${i}":"v"`, HEAD, TAIL, ',', MOST) },
  {
    name: 'long keys and values',
    body: () => numbered((i) => `"kkkkkkkkkkkkkkkkkkkkk${i}":"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"`, HEAD, TAIL, ',', MOST),
  },
  {
    name: 'labels that are wrong',
    body: () => numbered((i) => `"-${i}":"-"`, ...inMetadata('"labels":{', '}'), ',', MOST),
  },
  { name: 'labels', body: () => numbered((i) => `"k${i}":"v"`, ...inMetadata('"labels":{', '}'), ',', MOST) },
  { name: 'owners', body: () => numbered(() => '{}', ...inMetadata('"ownerReferences":[', ']'), ',', MOST / 2) },
  {
    name: 'controllers',
    body: () =>
      numbered((i) => `{"uid":"${i}","controller":true}`, ...inMetadata('"ownerReferences":[', ']'), ',', MOST / 4),
  },
  { name: 'finalizers', body: () => numbered((i) => `"a/${i}"`, ...inMetadata('"finalizers":[', ']'), ',', MOST) },
  {
    name: 'finalizers that are wrong',
    body: () => numbered(() => '"-"', ...inMetadata('"finalizers":[', ']'), ',', MOST),
  },
  { name: 'managed fields', body: () => numbered(() => '{}', ...inMetadata('"managedFields":[', ']'), ',', MOST / 2) },
  { name: 'fields nobody knows', body: () => numbered((i) => `"k${i}":1`, '{', '}', ',', MOST) },
  { name: 'equal keys', body: () => numbered(() => '"a":"b"', HEAD, TAIL, ',', MOST) },
  {
    name: 'ports of a service',
    path: '/api/v1/namespaces/default/services',
    body: () =>
      numbered(
        (i) => `{"port":${i + 1},"name":"p${i}"}`,
        '{"metadata":{"name":"hostile"},"spec":{"ports":[',
        ']}}',
        ',',
        MOST / 4,
      ),
  },
  {
    name: 'ports of a service without names',
    path: '/api/v1/namespaces/default/services',
    body: () => numbered(() => '{}', '{"metadata":{"name":"hostile"},"spec":{"ports":[', ']}}', ',', MOST / 2),
  },
  {
    name: 'addresses of endpoints',
    path: '/api/v1/namespaces/default/endpoints',
    body: () =>
      numbered(
        () => '{"ip":"1.2.3.4"}',
        '{"metadata":{"name":"hostile"},"subsets":[{"addresses":[',
        ']}]}',
        ',',
        MOST / 3,
      ),
  },
  {
    name: 'subsets of endpoints',
    path: '/api/v1/namespaces/default/endpoints',
    body: () =>
      numbered(
        () => '{"addresses":[{}],"ports":[{}]}',
        '{"metadata":{"name":"hostile"},"subsets":[',
        ']}',
        ',',
        MOST / 8,
      ),
  },
  {
    name: 'external addresses of a service',
    path: '/api/v1/namespaces/default/services',
    body: () =>
      numbered(
        () => '"1.1.1.x"',
        '{"metadata":{"name":"hostile"},"spec":{"ports":[{"port":1}],"externalIPs":[',
        ']}}',
        ',',
        MOST,
      ),
  },
  {
    name: 'ranges of a service',
    path: '/api/v1/namespaces/default/services',
    body: () =>
      numbered(
        () => '"1.1.1.1/8"',
        '{"metadata":{"name":"hostile"},"spec":{"type":"LoadBalancer","ports":[{"port":1}],"loadBalancerSourceRanges":[',
        ']}}',
        ',',
        MOST,
      ),
  },
  {
    name: 'selector of a service',
    path: '/api/v1/namespaces/default/services',
    body: () =>
      numbered(
        (i) => `"-${i}":"-"`,
        '{"metadata":{"name":"hostile"},"spec":{"ports":[{"port":1}],"selector":{',
        '}}}',
        ',',
        MOST,
      ),
  },
  {
    name: 'ports of an endpoint slice',
    path: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    body: () =>
      numbered(
        () => '{}',
        '{"metadata":{"name":"hostile"},"addressType":"IPv4","endpoints":[],"ports":[',
        ']}',
        ',',
        20_000,
      ),
  },
  {
    name: 'finalizers of a namespace',
    path: '/api/v1/namespaces',
    body: () => numbered((i) => `"a${i}"`, '{"metadata":{"name":"hostile"},"spec":{"finalizers":[', ']}}', ',', MOST),
  },
  {
    name: 'routes of a policy',
    path: '/apis/gateway.portico.dev/v1alpha1/backendpolicies',
    body: () =>
      numbered(() => '{}', '{"metadata":{"name":"hostile"},"spec":{"backends":[{}],"routes":[', ']}}', ',', MOST / 2),
  },
  {
    name: 'backends of a policy',
    path: '/apis/gateway.portico.dev/v1alpha1/backendpolicies',
    body: () =>
      numbered((i) => `{"name":"a${i}"}`, '{"metadata":{"name":"hostile"},"spec":{"backends":[', ']}}', ',', MOST / 3),
  },
]

const PROTOBUF: readonly Body[] = [
  {
    name: 'keys',
    body: () => protobufOf(() => field(2, Buffer.concat([field(1, Buffer.from('a')), field(2, Buffer.from('b'))]))),
  },
  {
    name: 'different keys',
    body: () =>
      protobufOf((i) => field(2, Buffer.concat([field(1, Buffer.from(`k${i}`)), field(2, Buffer.from('b'))]))),
  },
  { name: 'owners', body: () => protobufOf(() => field(13, Buffer.alloc(0)), 1) },
  { name: 'finalizers', body: () => protobufOf(() => field(14, Buffer.alloc(0)), 1) },
  { name: 'managed fields', body: () => protobufOf(() => field(17, Buffer.alloc(0)), 1) },
  { name: 'fields nobody knows', body: () => protobufOf(() => field(15, Buffer.alloc(0))) },
  { name: 'metadata again and again', body: () => protobufOf(() => field(1, Buffer.alloc(0))) },
  {
    name: 'managed fields of deep JSON',
    body: () =>
      wrapProtobuf({
        kind: 'ConfigMap',
        apiVersion: 'v1',
        raw: field(1, field(17, field(7, field(1, Buffer.from(filled('[')))))),
      }),
  },
]
function field(number: number, content: Uint8Array): Uint8Array {
  const w = new ProtobufWriter()
  w.bytes(content)
  w.lengthSince(0, number)
  return w.finish()
}
/** A ConfigMap filled with one field, repeated. @param inside of this field; 0: of the ConfigMap. */
function protobufOf(part: (i: number) => Uint8Array, inside = 0): Uint8Array {
  const parts: Uint8Array[] = []
  for (let i = 0, size = 0; size < BODY_BYTES; i++) {
    const one = part(i)
    size += one.length
    if (size < BODY_BYTES) parts.push(one)
  }
  const all = Buffer.concat(parts)
  return wrapProtobuf({ kind: 'ConfigMap', apiVersion: 'v1', raw: inside === 0 ? all : field(inside, all) })
}

const PATCHES: readonly (Body & { type: string })[] = [
  { name: 'operations', type: 'json', body: () => filled('{},', '[', '{}]') },
  {
    name: 'insertions at the front',
    type: 'json',
    body: () => {
      const list = Array.from({ length: 40_000 }, () => '0').join(',')
      return `[{"op":"add","path":"/x","value":[${list}]}${',{"op":"add","path":"/x/0","value":0}'.repeat(9_999)}]`
    },
  },
  {
    name: 'copies of copies',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":{"a":"${'x'.repeat(1000)}"}}${Array.from({ length: 9_000 }, (_, i) => `,{"op":"copy","from":"/x","path":"/x/k${i}"}`).join('')}]`,
  },
  {
    name: 'copies of a large part',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":"${'x'.repeat(1_000_000)}"}${',{"op":"copy","from":"/x","path":"/y"}'.repeat(9_000)}]`,
  },
  {
    name: 'moves of a large part',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":{${Array.from({ length: 40_000 }, (_, i) => `"k${i}":1`).join(',')}}}${',{"op":"move","from":"/x","path":"/y"},{"op":"move","from":"/y","path":"/x"}'.repeat(4_900)}]`,
  },
  {
    name: 'tests of a large part',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":[${Array.from({ length: 40_000 }, () => '0').join(',')}]}${',{"op":"test","path":"/x/0","value":0}'.repeat(9_900)}]`,
  },
  { name: 'a long path', type: 'json', body: () => filled('/a', '[{"op":"add","value":1,"path":"', '"}]') },
  {
    name: 'a long path of escapes',
    type: 'json',
    body: () => filled('~1', '[{"op":"add","value":1,"path":"/data/', '"}]'),
  },
  { name: 'keys', type: 'merge', body: () => numbered((i) => `"k${i}":"v"`, '{"data":{', '}}', ',') },
  { name: 'depth', type: 'merge', body: () => `${'{"a":'.repeat(9_990)}1${'}'.repeat(9_990)}` },
  {
    name: 'depth below a list',
    type: 'strategic',
    body: () => `${'{"a":[{"b":'.repeat(3_300)}1${'}]}'.repeat(3_300)}`,
  },
  { name: 'depth', type: 'strategic', body: () => `${'{"data":'.repeat(9_990)}1${'}'.repeat(9_990)}` },
  { name: 'keys', type: 'strategic', body: () => numbered((i) => `"k${i}":"v"`, '{"data":{', '}}', ',') },
  {
    name: 'items to delete',
    type: 'strategic',
    body: () => numbered((i) => `{"$patch":"delete","uid":"${i}"}`, '{"metadata":{"ownerReferences":[', ']}}', ','),
  },
  {
    name: 'items',
    type: 'strategic',
    body: () => numbered((i) => `{"uid":"${i}"}`, '{"metadata":{"ownerReferences":[', ']}}', ','),
  },
  {
    name: 'an order',
    type: 'strategic',
    body: () =>
      numbered((i) => `"a/${i}"`, '{"metadata":{"finalizers":["a/1"],"$setElementOrder/finalizers":[', ']}}', ','),
  },
  { name: 'brackets', type: 'merge', body: () => filled('[') },
  {
    name: 'keys just allowed',
    type: 'merge',
    body: () => numbered((i) => `"k${i}":"v"`, '{"data":{', '}}', ',', MOST),
  },
  {
    name: 'keys just allowed',
    type: 'strategic',
    body: () => numbered((i) => `"k${i}":"v"`, '{"data":{', '}}', ',', MOST),
  },
  {
    name: 'keys nobody knows, just allowed',
    type: 'merge',
    body: () => numbered((i) => `"k${i}":"v"`, '{', '}', ',', MOST),
  },
  {
    name: 'items to delete just allowed',
    type: 'strategic',
    body: () =>
      numbered((i) => `{"$patch":"delete","uid":"${i}"}`, '{"metadata":{"ownerReferences":[', ']}}', ',', MOST / 3),
  },
  {
    name: 'items just allowed',
    type: 'strategic',
    body: () => numbered((i) => `{"uid":"${i}"}`, '{"metadata":{"ownerReferences":[', ']}}', ',', MOST / 2),
  },
  {
    name: 'an order just allowed',
    type: 'strategic',
    body: () =>
      numbered(
        (i) => `"a/${i}"`,
        '{"metadata":{"finalizers":["a/1"],"$setElementOrder/finalizers":[',
        ']}}',
        ',',
        MOST,
      ),
  },
  {
    name: 'insertions at the front of what is just allowed',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":[${Array.from({ length: 18_000 }, () => '0').join(',')}]}${',{"op":"add","path":"/x/0","value":0}'.repeat(7_000)}]`,
  },
  {
    name: 'moves of what is just allowed',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/x","value":{${Array.from({ length: 18_000 }, (_, i) => `"k${i}":1`).join(',')}}}${',{"op":"move","from":"/x","path":"/y"},{"op":"move","from":"/y","path":"/x"}'.repeat(3_500)}]`,
  },
  {
    name: 'copies just allowed',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/data/x","value":"${'x'.repeat(300)}"}${Array.from({ length: 7_900 }, (_, i) => `,{"op":"copy","from":"/data/x","path":"/data/k${i}"}`).join('')}]`,
  },
  {
    name: 'copies that double',
    type: 'json',
    body: () =>
      `[{"op":"add","path":"/data/x","value":{"a":{"a":{}}}}${Array.from({ length: 900 }, (_, i) => `,{"op":"copy","from":"/data","path":"/data/x/k${i}"}`).join('')}]`,
  },
]

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
