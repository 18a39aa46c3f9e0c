/** The BackendPolicy API: validation, defaults, generation, status, columns and discovery, as for any kind. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { BackendPolicy } from '../../src/api/backend-policy.ts'
import type { Status } from '../../src/api/status-error.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const PATH = '/apis/gateway.portico.dev/v1alpha1/backendpolicies'
const targets = [{ group: 'a.example.com' }]
let portico: TestServer
before(async () => {
  portico = await startTestServer()
})
after(() => portico.stop())

const wrong: readonly { name: string; spec: object; field: string; message: RegExp }[] = [
  { name: 'no target', spec: {}, field: 'spec.targets', message: /^Required value: a policy must say/ },
  {
    name: 'two ways in one target',
    spec: { targets: [{ group: 'a', apiService: 'v1.a' }] },
    field: 'spec.targets[0]',
    message: /exactly one of apiService, group and selector/,
  },
  {
    name: 'a backend of no kind',
    spec: { targets, backends: [{ name: 'x' }] },
    field: 'spec.backends[0]',
    message: /exactly one of url, dns, endpoints, unixSocket and service/,
  },
  {
    name: 'a backend of two kinds',
    spec: { targets, backends: [{ name: 'x', url: 'https://a', unixSocket: '/a' }] },
    field: 'spec.backends[0]',
    message: /exactly one/,
  },
  {
    name: 'a reserved name',
    spec: { targets, backends: [{ name: 'apiservice', url: 'https://a' }] },
    field: 'spec.backends[0].name',
    message: /what the APIService itself names/,
  },
  {
    name: 'the same name twice',
    spec: {
      targets,
      backends: [
        { name: 'x', url: 'https://a' },
        { name: 'x', url: 'https://b' },
      ],
    },
    field: 'spec.backends[1].name',
    message: /^Duplicate value: "x"/,
  },
  {
    name: 'credentials in a URL',
    spec: { targets, backends: [{ name: 'x', url: 'https://me:secret@a' }] },
    field: 'spec.backends[0].url',
    message: /^Invalid value: "<masked>": may not hold credentials/,
  },
  {
    name: 'a URL with a query',
    spec: { targets, backends: [{ name: 'x', url: 'https://a/?b' }] },
    field: 'spec.backends[0].url',
    message: /may not have a query/,
  },
  {
    name: 'a relative socket',
    spec: { targets, backends: [{ name: 'x', unixSocket: 'a.sock' }] },
    field: 'spec.backends[0].unixSocket',
    message: /absolute path/,
  },
  {
    name: 'TLS where there is none',
    spec: { targets, backends: [{ name: 'x', url: 'http://a', tls: { serverName: 'a' } }] },
    field: 'spec.backends[0].tls',
    message: /^Forbidden: this backend is reached without TLS/,
  },
  {
    name: 'a CA that is not used',
    spec: {
      targets,
      backends: [{ name: 'x', url: 'https://a', tls: { insecureSkipVerify: true, ca: [{ file: '/a' }] } }],
    },
    field: 'spec.backends[0].tls.insecureSkipVerify',
    message: /may not be true where ca is given/,
  },
  {
    name: 'a CA of no kind',
    spec: { targets, backends: [{ name: 'x', url: 'https://a', tls: { ca: [{}] } }] },
    field: 'spec.backends[0].tls.ca[0]',
    message: /exactly one of secret, configMap and file/,
  },
  {
    name: 'half a client certificate',
    spec: { targets, backends: [{ name: 'x', url: 'https://a', tls: { clientCertificate: { certFile: '/a' } } }] },
    field: 'spec.backends[0].tls.clientCertificate.keyFile',
    message: /^Required/,
  },
  {
    name: 'a secret without a name',
    spec: { targets, backends: [{ name: 'x', url: 'https://a', tls: { ca: [{ secret: { namespace: 'a' } }] } }] },
    field: 'spec.backends[0].tls.ca[0].secret.name',
    message: /^Required/,
  },
  {
    name: 'a route to nobody',
    spec: { targets, routes: [{ to: [{ backend: 'x' }] }] },
    field: 'spec.routes[0].to[0].backend',
    message: /^Unsupported value: "x": supported values: "apiservice"/,
  },
  {
    name: 'a route without weight',
    spec: { targets, routes: [{ to: [{ backend: 'apiservice', weight: 0 }] }] },
    field: 'spec.routes[0].to',
    message: /at least one weight/,
  },
  {
    name: 'a match of everything',
    spec: { targets, routes: [{ matches: [{}], to: [{ backend: 'apiservice' }] }] },
    field: 'spec.routes[0].matches[0]',
    message: /without a condition/,
  },
  {
    name: 'a bad duration',
    spec: { targets, timeouts: { connect: '5 apples' } },
    field: 'spec.timeouts.connect',
    message: /time: (invalid|unknown)/,
  },
  {
    name: 'a duration of nothing',
    spec: { targets, timeouts: { idle: '0s' } },
    field: 'spec.timeouts.idle',
    message: /must be greater than zero/,
  },
  {
    name: 'a rule for everything',
    spec: { targets, timeouts: { rules: [{ total: '1s' }] } },
    field: 'spec.timeouts.rules[0]',
    message: /must have verbs, resources or paths/,
  },
  {
    name: 'a total of what has none',
    spec: { targets, timeouts: { rules: [{ verbs: ['get'], longRunning: true, total: '1s' }] } },
    field: 'spec.timeouts.rules[0].total',
    message: /^Forbidden/,
  },
  {
    name: 'a percentage beyond 100',
    spec: { targets, retries: { budgetPercent: 101 } },
    field: 'spec.retries.budgetPercent',
    message: /between 0 and 100/,
  },
  {
    name: 'no request at all',
    spec: { targets, bulkhead: { maxInFlight: 0 } },
    field: 'spec.bulkhead.maxInFlight',
    message: /between 1 and/,
  },
  {
    name: 'a burst of no rate',
    spec: { targets, bulkhead: { burst: 5 } },
    field: 'spec.bulkhead.requestsPerSecond',
    message: /^Required/,
  },
  {
    name: 'HTTP/2 without TLS',
    spec: { targets, backends: [{ name: 'x', unixSocket: '/a' }], connections: { protocol: 'HTTP2' } },
    field: 'spec.connections.protocol',
    message: /without TLS is spoken to in HTTP\/1\.1/,
  },
  {
    name: 'an unknown protocol',
    spec: { targets, connections: { protocol: 'HTTP3' } },
    field: 'spec.connections.protocol',
    message: /supported values: "Auto", "HTTP1", "HTTP2"/,
  },
  {
    name: 'an unknown way out',
    spec: { targets, onUnavailable: 'Panic' },
    field: 'spec.onUnavailable',
    message: /supported values: "ServeStale", "Omit", "Fail"/,
  },
]
describe('what is wrong is refused, and named', () => {
  for (const { name, spec, field, message } of wrong) {
    test(name, async () => {
      const answer = await portico.admin.post(PATH, { metadata: { name: 'wrong' }, spec })
      assert.equal(answer.status, 422, answer.text)
      const cause = answer.json<Status>().details!.causes!.find((c) => c.field === field)
      assert.match(cause?.message ?? answer.text, message)
    })
  }
  test('an unknown field, where the client is strict', async () => {
    const object = { metadata: { name: 'wrong' }, spec: { targets, bulkhaed: {} } }
    const answer = await portico.admin.post(`${PATH}?fieldValidation=Strict`, object)
    assert.deepEqual([answer.status, answer.text.includes('unknown field \\"spec.bulkhaed\\"')], [400, true])
    const warned = await portico.admin.post(`${PATH}?fieldValidation=Warn&dryRun=All`, object)
    assert.deepEqual([warned.status, warned.headers['warning']], [201, '299 - "unknown field \\"spec.bulkhaed\\""'])
  })
})

test('defaults are filled in, the generation follows the spec, the status is written apart', async () => {
  const spec = {
    targets,
    backends: [
      { name: 'default', dns: { name: 'b.example.com' }, tls: { ca: [{ secret: { namespace: 'a', name: 'b' } }] } },
    ],
    routes: [{ to: [{ backend: 'default' }] }],
  }
  const made = (
    await portico.admin.post(PATH, { metadata: { name: 'p' }, spec, status: { observedGeneration: 9 } })
  ).json<BackendPolicy>()
  assert.equal(made.metadata.generation, 1)
  assert.deepEqual(made.spec?.backends?.[0]?.dns, { name: 'b.example.com', port: 443 })
  assert.equal(made.spec?.backends?.[0]?.tls?.ca?.[0]?.secret?.key, 'ca.crt')
  assert.equal(made.spec?.routes?.[0]?.to?.[0]?.weight, 1)
  assert.notEqual(made.status?.observedGeneration, 9)
  const labelled = await portico.admin.patch(`${PATH}/p`, 'merge', { metadata: { labels: { a: 'b' } } })
  assert.equal(labelled.json<BackendPolicy>().metadata.generation, 1)
  const changed = await portico.admin.patch(`${PATH}/p`, 'merge', {
    spec: { priority: 5 },
    status: { observedGeneration: 99 },
  })
  const after = changed.json<BackendPolicy>()
  assert.deepEqual([after.metadata.generation, after.spec?.priority], [2, 5])
  assert.notEqual(after.status?.observedGeneration, 99)
  const status = await portico.admin.patch(`${PATH}/p/status`, 'merge', {
    spec: { priority: 7 },
    metadata: { labels: { a: 'c' } },
  })
  assert.deepEqual(
    [status.json<BackendPolicy>().spec?.priority, status.json<BackendPolicy>().metadata.labels],
    [5, { a: 'b' }],
  )
  const unchecked = await portico.admin.patch(`${PATH}/p`, 'merge', {
    spec: { backends: [{ name: 'default', url: 'http://b' }] },
  })
  assert.match(String(unchecked.headers['warning']), /travel without TLS/)
})

test('the table, the short name and the schema', async () => {
  assert.equal((await portico.admin.post(PATH, { metadata: { name: 'columns' }, spec: { targets } })).status, 201)
  const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  const table = (await portico.admin.get(PATH, { headers: { accept } })).json<{
    columnDefinitions: { name: string }[]
    rows: { cells: unknown[] }[]
  }>()
  assert.deepEqual(
    table.columnDefinitions.map((c) => c.name),
    ['Name', 'Accepted', 'APIServices', 'Priority', 'Age'],
  )
  const row = table.rows.find(({ cells }) => cells[0] === 'columns')!
  assert.equal(row.cells[3], 0)
  const list = (await portico.admin.get('/apis/gateway.portico.dev/v1alpha1')).json<{
    resources: { name: string; shortNames?: string[] }[]
  }>()
  assert.deepEqual(list.resources.find((r) => r.name === 'backendpolicies')?.shortNames, ['bp'])
  const schema = await portico.admin.get('/openapi/v3/apis/gateway.portico.dev/v1alpha1')
  assert.ok(schema.text.includes('dev.portico.gateway.v1alpha1.BackendPolicySpec'))
  const groups = (await portico.admin.get('/apis')).json<{ groups: { name: string }[] }>()
  assert.ok(groups.groups.some((g) => g.name === 'gateway.portico.dev'))
})
