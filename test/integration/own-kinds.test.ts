/** What clients ask the kinds of our own server for, in the forms and words of kube-apiserver 1.35. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { unwrapProtobuf } from '../../src/api/codec/protobuf-envelope.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews'
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
const as = (kind: string): string => `application/json;as=${kind};g=meta.k8s.io;v=v1`

describe('own kinds', () => {
  let portico: TestServer
  before(async () => {
    portico = await startTestServer()
  })
  after(() => portico.stop())

  /** Names that carry the label. */
  const names = async (): Promise<string[]> =>
    (await portico.admin.get(`${CONFIG_MAPS}?labelSelector=mine`))
      .json<{ items: { metadata: { name: string } }[] }>()
      .items.map((i) => i.metadata.name)
  const fill = async (): Promise<void> => {
    await portico.admin.delete(`${CONFIG_MAPS}?labelSelector=mine`)
    for (const name of ['a', 'b', 'c'])
      await portico.admin.post(CONFIG_MAPS, { metadata: { name, labels: { mine: '' } }, data: { k: name } })
  }

  describe('deletecollection', () => {
    const deleted = (accept: string, more = ''): ReturnType<TestServer['admin']['delete']> =>
      portico.admin.delete(`${CONFIG_MAPS}?labelSelector=mine${more}`, { headers: { accept } })

    test('in protobuf tells what it deleted', async () => {
      await fill()
      const answer = await deleted('application/vnd.kubernetes.protobuf')
      assert.equal(answer.status, 200, answer.text)
      const { kind, raw } = unwrapProtobuf(answer.bytes)
      assert.equal(kind, 'ConfigMapList')
      for (const name of ['a', 'b', 'c']) assert.ok(Buffer.from(raw).includes(`\x0a\x01${name}`), name)
      assert.deepEqual(await names(), [])
    })
    test('as a table has a row for each', async () => {
      await fill()
      const { kind, rows } = (await deleted(as('Table'))).json<{ kind: string; rows: { cells: unknown[] }[] }>()
      assert.deepEqual([kind, rows.map((r) => r.cells[0])], ['Table', ['a', 'b', 'c']])
      assert.deepEqual(await names(), [])
    })
    test('as partial metadata lists the metadata, a page of it with its continue token', async () => {
      await fill()
      const list = (await deleted(as('PartialObjectMetadataList'), '&limit=2')).json<{
        kind: string
        metadata: { continue?: string }
        items: { kind: string; data?: unknown; metadata: { name: string } }[]
      }>()
      assert.equal(list.kind, 'PartialObjectMetadataList')
      assert.deepEqual(
        list.items.map((i) => [i.kind, i.metadata.name, i.data]),
        [
          ['PartialObjectMetadata', 'a', undefined],
          ['PartialObjectMetadata', 'b', undefined],
        ],
      )
      assert.ok(list.metadata.continue)
      assert.deepEqual(await names(), ['c'])
    })
    for (const [name, accept, more, status] of [
      ['a form that lists do not have', as('PartialObjectMetadata'), '', 406],
      ['a media type that nobody has', 'image/png', '', 406],
      ['a table with an unknown includeObject', as('Table'), '&includeObject=All', 400],
    ] as const)
      test(`asked for in ${name} deletes nothing`, async () => {
        await fill()
        assert.equal((await deleted(accept, more)).status, status)
        assert.deepEqual(await names(), ['a', 'b', 'c'])
      })
  })

  const NUMBERS: readonly (readonly [query: string, message: string])[] = [
    ['limit=9223372036854775808', 'strconv.ParseInt: parsing "9223372036854775808": value out of range'],
    ['limit=-9223372036854775809', 'strconv.ParseInt: parsing "-9223372036854775809": value out of range'],
    ['timeoutSeconds=99999999999999999999', 'strconv.ParseInt: parsing "99999999999999999999": value out of range'],
    ['limit=abc', 'strconv.ParseInt: parsing "abc": invalid syntax'],
    ['limit=', 'strconv.ParseInt: parsing "": invalid syntax'],
  ]
  for (const [query, message] of NUMBERS)
    test(`a list with ${query} is refused`, async () => {
      const answer = await portico.admin.get(`${CONFIG_MAPS}?${query}`)
      assert.deepEqual([answer.status, answer.json<{ message: string }>().message], [400, message])
    })
  test('the largest limit, and a negative one, list all', async () => {
    for (const limit of ['9223372036854775807', '-1', '0000000000000000000000001'])
      assert.equal((await portico.admin.get(`${CONFIG_MAPS}?limit=${limit}`)).status, 200, limit)
  })
  test('a resource version beyond 64 bits is refused', async () => {
    const answer = await portico.admin.get(`${CONFIG_MAPS}?resourceVersion=18446744073709551616`)
    assert.equal(answer.status, 400)
    assert.match(answer.text, /value out of range/)
  })
  test('a watch of a negative timeoutSeconds ends at once', { timeout: 20_000 }, async () => {
    for (const more of ['', '&resourceVersion=0', '&sendInitialEvents=false&resourceVersionMatch=NotOlderThan'])
      assert.equal((await portico.admin.get(`${CONFIG_MAPS}?watch=1&timeoutSeconds=-1${more}`)).status, 200)
  })

  test('/apis has one order in both forms, and each group but that of APIServices has one', async () => {
    const legacy = (await portico.admin.get('/apis')).json<{ groups: { name: string }[] }>().groups.map((g) => g.name)
    const { items } = (await portico.admin.get('/apis', { headers: { accept: AGGREGATED } })).json<{
      items: { metadata: { name: string } }[]
    }>()
    assert.deepEqual(
      legacy,
      items.map((i) => i.metadata.name),
    )
    assert.equal(legacy[0], 'apiregistration.k8s.io')
    const registered = (await portico.admin.get('/apis/apiregistration.k8s.io/v1/apiservices')).json<{
      items: { metadata: { labels: object }; spec: { group?: string } }[]
    }>().items
    const groups = new Set(registered.flatMap((i) => i.spec.group ?? []))
    assert.ok(groups.has('gateway.portico.dev'))
    assert.deepEqual([...groups].sort(), legacy.filter((g) => g !== 'apiregistration.k8s.io').sort())
    for (const { metadata } of registered)
      assert.deepEqual(metadata.labels, { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' })
  })

  test('of the secrets of a ServiceAccount the names are kept', async () => {
    const path = '/api/v1/namespaces/default/serviceaccounts'
    const secrets = [{ name: 'a', kind: 'Secret', namespace: 'other', uid: '1', fieldPath: 'x' }, {}]
    const made = await portico.admin.post(path, { metadata: { name: 'mine' }, secrets })
    assert.deepEqual(made.json<{ secrets: object[] }>().secrets, [{ name: 'a' }, {}])
    const patched = await portico.admin.patch(`${path}/mine`, 'merge', { secrets: [{ name: 'b', uid: '2' }] })
    assert.deepEqual(patched.json<{ secrets: object[] }>().secrets, [{ name: 'b' }])
  })

  test('a SelfSubjectRulesReview knows the fixed rules', async () => {
    const rulesOf = async (client: TestServer['admin'], namespace: string): Promise<unknown> =>
      (await client.post(REVIEWS, { spec: { namespace } })).json<{ status: object }>().status
    const own = {
      resourceRules: [
        { verbs: ['create'], apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'] },
        {
          verbs: ['create'],
          apiGroups: ['authorization.k8s.io'],
          resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
        },
      ],
      nonResourceRules: [
        { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version', '/version/'] },
        { verbs: ['get'], nonResourceURLs: ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*'] },
      ],
    }
    assert.deepEqual(await rulesOf(portico.as('jane'), 'default'), { ...own, incomplete: false })
    const backend = (await rulesOf(portico.as('b', 'portico:backends'), 'kube-system')) as typeof own
    assert.ok(backend.resourceRules.some((r) => 'resourceNames' in r))
    const elsewhere = (await rulesOf(portico.as('b', 'portico:backends'), 'default')) as typeof own
    assert.ok(!elsewhere.resourceRules.some((r) => 'resourceNames' in r))
    const admin = (await rulesOf(portico.admin, 'default')) as typeof own & { incomplete: boolean }
    assert.ok(admin.resourceRules.some((r) => r.verbs[0] === '*' && r.resources[0] === '*'))
    assert.equal(admin.incomplete, false)
  })

  test('/openapi/v3 lists what stands above the group versions, and serves it', async () => {
    const { paths } = (await portico.admin.get('/openapi/v3')).json<{
      paths: Record<string, { serverRelativeURL: string }>
    }>()
    const wanted: readonly (readonly [key: string, path: string, operationId: string, schema: string])[] = [
      ['api', '/api/', 'getCoreAPIVersions', 'io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions'],
      ['apis', '/apis/', 'getAPIVersions', 'io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList'],
      [
        'apis/discovery.k8s.io',
        '/apis/discovery.k8s.io/',
        'getDiscoveryAPIGroup',
        'io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup',
      ],
      ['version', '/version/', 'getCodeVersion', 'io.k8s.apimachinery.pkg.version.Info'],
    ]
    for (const [key, path, operationId, schema] of wanted) {
      const answer = await portico.admin.get(paths[key]!.serverRelativeURL)
      const document = answer.json<{
        paths: Record<string, { get: { operationId: string } }>
        components: { schemas: Record<string, object> }
      }>()
      assert.equal(document.paths[path]?.get.operationId, operationId)
      assert.ok(document.components.schemas[schema], schema)
      const protobuf = { headers: { accept: 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf' } }
      assert.equal((await portico.admin.get(`/openapi/v3/${key}`, protobuf)).status, 200, key)
    }
  })
})
