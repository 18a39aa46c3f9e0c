/** Each rule for a BackendPolicy: what breaks it, alone, and what is just within it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendPolicySpec, BackendTls, PolicyBackend, PolicyRoute } from '../../../api/backend-policy.ts'
import { backendPolicyWarnings, validateBackendPolicy } from './policy-validation.ts'

const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i))
const errorsOf = (spec: BackendPolicySpec): string[] =>
  validateBackendPolicy({ metadata: { name: 'p' }, spec: { targets: [{ group: 'a.io' }], ...spec } }).map(
    (e) => `${e.field} ${e.type}`,
  )
const backend = (b: Partial<PolicyBackend>): BackendPolicySpec => ({ backends: [{ name: 'x', ...b }] })
const tls = (t: BackendTls): BackendPolicySpec => backend({ url: 'https://a', tls: t })
const route = (r: PolicyRoute): BackendPolicySpec => ({ routes: [{ to: [{ backend: 'apiservice' }], ...r }] })
const B = 'spec.backends[0]'
const file = { file: '/a' }

/** Name -> what breaks the rule, and the one error that it gives. */
const wrong: Record<string, [spec: BackendPolicySpec, error: string]> = {
  'no target': [{ targets: [] }, 'spec.targets Required'],
  'too many targets': [{ targets: many(257, () => ({ group: 'a.io' })) }, 'spec.targets TooMany'],
  'a target of no kind': [{ targets: [{}] }, 'spec.targets[0] Invalid'],
  'a target of two kinds': [{ targets: [{ group: 'a.io', apiService: 'v1.a.io' }] }, 'spec.targets[0] Invalid'],
  'a group that is no name': [{ targets: [{ group: 'A_' }] }, 'spec.targets[0].group Invalid'],
  'a selector that is none': [
    { targets: [{ selector: { matchExpressions: [{ key: 'a', operator: 'Like' }] } }] },
    'spec.targets[0].selector Invalid',
  ],
  'too many backends': [{ backends: many(33, (i) => ({ name: `b${i}`, url: 'https://a' })) }, 'spec.backends TooMany'],
  'one name twice': [{ backends: many(2, () => ({ name: 'x', url: 'https://a' })) }, 'spec.backends[1].name Duplicate'],
  'a name that is none': [backend({ name: 'X!', url: 'https://a' }), `${B}.name Invalid`],
  'a reserved name': [backend({ name: 'apiservice', url: 'https://a' }), `${B}.name Invalid`],
  'a backend of no kind': [backend({}), `${B} Invalid`],
  'a backend of two kinds': [backend({ url: 'https://a', unixSocket: '/a' }), `${B} Invalid`],
  'a URL of no kind': [backend({ url: 'a' }), `${B}.url Invalid`],
  'a URL of another scheme': [backend({ url: 'ftp://a' }), `${B}.url Invalid`],
  'a URL with a user': [backend({ url: 'https://me@a' }), `${B}.url Invalid`],
  'a URL with a password': [backend({ url: 'https://:secret@a' }), `${B}.url Invalid`],
  'a URL with a query': [backend({ url: 'https://a/?b' }), `${B}.url Invalid`],
  'a URL with a fragment': [backend({ url: 'https://a/#b' }), `${B}.url Invalid`],
  'no DNS name': [backend({ dns: { port: 1 } }), `${B}.dns.name Invalid`],
  'a DNS port that is none': [backend({ dns: { name: 'a', port: 0 } }), `${B}.dns.port Invalid`],
  'too many endpoints': [backend({ endpoints: many(257, () => ({ address: '1.1.1.1' })) }), `${B}.endpoints TooMany`],
  'an endpoint without an address': [backend({ endpoints: [{ address: '' }] }), `${B}.endpoints[0].address Required`],
  'an endpoint port that is none': [
    backend({ endpoints: [{ address: 'a', port: 65_536 }] }),
    `${B}.endpoints[0].port Invalid`,
  ],
  'a relative socket': [backend({ unixSocket: 'a' }), `${B}.unixSocket Invalid`],
  'a service without a namespace': [backend({ service: { name: 'a' } }), `${B}.service.namespace Invalid`],
  'a service without a name': [backend({ service: { namespace: 'a' } }), `${B}.service.name Invalid`],
  'a service port that is none': [
    backend({ service: { namespace: 'a', name: 'a', port: -1 } }),
    `${B}.service.port Invalid`,
  ],
  'TLS over http': [backend({ url: 'http://a', tls: {} }), `${B}.tls Forbidden`],
  'TLS over a socket': [backend({ unixSocket: '/a', tls: {} }), `${B}.tls Forbidden`],
  'a CA that is not used': [tls({ insecureSkipVerify: true, ca: [file] }), `${B}.tls.insecureSkipVerify Invalid`],
  'too many CAs': [tls({ ca: many(9, () => file) }), `${B}.tls.ca TooMany`],
  'a CA of no kind': [tls({ ca: [{}] }), `${B}.tls.ca[0] Invalid`],
  'a CA of two kinds': [tls({ ca: [{ ...file, secret: { namespace: 'a', name: 'a' } }] }), `${B}.tls.ca[0] Invalid`],
  'a secret without a name': [tls({ ca: [{ secret: { namespace: 'a' } }] }), `${B}.tls.ca[0].secret.name Required`],
  'a secret without a namespace': [
    tls({ ca: [{ secret: { name: 'a' } }] }),
    `${B}.tls.ca[0].secret.namespace Required`,
  ],
  'a ConfigMap without a name': [
    tls({ ca: [{ configMap: { namespace: 'a' } }] }),
    `${B}.tls.ca[0].configMap.name Required`,
  ],
  'a client certificate of no kind': [tls({ clientCertificate: {} }), `${B}.tls.clientCertificate Invalid`],
  'a client certificate of two kinds': [
    tls({ clientCertificate: { certFile: '/a', keyFile: '/a', secret: { namespace: 'a', name: 'a' } } }),
    `${B}.tls.clientCertificate Invalid`,
  ],
  'a certificate without a key': [
    tls({ clientCertificate: { certFile: '/a' } }),
    `${B}.tls.clientCertificate.keyFile Required`,
  ],
  'a key without a certificate': [
    tls({ clientCertificate: { keyFile: '/a' } }),
    `${B}.tls.clientCertificate.certFile Required`,
  ],
  'a client certificate of a secret without a name': [
    tls({ clientCertificate: { secret: { namespace: 'a' } } }),
    `${B}.tls.clientCertificate.secret.name Required`,
  ],
  'too many routes': [{ routes: many(65, () => ({ to: [{ backend: 'apiservice' }] })) }, 'spec.routes TooMany'],
  'a route to nowhere': [route({ to: [] }), 'spec.routes[0].to Required'],
  'a route to nobody': [route({ to: [{ backend: 'x' }] }), 'spec.routes[0].to[0].backend NotSupported'],
  'a weight below nothing': [
    route({ to: [{ backend: 'apiservice', weight: -1 }] }),
    'spec.routes[0].to[0].weight Invalid',
  ],
  'too much weight': [
    route({ to: [{ backend: 'apiservice', weight: 1_000_001 }] }),
    'spec.routes[0].to[0].weight Invalid',
  ],
  'no weight at all': [route({ to: [{ backend: 'apiservice', weight: 0 }] }), 'spec.routes[0].to Invalid'],
  'a match of everything': [route({ matches: [{ verbs: [] }] }), 'spec.routes[0].matches[0] Required'],
  'too many rules': [{ timeouts: { rules: many(65, () => ({ verbs: ['get'] })) } }, 'spec.timeouts.rules TooMany'],
  'a rule for everything': [{ timeouts: { rules: [{ total: '1s' }] } }, 'spec.timeouts.rules[0] Required'],
  'a rule with a bad limit': [
    { timeouts: { rules: [{ verbs: ['get'], idle: '1x' }] } },
    'spec.timeouts.rules[0].idle Invalid',
  ],
  'a total of what has none': [
    { timeouts: { rules: [{ verbs: ['get'], longRunning: true, total: '1s' }] } },
    'spec.timeouts.rules[0].total Forbidden',
  ],
  'a burst of no rate': [{ bulkhead: { burst: 5 } }, 'spec.bulkhead.requestsPerSecond Required'],
  'a relative path of a probe': [{ probe: { path: 'a' } }, 'spec.probe.path Invalid'],
  'HTTP/2 over a socket': [
    { ...backend({ unixSocket: '/a' }), connections: { protocol: 'HTTP2' } },
    'spec.connections.protocol Invalid',
  ],
  'HTTP/2 over http': [
    { ...backend({ url: 'http://a' }), connections: { protocol: 'HTTP2' } },
    'spec.connections.protocol Invalid',
  ],
}
for (const [name, [spec, error]] of Object.entries(wrong))
  test(`policy validation: ${name}`, () => assert.deepEqual(errorsOf(spec), [error]))

/** Where a value stands, below spec. @returns the spec that has it there. */
function specWith(path: string, value: unknown): BackendPolicySpec {
  const nested = path
    .split('.')
    .toReversed()
    .reduce((inner: unknown, name) => (name === '[0]' ? [inner] : { [name]: inner }), value) as BackendPolicySpec
  // A burst needs a rate.
  return path === 'bulkhead.burst' ? { bulkhead: { ...nested.bulkhead, requestsPerSecond: 1 } } : nested
}

const DURATIONS = [
  'balancing.slowStart',
  'balancing.ejectionTime',
  ...['connect', 'tlsHandshake', 'firstByte', 'total', 'idle'].map((name) => `timeouts.${name}`),
  'circuitBreaker.window',
  'circuitBreaker.openFor',
  'bulkhead.maxQueueTime',
  'probe.interval',
  'probe.timeout',
  ...['maxAge', 'idleTimeout', 'readIdle', 'pingTimeout'].map((name) => `connections.${name}`),
]
for (const path of DURATIONS) {
  test(`policy validation: ${path} is a duration above nothing`, () => {
    for (const text of ['5 apples', '0s', '-1s'])
      assert.deepEqual(errorsOf(specWith(path, text)), [`spec.${path} Invalid`], text)
    assert.deepEqual(errorsOf(specWith(path, '1ms')), [])
  })
}

const NUMBERS: readonly [path: string, least: number, most: number][] = [
  ['balancing.consecutiveFailures', 1, 1000],
  ['balancing.maxEjectedPercent', 0, 100],
  ['retries.attempts', 0, 10],
  ['retries.budgetPercent', 0, 100],
  ['retries.maxBodyBytes', 0, 1_048_576],
  ['circuitBreaker.failurePercent', 1, 100],
  ['circuitBreaker.minRequests', 1, 100_000],
  ['bulkhead.maxInFlight', 1, 1_000_000],
  ['bulkhead.maxQueued', 0, 1_000_000],
  ['bulkhead.maxWatches', 0, 1_000_000],
  ['bulkhead.requestsPerSecond', 1, 1_000_000],
  ['bulkhead.burst', 1, 1_000_000],
  ['probe.failureThreshold', 1, 100],
  ['probe.successThreshold', 1, 100],
  ['probe.expectedStatuses.[0]', 200, 599],
]
for (const [path, least, most] of NUMBERS) {
  test(`policy validation: ${path} is from ${least} to ${most}`, () => {
    const field = path.replace('.[', '[')
    for (const value of [least - 1, most + 1])
      assert.deepEqual(errorsOf(specWith(path, value)), [`spec.${field} Invalid`], String(value))
    for (const value of [least, most]) assert.deepEqual(errorsOf(specWith(path, value)), [])
  })
}

const WORDS: Record<string, readonly string[]> = {
  onUnavailable: ['ServeStale', 'Omit', 'Fail'],
  openAPI: ['Auto', 'None'],
  traceparent: ['Trusted', 'Untrusted'],
  'connections.protocol': ['Auto', 'HTTP1', 'HTTP2'],
}
for (const [path, words] of Object.entries(WORDS)) {
  test(`policy validation: ${path} is one of ${words.join(', ')}`, () => {
    assert.deepEqual(errorsOf(specWith(path, 'Panic')), [`spec.${path} NotSupported`])
    for (const word of ['', ...words]) assert.deepEqual(errorsOf(specWith(path, word)), [])
  })
}

const right: Record<string, BackendPolicySpec> = {
  'all that there may be of each': {
    targets: many(256, () => ({ apiService: 'v1.a.io' })),
    backends: many(32, (i) => ({ name: `b${i}`, url: 'https://a:1/b' })),
    routes: many(64, () => ({
      to: [
        { backend: 'b0', weight: 0 },
        { backend: 'b1', weight: 1_000_000 },
      ],
    })),
    timeouts: { rules: many(64, () => ({ paths: ['/a*'], longRunning: true })) },
  },
  'all endpoints and CAs that there may be': backend({
    endpoints: many(256, () => ({ address: '::1', port: 65_535 })),
    tls: { ca: many(8, () => file), insecureSkipVerify: false },
  }),
  'a selector': { targets: [{ selector: { matchLabels: { a: 'b' } } }] },
  'a DNS name': backend({ dns: { name: 'a.io' } }),
  'a socket': { ...backend({ unixSocket: '/a' }), connections: { protocol: 'HTTP1' } },
  'a service': backend({ service: { namespace: 'a', name: 'a', port: 1 } }),
  'a backend that is not verified': tls({ insecureSkipVerify: true, ca: [] }),
  'certificates of all kinds': tls({
    ca: [{ secret: { namespace: 'a', name: 'a' } }, { configMap: { namespace: 'a', name: 'a' } }, file],
    clientCertificate: { certFile: '/a', keyFile: '/b' },
  }),
  'a client certificate of a secret': tls({ clientCertificate: { secret: { namespace: 'a', name: 'a' } } }),
  'a route without a match': route({}),
  'a route with one': route({ matches: [{ resources: ['a'] }] }),
  'HTTP/2 over TLS': { ...backend({ url: 'https://a' }), connections: { protocol: 'HTTP2' } },
  'a path of a probe': { probe: { path: '/a' } },
}
for (const [name, spec] of Object.entries(right))
  test(`policy validation: ${name} is right`, () => assert.deepEqual(errorsOf(spec), []))

test('policy warnings: identities that travel in the open, or to whom they may', () => {
  const spec: BackendPolicySpec = {
    backends: [
      { name: 'a', url: 'https://a', tls: { insecureSkipVerify: true } },
      { name: 'b', url: 'http://b' },
      { name: 'c', url: 'https://c', tls: { insecureSkipVerify: false } },
      { name: 'd', unixSocket: '/d' },
    ],
  }
  const warnings = backendPolicyWarnings({ metadata: {}, spec })
  assert.deepEqual(
    warnings.map((w) => w.split(':')[0]),
    ['spec.backends[0].tls.insecureSkipVerify', 'spec.backends[1].url'],
  )
})
