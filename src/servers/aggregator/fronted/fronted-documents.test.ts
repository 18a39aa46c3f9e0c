import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transport } from '../../../client/transport.ts'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { FrontedDiscovery } from './fronted-discovery.ts'
import { openApiWork } from '../openapi/openapi-work.ts'
import { FrontedOpenApi } from './fronted-openapi.ts'

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
interface Canned {
  readonly status?: number
  readonly type?: string
  readonly etag?: string
  readonly body?: object
}
/** A server that gives these answers by path, with what was asked in `asked`. */
function server(answers: Record<string, Canned>) {
  const asked: string[] = []
  const served = { answers, down: false }
  const transport: Transport = async ({ path, headers }) => {
    asked.push(path)
    if (served.down) throw new Error('connect ECONNREFUSED')
    const { status = 200, type = 'application/json', etag, body } = served.answers[path] ?? { status: 404 }
    const known = etag !== undefined && headers['if-none-match'] === etag
    return {
      status: known ? 304 : status,
      headers: { 'content-type': type, etag },
      body: ReadableStream.from(known ? [] : [Buffer.from(JSON.stringify(body ?? {}))]),
    }
  }
  return { asked, served, transport }
}
const signal = new AbortController().signal
const resource = (name: string): object => ({
  resource: name,
  responseKind: { kind: 'K' },
  scope: 'Cluster',
  verbs: ['get'],
})
const group = (name: string, version: string, ...resources: string[]): object => ({
  metadata: name === '' ? {} : { name },
  versions: [{ version, resources: resources.map(resource) }],
})
const list = (...items: object[]): Canned => ({ type: AGGREGATED, etag: '"1"', body: { items } })
const shown = (d: FrontedDiscovery): string[] =>
  d.groups.value.flatMap((g) => g.versions.map((v) => `${g.group}/${v.version} ${v.freshness} ${v.resources.length}`))

function discoveryOf(answers: Record<string, Canned>) {
  const clock = new FakeClock()
  const backend = server(answers)
  const discovery = new FrontedDiscovery({
    transport: backend.transport,
    clock,
    serves: (g) => g !== 'apiregistration.k8s.io',
  })
  return { ...backend, clock, discovery }
}

test('discovery of a fronted server: aggregated, without what is ours, asked with its ETag', async () => {
  const { discovery, served } = discoveryOf({
    '/api': list(group('', 'v1', 'pods', 'nodes')),
    '/apis': list(group('apps', 'v1', 'deployments'), group('apiregistration.k8s.io', 'v1', 'apiservices')),
  })
  assert.equal(discovery.problem, 'not asked yet')
  await discovery.refresh(signal)
  assert.equal(discovery.problem, undefined)
  assert.deepEqual(shown(discovery), ['/v1 Current 2', 'apps/v1 Current 1'])
  let published = 0
  discovery.groups.subscribe(() => published++)
  await discovery.refresh(signal)
  served.answers['/apis'] = { ...list(group('batch', 'v1', 'jobs')), etag: '"2"' }
  await discovery.refresh(signal)
  assert.deepEqual(shown(discovery), ['/v1 Current 2', 'batch/v1 Current 1'])
  assert.equal(published, 1)
})

test('discovery of a fronted server that cannot ask one of its own backends', async () => {
  const { discovery } = discoveryOf({
    '/api': list(),
    '/apis': list(group('apps', 'v1', 'deployments'), {
      metadata: { name: 'metrics.k8s.io' },
      versions: [{ version: 'v1beta1', freshness: 'Stale' }],
    }),
  })
  await discovery.refresh(signal)
  assert.deepEqual(shown(discovery), ['apps/v1 Current 1', 'metrics.k8s.io/v1beta1 Stale 0'])
})

test('discovery of a fronted server that has the legacy form alone', async () => {
  const resources = (...names: string[]): Canned => ({
    body: { resources: names.map((name) => ({ name, kind: 'K', namespaced: false, verbs: ['get'] })) },
  })
  const { discovery, asked } = discoveryOf({
    '/api': { body: { kind: 'APIVersions', versions: ['v1'] } },
    '/apis': {
      body: {
        kind: 'APIGroupList',
        groups: [
          { name: 'apps', versions: [{ version: 'v1' }] },
          { name: 'broken.example.com', versions: [{ version: 'v1' }] },
          { name: 'apiregistration.k8s.io', versions: [{ version: 'v1' }] },
        ],
      },
    },
    '/api/v1': resources('pods'),
    '/apis/apps/v1': resources('deployments'),
    '/apis/broken.example.com/v1': { status: 503 },
  })
  await discovery.refresh(signal)
  assert.deepEqual(shown(discovery), ['/v1 Current 1', 'apps/v1 Current 1', 'broken.example.com/v1 Stale 0'])
  assert.ok(!asked.includes('/apis/apiregistration.k8s.io/v1'))
})

test('discovery of a fronted server that goes: kept, not ready after three failures, Stale after a while, then Current', async () => {
  const { discovery, served, clock } = discoveryOf({
    '/api': list(),
    '/apis': list(group('apps', 'v1', 'deployments')),
  })
  await discovery.refresh(signal)
  served.down = true
  for (const problem of [undefined, undefined, 'discovery failed: connect ECONNREFUSED']) {
    await assert.rejects(discovery.refresh(signal))
    assert.equal(discovery.problem, problem)
  }
  assert.deepEqual(shown(discovery), ['apps/v1 Current 1'])
  clock.advance(31_000)
  await assert.rejects(discovery.refresh(signal))
  assert.deepEqual(shown(discovery), ['apps/v1 Stale 1'])
  served.down = false
  await discovery.refresh(signal)
  assert.deepEqual(shown(discovery), ['apps/v1 Current 1'])
  assert.equal(discovery.problem, undefined)
})

test('OpenAPI of a fronted server: ours left out, a document downloaded again when its hash changes', async () => {
  const index = (hash: string): Canned => ({
    body: {
      paths: {
        'api/v1': { serverRelativeURL: `/openapi/v3/api/v1?hash=${hash}` },
        'apis/apps/v1': { serverRelativeURL: '/openapi/v3/apis/apps/v1?hash=A' },
        version: { serverRelativeURL: '/openapi/v3/version?hash=A' },
      },
    },
  })
  const { transport, asked, served } = server({
    '/openapi/v3': index('A'),
    '/openapi/v3/api/v1?hash=A': { body: { of: 'core A' } },
    '/openapi/v3/api/v1?hash=B': { body: { of: 'core B' } },
    '/openapi/v3/apis/apps/v1?hash=A': { body: { of: 'apps' } },
    '/openapi/v2': {
      etag: '"2"',
      body: { paths: { '/api/v1/pods': {}, '/apis/apps/v1/deployments': {}, '/version/': {} } },
    },
  })
  const serves = (path: string): boolean => path.startsWith('/api')
  const of = (version: 'v3' | 'v2'): FrontedOpenApi =>
    new FrontedOpenApi({
      version,
      transport,
      serves,
      run: async (name, input) => openApiWork[name](input as never) as never,
    })
  const both = [of('v3'), of('v2')]
  const refresh = async (): Promise<void> => {
    for (const openapi of both) await openapi.refresh(signal)
  }
  await refresh()
  assert.ok(both.every((openapi) => openapi.documents.value.size === 0))
  for (const openapi of both) void openapi.begin()
  await refresh()
  const documents = (): object =>
    Object.fromEntries(
      both
        .flatMap((openapi) => [...openapi.documents.value.values()])
        .map((d) => [d.key, JSON.parse(Buffer.from(d.document!.bytes).toString('utf8'))]),
    )
  const v2 = { definitions: {}, paths: { '/api/v1/pods': {}, '/apis/apps/v1/deployments': {} } }
  const others = { 'apis/apps/v1': { of: 'apps' }, 'openapi/v2': v2 }
  assert.deepEqual(documents(), { 'api/v1': { of: 'core A' }, ...others })
  served.answers['/openapi/v3'] = index('B')
  asked.length = 0
  await refresh()
  assert.deepEqual(documents(), { 'api/v1': { of: 'core B' }, ...others })
  assert.deepEqual(asked, ['/openapi/v3', '/openapi/v3/api/v1?hash=B', '/openapi/v2'])
  served.down = true
  await assert.rejects(refresh())
  assert.deepEqual(documents(), { 'api/v1': { of: 'core B' }, ...others })
  for (const openapi of both) openapi.end()
  assert.deepEqual(documents(), {})
})
