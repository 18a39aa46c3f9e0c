/** JSON of as many values as a document may have, where each costs the most. */
import { type Body, numbered, HEAD, TAIL, inMetadata, MOST } from './texts.ts'

export const JUST_ALLOWED: readonly Body[] = [
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
