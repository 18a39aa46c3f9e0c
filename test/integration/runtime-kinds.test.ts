/**
 * A kind that nobody compiled in: made from schemas while the server runs, served in two versions that something
 * asynchronous converts. Everything that clients do with a built-in kind, over HTTP.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { KubeObject } from '../../src/api/meta.ts'
import type { Answer } from '../harness/http-client.ts'
import { GROUP, Widgets } from '../harness/runtime-kinds.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until, untilTurn } from '../harness/until.ts'

const widgets = new Widgets()
let portico: TestServer
before(async () => {
  portico = await startTestServer([], { servers: widgets.server })
  await widgets.publish()
  await until('the group is there', async () => (await portico.admin.get(`/apis/${GROUP}/v2`)).status === 200)
})
after(async () => {
  await portico.stop()
  await widgets[Symbol.asyncDispose]()
})

interface Widget extends KubeObject {
  spec: { size?: number; color?: string; dimensions?: { size?: number }; tags?: string[]; parts?: object[] }
  status?: { ready?: boolean }
}
const path = (version: string, namespace: string, name = ''): string =>
  `/apis/${GROUP}/${version}/namespaces/${namespace}/widgets${name === '' ? '' : `/${name}`}`
const widget = (version: string, name: string, spec: object): object => ({
  apiVersion: `${GROUP}/${version}`,
  kind: 'Widget',
  metadata: { name },
  spec,
})
const PROTOBUF = 'application/vnd.kubernetes.protobuf'
const as = (kind: string, type = 'application/json'): { headers: Record<string, string> } => ({
  headers: { accept: `${type};as=${kind};g=meta.k8s.io;v=v1` },
})

/** Each test in a namespace of its own. */
async function namespace(name: string, ...made: readonly (readonly [string, string, object])[]): Promise<string> {
  await portico.admin.post('/api/v1/namespaces', { metadata: { name } })
  for (const [version, object, spec] of made) {
    const answer = await portico.admin.post(path(version, name), widget(version, object, spec))
    assert.equal(answer.status, 201, answer.text)
  }
  return name
}
const specOf = (answer: Answer): Widget['spec'] => {
  assert.ok(answer.status < 300, answer.text)
  return answer.json<Widget>().spec
}

describe('reads and writes', () => {
  test('what one version creates, the other reads in its own form; defaults are there at once', async () => {
    const ns = await namespace('create')
    const created = await portico.admin.post(path('v2', ns), widget('v2', 'a', { dimensions: { size: 3 } }))
    assert.equal(created.status, 201, created.text)
    assert.deepEqual(created.json<Widget>().spec, { dimensions: { size: 3 }, color: 'red' })
    assert.equal(created.json<Widget>().apiVersion, `${GROUP}/v2`)
    assert.deepEqual(specOf(await portico.admin.get(path('v1', ns, 'a'))), { size: 3, color: 'red' })
    assert.deepEqual(specOf(await portico.admin.get(path('v2', ns, 'a'))), { dimensions: { size: 3 }, color: 'red' })
    const again = await portico.admin.post(path('v1', ns), widget('v1', 'a', {}))
    assert.equal(again.status, 409)
  })
  test('lists, pages and selectors, in both versions', async () => {
    const ns = await namespace('lists', ['v1', 'a', { size: 1 }], ['v2', 'b', { dimensions: { size: 2 } }])
    const list = async (version: string, query = ''): Promise<Answer> => portico.admin.get(path(version, ns) + query)
    const items = (answer: Answer): unknown[] =>
      answer.json<{ items: Widget[] }>().items.map((i) => i.spec.size ?? i.spec.dimensions)
    const [first, second] = [await list('v1'), await list('v2')]
    assert.deepEqual(
      [items(first), items(second)],
      [
        [1, 2],
        [{ size: 1 }, { size: 2 }],
      ],
    )
    assert.equal(second.json<KubeObject>().kind, 'WidgetList')
    const page = (await list('v2', '?limit=1')).json<{ metadata: { continue: string; remainingItemCount: number } }>()
    assert.equal(page.metadata.remainingItemCount, 1)
    assert.deepEqual(items(await list('v2', `?limit=1&continue=${page.metadata.continue}`)), [{ size: 2 }])
    assert.deepEqual(items(await list('v2', '?fieldSelector=metadata.name%3Db')), [{ size: 2 }])
  })
  test('both versions are watched at once, and no event is lost or out of order', async () => {
    const ns = await namespace('watches')
    const stop = new AbortController()
    const seen = await Promise.all(
      ['v1', 'v2'].map(async (version) => {
        const { body } = await portico.admin.stream(`${path(version, ns)}?watch=1`, { signal: stop.signal })
        const events: string[] = []
        void (async () => {
          let rest = ''
          for await (const chunk of body) {
            const lines = (rest + String(chunk)).split('\n')
            rest = lines.pop()!
            for (const line of lines) {
              const { type, object } = JSON.parse(line) as { type: string; object: Widget }
              events.push(
                `${type} ${object.apiVersion?.split('/')[1]} ${object.spec.size ?? object.spec.dimensions?.size}`,
              )
            }
          }
        })().catch(() => {})
        return events
      }),
    )
    await portico.admin.post(path('v2', ns), widget('v2', 'a', { dimensions: { size: 1 } }))
    await portico.admin.patch(path('v1', ns, 'a'), 'merge', { spec: { size: 2 } })
    await portico.admin.delete(path('v2', ns, 'a'))
    await untilTurn('both have three events', () => seen.every((events) => events.length === 3))
    stop.abort()
    assert.deepEqual(seen, [
      ['ADDED v1 1', 'MODIFIED v1 2', 'DELETED v1 2'],
      ['ADDED v2 1', 'MODIFIED v2 2', 'DELETED v2 2'],
    ])
  })
  test('an update needs the version that it was made from', async () => {
    const ns = await namespace('updates', ['v1', 'a', { size: 1 }])
    const old = (await portico.admin.get(path('v2', ns, 'a'))).json<Widget>()
    const changed = await portico.admin.put(path('v2', ns, 'a'), { ...old, spec: { dimensions: { size: 5 } } })
    assert.deepEqual(specOf(changed), { dimensions: { size: 5 }, color: 'red' })
    assert.equal((await portico.admin.put(path('v2', ns, 'a'), { ...old, spec: {} })).status, 409)
    const { resourceVersion } = changed.json<Widget>().metadata
    const same = await portico.admin.put(path('v2', ns, 'a'), changed.json())
    assert.equal(same.json<Widget>().metadata.resourceVersion, resourceVersion, 'a write of the same is none')
  })
  test('patches by JSON patch and merge patch; a strategic one is not taken', async () => {
    const ns = await namespace('patches', ['v1', 'a', { size: 1, tags: ['x'] }])
    const operations = [
      { op: 'test', path: '/spec/dimensions/size', value: 1 },
      { op: 'add', path: '/spec/tags/-', value: 'y' },
    ]
    assert.deepEqual(specOf(await portico.admin.patch(path('v2', ns, 'a'), 'json', operations)).tags, ['x', 'y'])
    const merged = await portico.admin.patch(path('v1', ns, 'a'), 'merge', { spec: { color: null, size: 7 } })
    assert.deepEqual(specOf(merged), { size: 7, color: 'red', tags: ['x', 'y'] })
    const strategic = await portico.admin.patch(path('v1', ns, 'a'), 'strategic', {})
    assert.equal(strategic.status, 415)
    assert.match(
      strategic.text,
      /accepted media types include: application\/json-patch\+json, application\/merge-patch\+json, application\/apply-patch\+yaml/,
    )
  })
  test('status is written by its own path', async () => {
    const ns = await namespace('status', ['v1', 'a', { size: 1 }])
    const patched = await portico.admin.patch(`${path('v2', ns, 'a')}/status`, 'merge', {
      spec: { color: 'blue' },
      status: { ready: true },
    })
    const { spec, status } = patched.json<Widget>()
    assert.deepEqual([spec.color, status], ['red', { ready: true }])
    const other = await portico.admin.patch(path('v1', ns, 'a'), 'merge', { status: { ready: false } })
    assert.deepEqual(other.json<Widget>().status, { ready: true })
  })
  test('a dry run stores nothing', async () => {
    const ns = await namespace('dry-runs', ['v1', 'a', { size: 1 }])
    const tried = await portico.admin.post(`${path('v2', ns)}?dryRun=All`, widget('v2', 'b', {}))
    assert.equal(tried.status, 201)
    assert.equal((await portico.admin.get(path('v2', ns, 'b'))).status, 404)
    const patched = await portico.admin.patch(`${path('v2', ns, 'a')}?dryRun=All`, 'merge', { spec: { color: 'x' } })
    assert.equal(specOf(patched).color, 'x')
    assert.equal(specOf(await portico.admin.get(path('v1', ns, 'a'))).color, 'red')
  })
  test('deletecollection takes what its selector finds', async () => {
    const ns = await namespace('collections', ['v1', 'a', {}], ['v2', 'b', {}], ['v1', 'c', {}])
    const some = await portico.admin.delete(`${path('v2', ns)}?fieldSelector=metadata.name%3Db`)
    assert.equal(some.status, 200, some.text)
    assert.equal((await portico.admin.get(path('v1', ns))).json<{ items: unknown[] }>().items.length, 2)
    await portico.admin.delete(path('v1', ns))
    assert.equal((await portico.admin.get(path('v2', ns))).json<{ items: unknown[] }>().items.length, 0)
  })
})

describe('who owns which field', () => {
  const apply = (ns: string, version: string, manager: string, spec: object, force = false): Promise<Answer> =>
    portico.admin.patch(
      `${path(version, ns, 'a')}?fieldManager=${manager}&force=${force}`,
      'apply',
      widget(version, 'a', spec),
    )
  test('lists merge by their keys, and what an applier drops goes', async () => {
    const ns = await namespace('apply')
    await apply(ns, 'v1', 'one', { size: 1, tags: ['a', 'b'], parts: [{ name: 'x', count: 1 }] })
    await apply(ns, 'v1', 'two', { tags: ['c'], parts: [{ name: 'y', count: 2 }] })
    const last = await apply(ns, 'v1', 'one', { size: 1, tags: ['a'] })
    assert.deepEqual(specOf(last), { size: 1, color: 'red', tags: ['a', 'c'], parts: [{ name: 'y', count: 2 }] })
  })
  test('a conflict names who owns the field, in the version in which it is owned', async () => {
    const ns = await namespace('conflicts')
    await apply(ns, 'v1', 'one', { size: 1 })
    const refused = await apply(ns, 'v2', 'two', { dimensions: { size: 2 } })
    assert.equal(refused.status, 409)
    assert.match(refused.text, /conflict with \\"one\\": .spec.size/)
    const forced = await apply(ns, 'v2', 'two', { dimensions: { size: 2 } }, true)
    assert.equal(specOf(forced).dimensions?.size, 2)
    const owners = forced.json<{ metadata: { managedFields: { manager: string; apiVersion: string }[] } }>().metadata
    assert.deepEqual(
      owners.managedFields.map((m) => `${m.manager} ${m.apiVersion}`),
      [`two ${GROUP}/v2`],
    )
  })
  test('two appliers that say the same in two versions own it together', async () => {
    const ns = await namespace('shared')
    await apply(ns, 'v1', 'one', { size: 1 })
    assert.equal((await apply(ns, 'v2', 'two', { dimensions: { size: 1 } })).status, 200)
    const dropped = await apply(ns, 'v1', 'one', {})
    assert.equal(specOf(dropped).size, 1, 'the other one still has it')
    assert.equal(specOf(await apply(ns, 'v2', 'two', {})).dimensions?.size, undefined)
  })
})

describe('forms of answers', () => {
  test('tables and metadata alone, also in protobuf', async () => {
    const ns = await namespace('forms', ['v1', 'a', { color: 'green' }])
    const table = await portico.admin.get(path('v2', ns), as('Table'))
    assert.deepEqual(
      table.json<{ rows: { cells: unknown[] }[] }>().rows.map((r) => r.cells),
      [['a', 'green']],
    )
    const partial = await portico.admin.get(path('v2', ns, 'a'), as('PartialObjectMetadata'))
    assert.deepEqual(Object.keys(partial.json<object>()), ['kind', 'apiVersion', 'metadata'])
    const list = await portico.admin.get(path('v2', ns), as('PartialObjectMetadataList', PROTOBUF))
    assert.equal(list.headers['content-type'], PROTOBUF)
  })
  test('objects themselves have no protobuf form', async () => {
    const ns = await namespace('protobuf', ['v1', 'a', {}])
    for (const query of ['', '?watch=1']) {
      const answer = await portico.admin.get(path('v1', ns) + query, { headers: { accept: PROTOBUF } })
      assert.equal(answer.status, 406, query)
    }
    const either = await portico.admin.get(path('v1', ns), { headers: { accept: `${PROTOBUF},application/json` } })
    assert.equal(either.headers['content-type'], 'application/json')
    const body = await portico.admin.post(path('v1', ns), Buffer.from('k8s\0'), {
      headers: { 'content-type': PROTOBUF },
    })
    assert.equal(body.status, 415)
  })
  test('YAML goes in and out', async () => {
    const ns = await namespace('yaml')
    const headers = { 'content-type': 'application/yaml', accept: 'application/yaml' }
    const text = `apiVersion: ${GROUP}/v1\nkind: Widget\nmetadata: {name: why}\nspec: {size: 4}\n`
    const created = await portico.admin.post(path('v1', ns), text, { headers })
    assert.equal(created.status, 201, created.text)
    assert.match(created.text, /^ {2}size: 4$/m)
  })
})

describe('bad input', () => {
  test('unknown fields are told as strictly as the client asks', async () => {
    const ns = await namespace('fields')
    const body = widget('v1', 'a', { size: 1, sise: 2 })
    const strict = await portico.admin.post(`${path('v1', ns)}?fieldValidation=Strict`, body)
    assert.equal(strict.status, 400)
    assert.match(strict.text, /unknown field \\"spec.sise\\"/)
    const warned = await portico.admin.post(`${path('v1', ns)}?fieldValidation=Warn`, body)
    assert.equal(warned.headers['warning'], '299 - "unknown field \\"spec.sise\\""')
    assert.equal((await portico.admin.post(`${path('v1', ns)}?fieldValidation=Ignore`, body)).status, 409)
    assert.deepEqual(specOf(await portico.admin.get(path('v1', ns, 'a'))), { size: 1, color: 'red' })
  })
  const wrong: readonly (readonly [string, object, number, RegExp])[] = [
    ['another type', widget('v1', 'a', { size: 'big' }), 422, /spec.size in body must be of type integer/],
    ['another version than the path', widget('v2', 'a', {}), 400, /does not match the expected API version/],
    ['another kind', { ...widget('v1', 'a', {}), kind: 'Gadget' }, 400, /Gadget/],
    ['no name', { ...widget('v1', 'a', {}), metadata: {} }, 422, /name or generateName is required/],
    ['a list', [], 400, /./],
    ['a name that is no text', { ...widget('v1', 'a', {}), metadata: { name: true } }, 400, /cannot unmarshal bool/],
  ]
  for (const [what, body, code, message] of wrong) {
    test(`${what} is refused`, async () => {
      const answer = await portico.admin.post(path('v1', 'default'), body)
      assert.equal(answer.status, code, answer.text)
      assert.match(answer.text, message)
    })
  }
})

test('while the converter is down, what is cached is read on; what needs it fails; then all goes on', async () => {
  const ns = await namespace('down', ['v1', 'a', { size: 1 }])
  await portico.admin.get(path('v2', ns, 'a'))
  widgets.converter.isDown = true
  const written = await portico.admin.post(path('v2', ns), widget('v2', 'b', {}))
  assert.equal(written.status, 500)
  assert.match(written.text, /the converter is down/)
  assert.equal((await portico.admin.post(path('v1', ns), widget('v1', 'c', { size: 3 }))).status, 201)
  assert.equal((await portico.admin.get(`${path('v2', ns, 'a')}?resourceVersion=0`)).status, 200)
  widgets.converter.isDown = false
  await until('the other version has caught up', async () => {
    const answer = await portico.admin.get(path('v2', ns, 'c'))
    return answer.status === 200 && specOf(answer).dimensions?.size === 3
  })
})

test('many objects are converted in few batches', async () => {
  const ns = await namespace('batches')
  for (let i = 0; i < 40; i++) await portico.admin.post(path('v1', ns), widget('v1', `w${i}`, { size: i }))
  await widgets.unpublish()
  await widgets.publish()
  const before = widgets.converter.batches.length
  const answer = await portico.admin.get(path('v2', ns))
  assert.equal(answer.json<{ items: unknown[] }>().items.length, 40)
  assert.equal(widgets.converter.batches.length - before, 1)
})

describe('documents', () => {
  test('discovery and OpenAPI have both versions, with their schemas', async () => {
    const discovery = await portico.admin.get(`/apis/${GROUP}/v2`)
    const [resource, view] = discovery.json<{ resources: { name: string; kind: string; shortNames?: string[] }[] }>()
      .resources
    assert.deepEqual([resource?.name, resource?.shortNames, view?.name], ['widgets', ['wd'], 'widgets/status'])
    for (const version of ['v1', 'v2']) {
      const document = (await portico.admin.get(`/openapi/v3/apis/${GROUP}/${version}`)).json<{
        paths: Record<
          string,
          { patch: { requestBody: { content: object } }; get: { responses: { 200: { content: object } } } }
        >
        components: { schemas: Record<string, { properties: { spec: { properties: object } } }> }
      }>()
      const item = `/apis/${GROUP}/${version}/namespaces/{namespace}/widgets/{name}`
      assert.ok(document.paths[`${item}/status`])
      assert.deepEqual(Object.keys(document.paths[item]!.patch.requestBody.content), [
        'application/json-patch+json',
        'application/merge-patch+json',
        'application/apply-patch+yaml',
      ])
      assert.deepEqual(Object.keys(document.paths[item]!.get.responses[200].content), [
        'application/json',
        'application/yaml',
      ])
      const schema = document.components.schemas[`com.example.shop.${version}.Widget`]!
      assert.equal('dimensions' in schema.properties.spec.properties, version === 'v2')
    }
    await until('OpenAPI v2 has it', async () =>
      (await portico.admin.get('/openapi/v2')).text.includes('"com.example.shop.v2.Widget"'),
    )
  })
  test('what is published no more is gone', async () => {
    await widgets.unpublish()
    assert.equal((await portico.admin.get(path('v1', 'default'))).status, 404)
    await widgets.publish()
    assert.equal((await portico.admin.get(path('v1', 'default'))).status, 200)
  })
})
