import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldErrorMessage } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/meta.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { builtinKind } from '../kinds.ts'
import { normalizedClusterIps } from './service-cluster-ips.ts'
import { validateServiceStatus } from './service.ts'
import type { Service } from './service-types.ts'

interface Case {
  readonly resource: string
  readonly kind?: string
  readonly name: string
  readonly object: Record<string, unknown>
  readonly old?: Record<string, unknown>
  readonly want: readonly string[]
}
const metadata = { name: 'x', namespace: 'n' }
const b64 = (text: string): string => Buffer.from(text).toString('base64')
const KEY =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const long = 'x'.repeat(129)

const cases: readonly Case[] = [
  {
    resource: 'configmaps',
    name: 'a key in both maps',
    object: { data: { a: 'v' }, binaryData: { a: 'AA==' } },
    want: ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
  },
  {
    resource: 'configmaps',
    name: 'a bad key',
    object: { data: { 'a b': 'v' } },
    want: [`data[a b]: Invalid value: "a b": ${KEY}`],
  },
  {
    resource: 'configmaps',
    name: 'an empty key',
    object: { data: { '': 'v' } },
    want: [`data[]: Invalid value: "": ${KEY}`],
  },
  {
    resource: 'configmaps',
    name: 'over 1 MiB',
    object: { data: { a: 'x'.repeat(1048577) } },
    want: ['[]: Too long: may not be more than 1048576 bytes'],
  },
  {
    resource: 'configmaps',
    name: 'immutable content',
    object: { immutable: true, data: { a: '2' } },
    old: { immutable: true, data: { a: '1' } },
    want: ['data: Forbidden: field is immutable when `immutable` is set'],
  },
  {
    resource: 'configmaps',
    name: 'immutable for good',
    object: { immutable: false },
    old: { immutable: true },
    want: ['immutable: Forbidden: field is immutable when `immutable` is set'],
  },
  {
    resource: 'secrets',
    name: 'over 1 MiB',
    object: { data: { a: b64('x'.repeat(1048577)) } },
    want: ['data: Too long: may not be more than 1048576 bytes'],
  },
  {
    resource: 'secrets',
    name: 'a docker config without key',
    object: { type: 'kubernetes.io/dockerconfigjson' },
    want: ['data[.dockerconfigjson]: Required value'],
  },
  {
    resource: 'secrets',
    name: 'a docker config that is no JSON',
    object: { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': b64('{') } },
    want: ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input'],
  },
  {
    resource: 'secrets',
    name: 'basic-auth without both',
    object: { type: 'kubernetes.io/basic-auth' },
    want: ['data[username]: Required value', 'data[password]: Required value'],
  },
  {
    resource: 'secrets',
    name: 'ssh-auth without key',
    object: { type: 'kubernetes.io/ssh-auth' },
    want: ['data[ssh-privatekey]: Required value'],
  },
  {
    resource: 'secrets',
    name: 'tls without both',
    object: { type: 'kubernetes.io/tls' },
    want: ['data[tls.crt]: Required value', 'data[tls.key]: Required value'],
  },
  {
    resource: 'secrets',
    name: 'a token without its account',
    object: { type: 'kubernetes.io/service-account-token' },
    want: ['metadata.annotations[kubernetes.io/service-account.name]: Required value'],
  },
  {
    resource: 'secrets',
    name: 'the type is immutable',
    object: { type: 'b' },
    old: { type: 'a' },
    want: ['type: Invalid value: "b": field is immutable'],
  },
  {
    resource: 'namespaces',
    name: 'a finalizer',
    object: { spec: { finalizers: ['plain'] } },
    want: [
      'spec.finalizers: Invalid value: "plain": name is neither a standard finalizer name nor is it fully qualified',
    ],
  },
  {
    resource: 'leases.coordination.k8s.io',
    name: 'durations',
    object: { spec: { leaseDurationSeconds: -1, leaseTransitions: -1 } },
    want: [
      'spec.leaseDurationSeconds: Invalid value: -1: must be greater than 0',
      'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0',
    ],
  },
  {
    resource: 'leases.coordination.k8s.io',
    name: 'a preferred holder needs a strategy',
    object: { spec: { preferredHolder: 'x' } },
    want: ['spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined'],
  },
  {
    resource: 'events',
    name: 'another namespace',
    object: { involvedObject: { namespace: 'other' } },
    want: ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
  },
  {
    resource: 'events.events.k8s.io',
    name: 'nothing given',
    object: {},
    want: [
      'involvedObject.namespace: Invalid value: "": does not match event.namespace',
      'eventTime: Required value',
      'type: Invalid value: "": has invalid value: ',
    ],
  },
  {
    resource: 'events.events.k8s.io',
    name: 'everything too long',
    object: {
      involvedObject: { namespace: 'n' },
      eventTime: 't',
      reportingComponent: 'bad name',
      reportingInstance: long,
      action: long,
      reason: long,
      message: 'x'.repeat(1025),
      type: 'Odd',
    },
    want: [
      `reportingController: Invalid value: "bad name": ${QUALIFIED}`,
      'reportingInstance: Invalid value: "": can have at most 128 characters',
      'action: Invalid value: "": can have at most 128 characters',
      'reason: Invalid value: "": can have at most 128 characters',
      'message: Invalid value: "": can have at most 1024 characters',
      'type: Invalid value: "": has invalid value: Odd',
    ],
  },
  {
    resource: 'endpoints',
    kind: 'Endpoints',
    name: 'a good one',
    object: { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] },
    want: [],
  },
  {
    resource: 'endpoints',
    kind: 'Endpoints',
    name: 'addresses and ports',
    object: {
      subsets: [{}, { addresses: [{ ip: '127.0.0.1' }, { ip: 'x' }], ports: [{ port: 0, name: 'a' }, { port: 1 }] }],
    },
    want: [
      'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
      'subsets[1].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      'subsets[1].addresses[1].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'subsets[1].addresses[1].ip: Invalid value: "x": must be a valid IP address',
      'subsets[1].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'subsets[1].ports[1].name: Required value',
    ],
  },
  {
    resource: 'endpointslices.discovery.k8s.io',
    kind: 'EndpointSlice',
    name: 'a good one',
    object: { addressType: 'IPv6', endpoints: [{ addresses: ['2001:db8::1'] }], ports: [{ port: 1 }] },
    want: [],
  },
  {
    resource: 'endpointslices.discovery.k8s.io',
    kind: 'EndpointSlice',
    name: 'types, addresses, ports and hints',
    object: {
      addressType: 'IPv4',
      endpoints: [
        { addresses: [] },
        { addresses: ['2001:db8::1', '010.0.0.1'], hints: { forZones: [{ name: 'a' }, { name: 'a' }] } },
      ],
      ports: [{}, {}],
    },
    want: [
      'ports[1].name: Duplicate value: ""',
      'endpoints[0].addresses: Required value: must contain at least 1 address',
      'endpoints[1].addresses: Invalid value: "2001:db8::1": must be an IPv4 address',
      'endpoints[1].addresses[1]: Invalid value: "010.0.0.1": must not have leading 0s',
      'endpoints[1].hints.forZones[1].name: Duplicate value: "a"',
    ],
  },
  {
    resource: 'endpointslices.discovery.k8s.io',
    kind: 'EndpointSlice',
    name: 'the address type is immutable',
    object: { addressType: 'IPv4' },
    old: { addressType: 'IPv6' },
    want: ['addressType: Invalid value: "IPv4": field is immutable'],
  },
  {
    resource: 'services',
    kind: 'Service',
    name: 'a plain one',
    object: { spec: { ports: [{ port: 80 }], selector: { a: 'b' } } },
    want: [],
  },
  {
    resource: 'services',
    kind: 'Service',
    name: 'a headless one needs no ports',
    object: { spec: { clusterIP: 'None', clusterIPs: ['None'] } },
    want: [],
  },
  {
    resource: 'services',
    kind: 'Service',
    name: 'a load balancer',
    object: {
      spec: {
        type: 'LoadBalancer',
        ports: [{ port: 80 }],
        loadBalancerSourceRanges: ['10.0.0.0/8'],
        sessionAffinity: 'ClientIP',
      },
    },
    want: [],
  },
  {
    resource: 'services',
    kind: 'Service',
    name: 'an external name',
    object: { spec: { type: 'ExternalName', externalName: 'example.com.' } },
    want: [],
  },
  {
    resource: 'services',
    kind: 'Service',
    name: 'ports',
    object: {
      spec: {
        ports: [
          { port: 80, name: 'a', nodePort: 30000 },
          { port: 80, name: 'a', targetPort: 'a--b', protocol: 'ICMP' },
          { port: 80 },
        ],
      },
    },
    want: [
      'spec.ports[1].name: Duplicate value: "a"',
      'spec.ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      'spec.ports[1].targetPort: Invalid value: "a--b": must not contain consecutive hyphens',
      'spec.ports[2].name: Required value',
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
      'spec.ports[2]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
    ],
  },
  {
    resource: 'services',
    kind: 'Service',
    name: 'fields of other types',
    object: {
      spec: {
        ports: [{ port: 80 }],
        allocateLoadBalancerNodePorts: true,
        loadBalancerClass: 'a',
        externalTrafficPolicy: 'Local',
        loadBalancerSourceRanges: ['x'],
        trafficDistribution: 'Odd',
      },
    },
    want: [
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
      'spec.LoadBalancerSourceRanges[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
      "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
      'spec.trafficDistribution: Unsupported value: "Odd": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
    ],
  },
  {
    resource: 'services',
    kind: 'Service',
    name: 'a cluster IP stays',
    object: { spec: { ports: [{ port: 80 }], clusterIP: '10.0.0.2', clusterIPs: ['10.0.0.2'] } },
    old: { spec: { ports: [{ port: 80 }], clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] } },
    want: ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'],
  },
]
/** Resource -> group and kind. */
const KINDS: Readonly<Record<string, readonly [group: string, kind: string]>> = {
  configmaps: ['', 'ConfigMap'],
  secrets: ['', 'Secret'],
  namespaces: ['', 'Namespace'],
  services: ['', 'Service'],
  endpoints: ['', 'Endpoints'],
  events: ['', 'Event'],
  'events.events.k8s.io': ['events.k8s.io', 'Event'],
  'leases.coordination.k8s.io': ['coordination.k8s.io', 'Lease'],
  'endpointslices.discovery.k8s.io': ['discovery.k8s.io', 'EndpointSlice'],
}
const kindOf = (resource: string): BuiltinKind => builtinKind(...KINDS[resource]!, 'v1')

for (const { resource, kind, name, object, old, want } of cases) {
  test(`${resource}: ${name}`, () => {
    const complete = (fields: Record<string, unknown>): KubeObject => {
      const made = { metadata, ...structuredClone(fields) }
      if (kind !== undefined) kindOf(resource).defaults?.(made)
      return made
    }
    const errors = kindOf(resource).validate!(complete(object), old && complete(old))
    assert.deepEqual(errors.map(fieldErrorMessage), want)
  })
}

test('a service status has ingress only for a load balancer, and complete', () => {
  const service = (type: string, ingress: object[]): Service => ({
    metadata,
    spec: { type },
    status: { loadBalancer: { ingress } },
  })
  const messages = (s: Service): string[] =>
    validateServiceStatus(s, service('LoadBalancer', [])).map(fieldErrorMessage)
  assert.deepEqual(messages(service('ClusterIP', [{ ip: '1.2.3.4' }])), [
    "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'",
  ])
  assert.deepEqual(messages(service('LoadBalancer', [{ ip: '1.2.3.4' }, { ipMode: 'VIP', hostname: 'a.b' }])), [
    'status.loadBalancer.ingress[0].ipMode: Required value: must be specified when `ip` is set',
    'status.loadBalancer.ingress[1].ipMode: Forbidden: may not be specified when `ip` is not set',
  ])
})

const defaults: readonly [string, Record<string, unknown>, Record<string, unknown>][] = [
  ['Secret', {}, { type: 'Opaque' }],
  [
    'Namespace',
    { metadata: { name: 'x' }, status: {} },
    { metadata: { name: 'x', labels: { 'kubernetes.io/metadata.name': 'x' } }, status: { phase: 'Active' } },
  ],
  ['ConfigMap', { data: {} }, { data: {} }],
  ['EndpointSlice', { ports: [{}] }, { ports: [{ name: '', protocol: 'TCP' }] }],
  [
    'Service',
    { spec: { ports: [{ port: 80, targetPort: 0 }] } },
    {
      spec: {
        ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
        sessionAffinity: 'None',
        type: 'ClusterIP',
        internalTrafficPolicy: 'Cluster',
      },
    },
  ],
  [
    'Service',
    { spec: { type: 'NodePort', sessionAffinity: 'ClientIP' } },
    {
      spec: {
        type: 'NodePort',
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
        externalTrafficPolicy: 'Cluster',
        internalTrafficPolicy: 'Cluster',
      },
    },
  ],
  [
    'Service',
    { spec: { type: 'ExternalName', sessionAffinityConfig: {} } },
    { spec: { type: 'ExternalName', sessionAffinity: 'None' } },
  ],
]
const kindNamed = (kind: string): BuiltinKind =>
  builtinKind(kind === 'EndpointSlice' ? 'discovery.k8s.io' : '', kind, 'v1')
for (const [kind, given, want] of defaults) {
  test(`defaults: ${kind} ${JSON.stringify(given)}`, () => {
    const object = { metadata, ...structuredClone(given) }
    kindNamed(kind).defaults?.(object)
    assert.deepEqual(object, { metadata, ...want })
    const again = structuredClone(object)
    kindNamed(kind).defaults?.(again)
    assert.deepEqual(again, object, 'defaults are applied once')
  })
}

test('normalizedClusterIps: who writes clusterIP need not know clusterIPs', () => {
  const old = { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] }
  assert.deepEqual(normalizedClusterIps({ clusterIP: '10.0.0.1' }), old)
  assert.deepEqual(normalizedClusterIps({}), {})
  assert.deepEqual(normalizedClusterIps({ clusterIPs: ['10.0.0.1'] }, old), {}, 'cleared')
  assert.deepEqual(
    normalizedClusterIps({ ...old, clusterIP: 'None' }, old),
    { clusterIP: 'None', clusterIPs: ['None'] },
    'changed',
  )
  assert.deepEqual(normalizedClusterIps(old, old), old)
})
