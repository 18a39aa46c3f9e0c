/** A Portico in front of another one, which stands for a whole cluster. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { type RegisteredSample, registerSample } from '../harness/backends.ts'
import { type FrontedPair, startFrontedPair } from '../harness/fronted.ts'
import { type Answer, type HttpClient, type RequestOptions, httpClient } from '../harness/http-client.ts'
import { installedKubectls, Kubectl } from '../harness/kubectl.ts'
import { freePort } from '../harness/prometheus.ts'
import { missingProgram } from '../harness/programs.ts'

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const V2 = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }

interface Named {
  readonly metadata: { readonly name: string; readonly resourceVersion: string }
}
const namesOf = (list: { items: readonly Named[] }): string[] => list.items.map((o) => o.metadata.name)

/** As the cluster sees the caller. */
async function whoAmI(client: HttpClient, o: RequestOptions = {}): Promise<unknown> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const answer = await client.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', review, o)
  if (answer.status !== 201) return `${answer.status} ${answer.json<{ message: string }>().message}`
  const { username, groups } = answer.json<{ status: { userInfo: { username: string; groups: string[] } } }>().status
    .userInfo
  return `${username} ${groups.join(',')}`
}
async function until(look: () => Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = Date.now() + 15_000
  while (!(await look())) {
    assert.ok(Date.now() < deadlineMs, what)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('as front proxy of a cluster', () => {
  let pair: FrontedPair
  let garden: RegisteredSample
  let library: RegisteredSample
  before(async () => {
    pair = await startFrontedPair({
      clusterArgs: ['--authorization-mode=AlwaysAllow'],
      frontArgs: ({ address }) => ['--authorization-mode=AlwaysAllow', `--core-delegate-kubeconfig=${address}`],
    })
    // One group that the cluster aggregates, one that only the front knows.
    garden = await registerSample(pair.cluster, 'garden')
    library = await registerSample(pair.front, 'library')
  })
  after(async () => {
    await library[Symbol.asyncDispose]()
    await garden[Symbol.asyncDispose]()
    await pair[Symbol.asyncDispose]()
  })

  test('the cluster knows who calls', async () => {
    assert.equal(await whoAmI(pair.front.as('jane', 'dev')), 'jane dev,system:authenticated')
    assert.equal(await whoAmI(pair.front.anonymous), 'system:anonymous system:unauthenticated')
  })

  test('objects are those of the cluster, with their versions', async () => {
    const { front, cluster } = pair
    const made = await front.admin.post(CONFIG_MAPS, { metadata: { name: 'a' }, data: { k: 'v' } })
    assert.equal(made.status, 201, made.text)
    const there = await cluster.admin.get(`${CONFIG_MAPS}/a`)
    assert.deepEqual(there.json(), made.json())
    await cluster.admin.delete(`${CONFIG_MAPS}/a`)
    assert.equal((await front.admin.get(`${CONFIG_MAPS}/a`)).status, 404)
  })

  test('a watch is the cluster’s, and streams', async () => {
    const { front, cluster } = pair
    const { body } = await front.admin.stream(`${CONFIG_MAPS}?watch=true&fieldSelector=metadata.name%3Dwatched`)
    const events = body[Symbol.asyncIterator]()
    await cluster.admin.post(CONFIG_MAPS, { metadata: { name: 'watched' } })
    const first = JSON.parse(String((await events.next()).value)) as { type: string; object: Named }
    assert.deepEqual([first.type, first.object.metadata.name], ['ADDED', 'watched'])
    body.destroy()
  })

  test('discovery is one, in both forms', async () => {
    const { front } = pair
    const groups = async (): Promise<string[]> =>
      namesOf((await front.admin.get('/apis', { headers: V2 })).json<{ items: Named[] }>())
    await until(async () => (await groups()).includes('garden.example.com'), 'the group of the cluster does not show')
    const found = await groups()
    assert.equal(new Set(found).size, found.length)
    for (const group of ['apiregistration.k8s.io', 'coordination.k8s.io', 'library.example.com'])
      assert.ok(found.includes(group), `${group} of ${found.join(' ')}`)
    const legacy = (await front.admin.get('/apis')).json<{ groups: { name: string }[] }>().groups.map((g) => g.name)
    assert.deepEqual(legacy.toSorted(), found.toSorted())
    const list = (await front.admin.get('/apis/garden.example.com/v1')).json<{ resources: { name: string }[] }>()
    assert.deepEqual(
      list.resources.map((r) => r.name),
      ['flowers'],
    )
    const core = (await front.admin.get('/api', { headers: V2 })).json<{
      items: { versions: { resources: object[] }[] }[]
    }>()
    assert.ok(core.items[0]!.versions[0]!.resources.length > 5)
  })

  test('registrations are the front’s own: what the cluster serves is Local there', async () => {
    const { front, cluster } = pair
    await until(
      async () => (await front.admin.get(`${APISERVICES}/v1.garden.example.com`)).status === 200,
      'not registered',
    )
    const local = (await front.admin.get(`${APISERVICES}/v1.garden.example.com`)).json<{ spec: object }>()
    assert.equal('service' in local.spec, false)
    assert.equal((await cluster.admin.get(`${APISERVICES}/${library.apiService}`)).status, 404)
    // The Service it names is the cluster's.
    const { namespace, name } = library.definition.service
    assert.equal((await cluster.admin.get(`/api/v1/namespaces/${namespace}/services/${name}`)).status, 200)
    assert.equal((await front.admin.get(library.collection)).status, 200)
    assert.equal((await cluster.admin.get(library.collection)).status, 404)
  })

  test('OpenAPI is one', async () => {
    const { front } = pair
    const paths = async (): Promise<string[]> =>
      Object.keys((await front.admin.get('/openapi/v3')).json<{ paths: object }>().paths)
    const wanted = ['api/v1', 'apis/apiregistration.k8s.io/v1', 'apis/garden.example.com/v1']
    await until(async () => {
      const found = await paths()
      return wanted.every((key) => found.includes(key))
    }, 'documents are missing')
    const v3 = (await front.admin.get('/openapi/v3/api/v1')).json<{ paths: object }>()
    assert.ok('/api/v1/namespaces/{namespace}/configmaps/{name}' in v3.paths)
    const v2 = (await front.admin.get('/openapi/v2')).json<{ paths: object }>()
    assert.ok('/api/v1/namespaces/{namespace}/configmaps/{name}' in v2.paths)
    assert.ok('/apis/apiregistration.k8s.io/v1/apiservices' in v2.paths)
  })

  for (const protocol of ['SPDY/3.1', 'websocket']) {
    test(`an upgrade to ${protocol} goes through both`, async () => {
      garden.sample.knobs.echoesUpgrades = true
      const socket = await upgrade(pair, `${garden.collection}/rose/exec?command=sh`, protocol)
      socket.write('over and back')
      const [echo] = (await once(socket, 'data')) as [Buffer]
      assert.equal(echo.toString(), 'over and back')
      socket.destroy()
    })
  }

  test('who serves what, and that the cluster answers', async () => {
    const { front } = pair
    const asked = async (path: string): Promise<unknown> => {
      const { delegate } = (await front.admin.get(`/debug/routes?path=${encodeURIComponent(path)}`)).json<{
        delegate?: string
      }>()
      return delegate
    }
    assert.equal(await asked('/api/v1/nodes'), 'core')
    assert.equal(await asked('/logs/'), 'core')
    assert.equal(await asked('/version'), 'portico')
    assert.equal(await asked(APISERVICES), 'aggregator')
    assert.equal(await asked(library.collection), 'aggregator-proxy')
    assert.equal((await front.admin.get('/readyz/delegate-core')).status, 200)
  })

  const kubectls = installedKubectls()
  test('kubectl get, apply, watch', { skip: missingProgram('kubectl', 'kubernetes-client') }, async () => {
    for (const path of await kubectls) {
      await using kubectl = await Kubectl.create(path, pair.front.kubeconfig)
      const name = kubectl.name.replaceAll('.', '-')
      const manifest = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { k: 'v' } }
      const applied = await kubectl.run(['apply', '-f', '-'], { stdin: JSON.stringify(manifest) })
      assert.equal(applied.code, 0, applied.stderr)
      const got = await kubectl.run(['get', 'cm', name, '-o', 'jsonpath={.data.k}'])
      assert.equal(got.stdout, 'v', got.stderr)
      const flowers = await kubectl.run(['get', 'flowers', '-A'])
      assert.equal(flowers.code, 0, flowers.stderr)
      const watched = await kubectl.run(['get', 'cm', '-w', '--output-watch-events'], {
        enough: async (text) => {
          if (text.includes(`DELETED    ${name}`)) return true
          if (text.includes(name)) await pair.cluster.admin.delete(`${CONFIG_MAPS}/${name}`)
          return false
        },
      })
      assert.match(watched.stdout, new RegExp(`ADDED +${name} `))
    }
  })
})

describe('passing bearer tokens through', () => {
  let pair: FrontedPair
  before(async () => {
    pair = await startFrontedPair({
      clusterArgs: ['--authorization-mode=AlwaysAllow'],
      frontArgs: ({ admin }) => [
        '--authorization-mode=AlwaysAllow',
        `--authentication-kubeconfig=${admin}`,
        `--core-delegate-kubeconfig=${admin}`,
        '--core-delegate-identity=passthrough',
      ],
    })
  })
  after(() => pair[Symbol.asyncDispose]())

  test('a token is who it is for the cluster', async () => {
    const headers = { authorization: 'Bearer jane-token' }
    assert.equal(await whoAmI(pair.front.anonymous, { headers }), 'jane dev,system:authenticated')
  })
  test('without any credentials nobody is somebody, and least of all the front', async () => {
    assert.equal(await whoAmI(pair.front.anonymous), 'system:anonymous system:unauthenticated')
  })
  test('a client certificate cannot be passed on', async () => {
    assert.match(
      String(await whoAmI(pair.front.as('jane', 'dev'))),
      /^403 .*takes bearer tokens only: "jane" is known here by a client certificate, which cannot be passed on$/,
    )
  })
  test('a token beside a client certificate is refused, too: two callers in one request', async () => {
    const headers = { authorization: 'Bearer jane-token' }
    assert.match(String(await whoAmI(pair.front.as('joe'), { headers })), /^403 /)
  })
  test('what the front asks for itself goes with its own credentials', async () => {
    assert.equal((await pair.front.admin.get('/readyz')).status, 200)
  })
})

test('a cluster for one group, beside the core server of the front', async () => {
  await using pair = await startFrontedPair({
    clusterArgs: ['--authorization-mode=AlwaysAllow'],
    frontArgs: ({ address, file }) => {
      const delegate = { name: 'gardens', kubeconfig: address, groups: ['garden.example.com'] }
      const kinds = { apiVersion: 'config.portico.dev/v1alpha1', kind: 'PorticoConfiguration' }
      return [`--config=${file('config.yaml', JSON.stringify({ ...kinds, delegates: [delegate] }))}`]
    },
  })
  const { front, cluster } = pair
  await using garden = await registerSample(cluster, 'garden')
  await until(async () => (await front.admin.get(garden.collection)).status === 200, 'the group is not served')
  await cluster.admin.post(CONFIG_MAPS, { metadata: { name: 'theirs' } })
  assert.equal((await front.admin.get(`${CONFIG_MAPS}/theirs`)).status, 404)
  assert.equal((await front.admin.post(CONFIG_MAPS, { metadata: { name: 'ours' } })).status, 201)
  assert.equal((await front.admin.get('/readyz/delegate-gardens')).status, 200)
  assert.equal((await front.admin.get('/logs/')).status, 404)
})

test('a cluster for what nobody else serves, such as CRDs: groups come and go, the core server stays that of the front', async () => {
  await using pair = await startFrontedPair({
    clusterArgs: ['--authorization-mode=AlwaysAllow'],
    frontArgs: ({ address, file }) => {
      const delegate = { name: 'apiextensions', kubeconfig: address, groups: ['*'] }
      const kinds = { apiVersion: 'config.portico.dev/v1alpha1', kind: 'PorticoConfiguration' }
      return [`--config=${file('config.yaml', JSON.stringify({ ...kinds, delegates: [delegate] }))}`]
    },
  })
  const { front, cluster } = pair
  const groups = async (): Promise<string[]> =>
    namesOf((await front.admin.get('/apis', { headers: V2 })).json<{ items: Named[] }>())
  await using garden = await registerSample(cluster, 'garden')
  await using library = await registerSample(front, 'library')
  await until(async () => (await groups()).includes('garden.example.com'), 'the group does not show')
  assert.equal((await front.admin.get(garden.collection)).status, 200)
  assert.equal((await front.admin.get(library.collection)).status, 200)
  await cluster.admin.post(CONFIG_MAPS, { metadata: { name: 'theirs' } })
  assert.equal((await front.admin.get(`${CONFIG_MAPS}/theirs`)).status, 404)
  const own = (await front.admin.get('/api', { headers: V2 })).json<{ items: Named[] }>().items
  assert.equal(own.length, 1, 'one core group')
  await cluster.admin.delete(`${APISERVICES}/${garden.apiService}`)
  await until(async () => !(await groups()).includes('garden.example.com'), 'the group still shows')
  assert.equal((await front.admin.get(garden.collection)).status, 404)
  const routes = await front.admin.get('/debug/routes?path=/apis/nobody.example.com/v1/things')
  assert.match(routes.text, /"delegate":"apiextensions"/)
})

test('a cluster that goes and comes back', async () => {
  const port = await freePort()
  await using pair = await startFrontedPair({
    clusterArgs: [`--secure-port=${port}`, '--authorization-mode=AlwaysAllow'],
    frontArgs: ({ address }) => [`--core-delegate-kubeconfig=${address}`],
  })
  const { front } = pair
  assert.equal((await front.admin.get(CONFIG_MAPS)).status, 200)
  await pair.cluster.stop()
  const gone = await front.admin.get(CONFIG_MAPS)
  assert.equal(gone.status, 503)
  assert.equal(gone.json<{ reason: string }>().reason, 'ServiceUnavailable')
  const known = (await front.admin.get('/apis', { headers: V2 })).json<{ items: Named[] }>()
  assert.ok(namesOf(known).includes('coordination.k8s.io'))
  assert.equal((await front.admin.get(APISERVICES)).status, 200)
  await until(async () => (await front.admin.get('/readyz/delegate-core')).status === 500, 'still ready')
  assert.equal((await front.admin.get('/livez')).status, 200)
  await pair.restartCluster()
  await until(async () => (await front.admin.get('/readyz')).status === 200, 'not ready again')
  assert.equal((await front.admin.get(CONFIG_MAPS)).status, 200)
})

test('a front that starts while its cluster is away has what is its own, and is ready once the cluster is there', async () => {
  const [frontPort, clusterPort] = [await freePort(), await freePort()]
  await using pair = await startFrontedPair({
    clusterArgs: [`--secure-port=${clusterPort}`, '--authorization-mode=AlwaysAllow'],
    frontArgs: ({ address }) => [
      `--secure-port=${frontPort}`,
      '--storage-backend=embedded',
      `--core-delegate-kubeconfig=${address}`,
    ],
  })
  const local = `${APISERVICES}/v1.coordination.k8s.io`
  const uidOf = (answer: Answer): string => answer.json<{ metadata: { uid: string } }>().metadata.uid
  await until(async () => (await pair.front.admin.get(local)).status === 200, 'not registered')
  const uid = uidOf(await pair.front.admin.get(local))
  const { ca, admin: identity } = { ca: pair.front.pki.ca().cert, admin: pair.front.pki.admin() }
  await pair.front.stop()
  await pair.cluster.stop()

  const ready = pair.restartFront()
  const admin = httpClient(`https://127.0.0.1:${frontPort}`, { ca, ...identity })
  const answers = (): Promise<boolean> =>
    admin.get(local).then(
      (a) => a.status === 200,
      () => false,
    )
  try {
    await until(answers, 'the front serves nothing')
    assert.equal((await admin.get('/readyz')).status, 500)
    assert.equal((await admin.get(CONFIG_MAPS)).status, 503)
  } finally {
    // Without it the front never gets ready, and cannot be stopped.
    await pair.restartCluster()
    await ready
  }
  assert.equal((await admin.get(CONFIG_MAPS)).status, 200)
  assert.equal(uidOf(await admin.get(local)), uid)
  await admin.close()
})

/** Through the front, as its administrator. @returns the socket once it is switched. */
async function upgrade({ front }: FrontedPair, path: string, protocol: string): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port: front.server.port,
    ca: front.pki.ca().cert,
    ...front.pki.admin(),
    ALPNProtocols: ['http/1.1'],
  })
  await once(socket, 'secureConnect')
  socket.write(
    [
      `${protocol === 'websocket' ? 'GET' : 'POST'} ${path} HTTP/1.1`,
      'Host: front',
      'Connection: Upgrade',
      `Upgrade: ${protocol}`,
      ...(protocol === 'websocket'
        ? ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']
        : ['Content-Length: 0']),
      '',
      '',
    ].join('\r\n'),
  )
  const [head] = (await once(socket, 'data')) as [Buffer]
  assert.match(head.toString(), /^HTTP\/1\.1 101 /)
  return socket
}
