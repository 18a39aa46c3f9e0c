/** Two servers of one process share a group, and kinds of it come, change and go: discovery and OpenAPI follow over HTTP. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AdmissionChain } from '../../src/access/admission/admission.ts'
import type { KindVersion } from '../../src/api/kinds/kind-version.ts'
import { tableKind } from '../../src/api/kinds/table-kind.ts'
import type { ObjectType } from '../../src/api/schema/type-table.ts'
import type { SharedParts } from '../../src/app/run/wire.ts'
import { ResourceServer } from '../../src/servers/generic/resource-server.ts'
import type { PublishedGroupVersion, StoredResource } from '../../src/servers/generic/served-resource.ts'
import { aggregated } from '../harness/discovery-documents.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { thingResource } from '../harness/thing-server.ts'
import { THING_FORM, THING_SHAPES, THING_TYPES } from '../harness/things.ts'
import { until } from '../harness/until.ts'

const GROUP = 'networking.example'

/** A resource whose objects have one more field, of that name, in its schema. */
function resource(name: string, version: string, field: string): StoredResource {
  const kind = `Kind${name.toUpperCase()}`
  const type = THING_FORM.schema as ObjectType
  const form: KindVersion = {
    ...tableKind({
      group: GROUP,
      version,
      kind,
      type,
      types: { ...THING_TYPES, byKind: (apiVersion, k) => (k === kind ? type : THING_TYPES.byKind(apiVersion, k)) },
      shapes: THING_SHAPES,
    }),
    schema: {
      model: `example.networking.${version}.${kind}`,
      name: kind,
      json: () => ({ type: 'object', properties: { [field]: { type: 'string' } } }),
    },
  }
  const store = {
    ...thingResource().store,
    prefix: `/registry/${GROUP}/${name}/${version}`,
    form,
    resource: { group: GROUP, resource: name },
  }
  return thingResource({ form, store, names: { resource: name, singular: name } })
}
function groupVersion(version: string, resources: readonly StoredResource[]): PublishedGroupVersion {
  return { group: GROUP, version, groupPriority: 1000, versionPriority: version === 'v1' ? 15 : 20, resources }
}

async function start(): Promise<TestServer & { first: ResourceServer; second: ResourceServer }> {
  const made: ResourceServer[] = []
  const servers = (shared: SharedParts): ResourceServer[] => {
    const server = (name: string): ResourceServer =>
      new ResourceServer({
        ...shared,
        name,
        deleteOptions: shared.tables.deleteOptions,
        admission: new AdmissionChain([]),
      })
    made.push(server('first'), server('second'))
    return made
  }
  const portico = await startTestServer([], { servers })
  const [first, second] = made
  await first!.publish([groupVersion('v1', [resource('a', 'v1', 'alpha')])])
  await second!.publish([
    groupVersion('v1', [resource('b', 'v1', 'beta')]),
    groupVersion('v2', [resource('b', 'v2', 'beta')]),
  ])
  const stop = async (): Promise<void> => {
    await portico.stop()
    for (const server of made) await server[Symbol.asyncDispose]()
  }
  return { ...portico, first: first!, second: second!, stop, [Symbol.asyncDispose]: stop }
}

test('a group that two servers share: both are reached, discovery lists both, what neither has is a Status', async () => {
  await using portico = await start()
  const { admin } = portico
  await until('its APIServices are there', async () => (await admin.get(`/apis/${GROUP}`)).status === 200)
  for (const path of ['v1/namespaces/default/a', 'v1/namespaces/default/b', 'v2/namespaces/default/b']) {
    const made = await admin.post(`/apis/${GROUP}/${path}`, { metadata: { name: 'x' } })
    assert.equal(made.status, 201, made.text)
    assert.equal((await admin.get(`/apis/${GROUP}/${path}/x`)).status, 200)
  }
  const names = async (version: string): Promise<string[]> =>
    (await admin.get(`/apis/${GROUP}/${version}`))
      .json<{ resources: { name: string }[] }>()
      .resources.map(({ name }) => name)
  assert.deepEqual([await names('v1'), await names('v2')], [['a', 'b'], ['b']])
  assert.deepEqual(
    (await aggregated(portico, GROUP)).map((v) => [v.version, v.resources?.map((r) => r.resource)]),
    [
      ['v2', ['b']],
      ['v1', ['a', 'b']],
    ],
  )
  for (const path of ['v1/namespaces/default/c', 'v2/namespaces/default/a', 'v3', 'v1/namespaces/default/b/x/none']) {
    const missing = await admin.get(`/apis/${GROUP}/${path}`)
    assert.deepEqual(
      [missing.status, missing.json<{ message: string }>().message],
      [404, 'the server could not find the requested resource'],
      path,
    )
  }
})

test('OpenAPI follows a kind that is published, changed and removed', async () => {
  await using portico = await start()
  const { admin, second } = portico
  const key = `apis/${GROUP}/v1`
  const read = async () => {
    const index = (await admin.get('/openapi/v3')).json<{ paths: Record<string, { serverRelativeURL: string }> }>()
    const v3 = await admin.get(`/openapi/v3/${key}`)
    const v2 = await admin.get('/openapi/v2')
    const fields = (text: string): string => ['alpha', 'beta', 'gamma'].filter((f) => text.includes(`"${f}"`)).join()
    return {
      url: index.paths[key]?.serverRelativeURL,
      group: index.paths[`apis/${GROUP}`] !== undefined,
      core: index.paths['api/v1']!.serverRelativeURL,
      etags: [v3.headers['etag'], v2.headers['etag']],
      status: v3.status,
      fields: [fields(v3.text), fields(v2.text)],
    }
  }
  const before = await read()
  assert.deepEqual(before.fields, ['alpha,beta', 'alpha,beta'])
  await second.publish([groupVersion('v1', [resource('b', 'v1', 'gamma')])])
  const changed = await read()
  assert.deepEqual(changed.fields, ['alpha,gamma', 'alpha,gamma'])
  assert.notEqual(changed.url, before.url)
  for (const i of [0, 1]) assert.notEqual(changed.etags[i], before.etags[i])
  assert.equal(changed.core, before.core)
  const old = await admin.get(before.url!)
  assert.deepEqual([old.status, old.headers['location']], [301, changed.url])
  await second.publish([])
  assert.deepEqual((await read()).fields, ['alpha', 'alpha'])
  await portico.first.publish([])
  const gone = await read()
  assert.deepEqual([gone.url, gone.group, gone.status, gone.fields], [undefined, false, 404, ['', '']])
})
