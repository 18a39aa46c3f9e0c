import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type EndpointSlice,
  type Service,
  type ServiceLookup,
  clusterIPResolver,
  endpointResolver,
  loopbackResolver,
} from './service-resolver.ts'

type Spec = NonNullable<Service['spec']>
const ports = [{ name: 'https', port: 443 }]
const ready: EndpointSlice = {
  metadata: {},
  addressType: 'IPv4',
  endpoints: [{ addresses: ['127.0.0.1'] }],
  ports: [{ name: 'https', port: 1443 }],
}

function lookup(spec: Spec | undefined, slices: readonly EndpointSlice[] = [ready]): ServiceLookup {
  return { service: () => spec && { metadata: { name: 'one' }, spec }, slices: () => slices }
}
function outcome(call: () => readonly { host: string; port: number }[]): string {
  try {
    return call()
      .map(({ host, port }) => `${host}:${port}`)
      .join(' ')
  } catch (e) {
    return (e as Error).message
  }
}

const rows: readonly {
  name: string
  spec: Spec | undefined
  slices?: EndpointSlice[]
  cluster: string
  endpoint: string
}[] = [
  { name: 'no service', spec: undefined, cluster: 'service "one" not found', endpoint: 'service "one" not found' },
  {
    name: 'a cluster IP',
    spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports },
    cluster: '10.0.0.1:443',
    endpoint: '127.0.0.1:1443',
  },
  {
    name: 'no such port',
    spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports: [{ port: 80 }] },
    cluster: 'no service port 443 found for service "one"',
    endpoint: 'no service port 443 found for service "one"',
  },
  {
    name: 'no endpoints',
    spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports },
    slices: [],
    cluster: '10.0.0.1:443',
    endpoint: 'no endpoints available for service "one"',
  },
  {
    name: 'headless',
    spec: { type: 'ClusterIP', clusterIP: 'None', ports },
    cluster: 'cannot route to service with ClusterIP "None"',
    endpoint: '127.0.0.1:1443',
  },
  {
    name: 'a node port',
    spec: { type: 'NodePort', clusterIP: '10.0.0.1', ports },
    cluster: '10.0.0.1:443',
    endpoint: '127.0.0.1:1443',
  },
  {
    name: 'a load balancer',
    spec: { type: 'LoadBalancer', clusterIP: '10.0.0.1', ports },
    cluster: '10.0.0.1:443',
    endpoint: '127.0.0.1:1443',
  },
  {
    name: 'an external name, in both modes',
    spec: { type: 'ExternalName', externalName: 'foo.bar.com' },
    cluster: 'foo.bar.com:443',
    endpoint: 'foo.bar.com:443',
  },
  {
    name: 'an unknown type',
    spec: { type: 'Other', ports },
    cluster: 'unsupported service type "Other"',
    endpoint: 'unsupported service type "Other"',
  },
]
for (const { name, spec, slices, cluster, endpoint } of rows) {
  test(`resolvers: ${name}`, () => {
    const found = lookup(spec, slices)
    assert.equal(
      outcome(() => clusterIPResolver(found).resolve('ns', 'one', 443)),
      cluster,
    )
    assert.equal(
      outcome(() => endpointResolver(found).resolve('ns', 'one', 443)),
      endpoint,
    )
  })
}

const spec: Spec = { type: 'ClusterIP', clusterIP: '10.0.0.1', ports, ipFamilies: ['IPv4', 'IPv6'] }
const slice = (addressType: string, ...endpoints: [address: string, ready?: boolean][]): EndpointSlice => ({
  metadata: {},
  addressType,
  ports: [{ name: 'https', port: 1443 }],
  endpoints: endpoints.map(([address, isReady]) => ({
    addresses: [address],
    ...(isReady === undefined ? {} : { conditions: { ready: isReady } }),
  })),
})
const distributions: readonly { name: string; slices: EndpointSlice[]; want: string[] }[] = [
  {
    name: 'all ready endpoints are used',
    slices: [slice('IPv4', ['1.1.1.1'], ['1.1.1.2', true])],
    want: ['1.1.1.1', '1.1.1.2'],
  },
  {
    name: 'endpoints that are not ready are not',
    slices: [slice('IPv4', ['1.1.1.1', false], ['1.1.1.2'])],
    want: ['1.1.1.2'],
  },
  {
    name: 'the first family of the service is preferred',
    slices: [slice('IPv6', ['fe80::1']), slice('IPv4', ['1.1.1.1'])],
    want: ['1.1.1.1'],
  },
  {
    name: 'the other family serves when the first has nobody ready',
    slices: [slice('IPv6', ['fe80::1']), slice('IPv4', ['1.1.1.1', false])],
    want: ['fe80::1'],
  },
]
for (const { name, slices, want } of distributions) {
  test(`endpointResolver: ${name}`, () => {
    const hosts = endpointResolver(lookup(spec, slices))
      .resolve('ns', 'one', 443)
      .map((e) => e.host)
    assert.deepEqual(hosts.sort(), want)
  })
}

test('endpointResolver: one that terminates is said to, and alone is none', () => {
  const terminating = { addresses: ['1.1.1.9'], conditions: { ready: false, serving: true, terminating: true } }
  const with9 = { ...slice('IPv4', ['1.1.1.1']), endpoints: [{ addresses: ['1.1.1.1'], zone: 'a' }, terminating] }
  assert.deepEqual(endpointResolver(lookup(spec, [with9])).resolve('ns', 'one', 443), [
    { host: '1.1.1.1', port: 1443, zone: 'a', terminating: false },
    { host: '1.1.1.9', port: 1443, zone: '', terminating: true },
  ])
  const alone = { ...with9, endpoints: [terminating] }
  assert.equal(
    outcome(() => endpointResolver(lookup(spec, [alone])).resolve('ns', 'one', 443)),
    'no endpoints available for service "one"',
  )
})

test('loopbackResolver: default/kubernetes on 443 is this server, anything else is asked on', () => {
  const resolver = loopbackResolver(
    () => ({ host: '127.0.0.1', port: 6443 }),
    clusterIPResolver(lookup({ type: 'ExternalName', externalName: 'x' })),
  )
  const at = (host: string, port: number): object => ({ host, port, zone: '', terminating: false })
  assert.deepEqual(resolver.resolve('default', 'kubernetes', 443), [at('127.0.0.1', 6443)])
  assert.deepEqual(resolver.resolve('default', 'kubernetes', 8443), [at('x', 8443)])
})
