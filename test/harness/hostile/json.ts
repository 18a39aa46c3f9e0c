/** JSON of more values, digits, escapes or errors than a server should deal with. */
import { makeCA } from '../../../src/http/certificates.ts'
import { type Body, filled, numbered, HEAD, TAIL, inMetadata, apiService, BUNDLE_BYTES, pair } from './texts.ts'

export const JSON_BODIES: readonly Body[] = [
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
export const BUNDLES: readonly Body[] = [
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
