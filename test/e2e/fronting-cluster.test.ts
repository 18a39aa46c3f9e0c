/** A front as docs/fronting.md sets it up: before another Portico, and before a real kube-apiserver where there is one. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { type KeyPair, makeCertificate } from '../../src/http/certificates.ts'
import { registerSample } from '../harness/backends.ts'
import { type Answer, type HttpClient, httpClient } from '../harness/http-client.ts'
import {
  type KubeApiserver,
  kubeApiserverMissing,
  kubeconfigOf,
  startKubeApiserver,
} from '../harness/kube-apiserver.ts'
import { freePort } from '../harness/prometheus.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { ROOT } from '../harness/tree-copy.ts'
import { until } from '../harness/until.ts'

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const SELF = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
const READY = '/readyz/delegate-core'
const MOMENT_MS = 2_000

/** What the suite needs of what is fronted. */
interface Cluster extends AsyncDisposable {
  readonly url: string
  readonly ca: string
  readonly frontProxyCA: KeyPair
  readonly admin: HttpClient
  readonly clientCA: string
  readonly adminKubeconfig: string
  client(commonName: string, ...organizations: string[]): KeyPair
  /** Serves a new API group. @returns its key in OpenAPI. */
  addGroup(): Promise<string>
  stop(): Promise<void>
  start(): Promise<void>
}

async function porticoCluster(): Promise<Cluster> {
  const dataDir = mkdtempSync(join(tmpdir(), 'portico-cluster-'))
  const port = await freePort()
  const args = ['--authorization-mode=AlwaysAllow', '--storage-backend=embedded', `--secure-port=${port}`]
  let server = await startTestServer(args, { dataDir })
  const cleanUps: AsyncDisposable[] = []
  return {
    url: server.url,
    ca: server.pki.ca().cert,
    frontProxyCA: server.pki.frontProxyCA(),
    admin: server.admin,
    clientCA: join(dataDir, 'pki', 'ca.crt'),
    adminKubeconfig: server.kubeconfig,
    client: (commonName, ...organizations) => server.pki.client({ commonName, organizations }),
    addGroup: async () => {
      const sample = await registerSample(server, 'garden')
      cleanUps.push(sample)
      return 'apis/garden.example.com/v1'
    },
    stop: () => server.stop(),
    start: async () => {
      server = await startTestServer(args, { dataDir })
    },
    [Symbol.asyncDispose]: async () => {
      for (const sample of cleanUps) await sample[Symbol.asyncDispose]()
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function kubernetesCluster(): Promise<Cluster> {
  const kube = await startKubeApiserver()
  await bind(kube, 'jane-admin', 'cluster-admin', { kind: 'User', name: 'jane', apiGroup: 'rbac.authorization.k8s.io' })
  return {
    ...kube,
    clientCA: kube.files.clientCA,
    adminKubeconfig: kube.files.adminKubeconfig,
    addGroup: async () => {
      const schema = { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object' } } } }
      const names = { plural: 'roses', singular: 'rose', kind: 'Rose', listKind: 'RoseList' }
      const spec = {
        group: 'roses.example.com',
        scope: 'Namespaced',
        names,
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      }
      const made = await kube.admin.post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
        metadata: { name: 'roses.roses.example.com' },
        spec,
      })
      assert.equal(made.status, 201, made.text)
      return 'apis/roses.example.com/v1'
    },
  }
}

async function bind(kube: Pick<KubeApiserver, 'admin'>, name: string, role: string, subject: object): Promise<void> {
  const binding = {
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [subject],
  }
  const made = await kube.admin.post('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', binding)
  assert.equal(made.status, 201, made.text)
}

interface Front {
  readonly server: TestServer
  as(user: KeyPair): HttpClient
}
async function startFront(cluster: Cluster, folder: string, more: readonly string[]): Promise<Front> {
  const server = await startTestServer(
    [
      `--client-ca-file=${cluster.clientCA}`,
      `--authentication-kubeconfig=${cluster.adminKubeconfig}`,
      `--authorization-kubeconfig=${cluster.adminKubeconfig}`,
      '--shutdown-watch-termination-grace-period=300ms',
      ...more,
    ],
    { dataDir: folder },
  )
  return { server, as: (user) => httpClient(server.url, { ca: server.pki.ca().cert, ...user }) }
}

async function whoAmI(client: HttpClient): Promise<string> {
  const answer = await client.post(SELF, { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' })
  if (answer.status !== 201) return `${answer.status} ${answer.text}`
  return answer.json<{ status: { userInfo: { username: string } } }>().status.userInfo.username
}
async function tookMs(what: () => Promise<Answer>): Promise<[Answer, number]> {
  const startMs = performance.now()
  const answer = await what()
  return [answer, performance.now() - startMs]
}
type Document = { definitions: Record<string, unknown>; info: unknown; securityDefinitions?: unknown }
type IdentityPhase = { phases: { phase: string; result: string; message: string }[] }
const identityOf = (answer: Answer): { result: string; message: string } =>
  answer.json<IdentityPhase>().phases.find((p) => p.phase === 'identity')!

const clusters = [
  { name: 'another Portico', skip: false as string | false, start: porticoCluster },
  { name: 'a real kube-apiserver', skip: kubeApiserverMissing(), start: kubernetesCluster },
]
for (const { name, skip, start } of clusters) {
  describe(`in front of ${name}`, { skip }, () => {
    let cluster: Cluster
    let front: Front
    let jane: HttpClient
    let folder: string
    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'portico-front-'))
      cluster = await start()
      const file = (path: string, text: string): string => {
        writeFileSync(join(folder, path), text, { mode: 0o600 })
        return join(folder, path)
      }
      const now = Date.now()
      const proxy = makeCertificate(
        {
          commonName: 'front-proxy-client',
          usages: ['client'],
          notBeforeMs: now - 60_000,
          notAfterMs: now + 3_600_000,
        },
        cluster.frontProxyCA,
      )
      front = await startFront(cluster, join(folder, 'data'), [
        `--core-delegate-kubeconfig=${cluster.adminKubeconfig}`,
        `--proxy-client-cert-file=${file('proxy.crt', proxy.cert)}`,
        `--proxy-client-key-file=${file('proxy.key', proxy.key)}`,
      ])
      jane = front.as(cluster.client('jane', 'dev'))
    })
    after(async () => {
      await jane.close()
      await front.server.stop()
      await cluster[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    test('callers are themselves there, and readyz and the doctor have asked as one', async () => {
      assert.equal(await whoAmI(jane), 'jane')
      assert.equal((await front.server.admin.get(READY)).text, 'ok')
      const phase = identityOf(await front.server.admin.get('/debug/delegates/core/diagnosis'))
      assert.deepEqual([phase.result, phase.message], ['ok', 'callers get through as themselves'])
    })

    test('the version and the paths are the cluster’s', async () => {
      const [here, there] = [await jane.get('/version'), await cluster.admin.get('/version')]
      assert.deepEqual(here.json(), there.json())
      const paths = async (client: HttpClient): Promise<string[]> =>
        (await client.get('/')).json<{ paths: string[] }>().paths
      const own = new Set(await paths(front.server.admin))
      // Health and controllers are each server's own, and so are its registrations.
      const missing = (await paths(cluster.admin)).filter(
        (path) => !own.has(path) && !/^\/(healthz|livez|readyz|apis\/apiregistration|debug|flagz|statusz)/.test(path),
      )
      assert.deepEqual(missing, [])
    })

    test('OpenAPI: a new group shows at once, and definitions keep the cluster’s names', async () => {
      const keys = async (client: HttpClient): Promise<string[]> =>
        Object.keys((await client.get('/openapi/v3')).json<{ paths: object }>().paths)
      await keys(jane)
      const key = await cluster.addGroup()
      await until('the cluster shows it', async () => (await keys(cluster.admin)).includes(key))
      const startMs = performance.now()
      await until('the front shows it', async () => (await keys(jane)).includes(key))
      const afterMs = performance.now() - startMs
      assert.ok(afterMs < MOMENT_MS, `${afterMs} ms`)
      const read = async (client: HttpClient): Promise<Document> => (await client.get('/openapi/v2')).json<Document>()
      const [here, there] = [await read(jane), await read(cluster.admin)]
      assert.deepEqual([here.info, here.securityDefinitions], [there.info, there.securityDefinitions])
      const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
      assert.deepEqual(here.definitions[meta], there.definitions[meta])
      const gone = Object.keys(there.definitions).filter(
        (d) => !(d in here.definitions) && !/apiregistration|garden|roses/.test(d),
      )
      assert.deepEqual(gone, [])
    })

    test('it goes: 503 with Retry-After at once, for whoever needs it; its version is remembered; it comes back', async () => {
      const version = (await jane.get('/version')).text
      await cluster.stop()
      const token = { headers: { authorization: 'Bearer unknown-token' } }
      for (let round = 0; round < 2; round++) {
        const asked: [string, () => Promise<Answer>][] = [
          ['jane', () => jane.get(`${CONFIG_MAPS}/away-${round}`)],
          ['a token', () => front.server.anonymous.get(`${CONFIG_MAPS}/away-${round}`, token)],
          ['an administrator', () => front.server.admin.get(CONFIG_MAPS)],
        ]
        for (const [who, ask] of asked) {
          const [answer, ms] = await tookMs(ask)
          assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '1'], `${who}: ${answer.text}`)
          assert.equal(answer.json<{ reason: string }>().reason, 'ServiceUnavailable')
          assert.ok(ms < 1_000, `${who}: ${ms} ms`)
        }
      }
      assert.equal((await front.server.admin.get('/version')).text, version)
      await until('readyz tells', async () => (await front.server.admin.get(READY)).status === 500)
      await cluster.start()
      await until('it is back', async () => (await jane.get(CONFIG_MAPS)).status === 200, 30_000)
      await until('readyz tells', async () => (await front.server.admin.get(READY)).status === 200)
    })

    test('it stops with open watches within the grace period and a second', async () => {
      const watches = await Promise.all(Array.from({ length: 20 }, () => jane.stream(`${CONFIG_MAPS}?watch=true`)))
      const ends = watches.map(async ({ body }) => {
        for await (const _chunk of body);
      })
      const startMs = performance.now()
      await Promise.all([front.server.server.stop(), ...ends])
      const ms = performance.now() - startMs
      assert.ok(ms < 300 + 1_000, `${ms} ms`)
    })
  })
}

test('impersonate: the documented role lets callers in; without it readyz and the doctor say so', {
  skip: kubeApiserverMissing(),
}, async () => {
  await using cluster = await startKubeApiserver()
  const { admin, files } = cluster
  const page = readFileSync(join(ROOT, 'docs/fronting.md'), 'utf8')
  const role = parse(/^```yaml\n([^`]*^kind: ClusterRole$[^`]*)^```$/m.exec(page)![1]!) as {
    metadata: { name: string }
  }
  const account = { kind: 'ServiceAccount', name: 'portico', namespace: 'kube-system' }
  const accounts = '/api/v1/namespaces/kube-system/serviceaccounts'
  await until('the namespace is there', async () => (await admin.get('/api/v1/namespaces/kube-system')).status === 200)
  assert.equal((await admin.post(accounts, { metadata: { name: account.name } })).status, 201)
  const asked = await admin.post(`${accounts}/portico/token`, { spec: { audiences: [] } })
  const { token } = asked.json<{ status: { token: string } }>().status
  await bind(cluster, 'portico-delegator', 'system:auth-delegator', account)
  await bind(cluster, 'jane-admin', 'cluster-admin', {
    kind: 'User',
    name: 'jane',
    apiGroup: 'rbac.authorization.k8s.io',
  })
  const reads = {
    metadata: { name: 'portico' },
    rules: [
      {
        apiGroups: ['', 'discovery.k8s.io'],
        resources: ['services', 'endpointslices', 'namespaces'],
        verbs: ['get', 'list', 'watch'],
      },
    ],
  }
  assert.equal((await admin.post('/apis/rbac.authorization.k8s.io/v1/clusterroles', reads)).status, 201)
  await bind(cluster, 'portico', 'portico', account)
  const folder = mkdtempSync(join(tmpdir(), 'portico-front-'))
  const kubeconfig = files.write('account.kubeconfig', kubeconfigOf(cluster.url, cluster.ca, { token }))
  const port = await freePort()
  const starting = startTestServer(
    [
      `--secure-port=${port}`,
      `--client-ca-file=${files.clientCA}`,
      `--core-delegate-kubeconfig=${kubeconfig}`,
      '--core-delegate-identity=impersonate',
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
    ],
    { dataDir: folder },
  )
  const frontCA = join(folder, 'pki', 'ca.crt')
  const masters = cluster.client('root', 'system:masters')
  await until('the front listens', () => {
    try {
      return readFileSync(frontCA, 'utf8') !== ''
    } catch {
      return false
    }
  })
  const root = httpClient(`https://127.0.0.1:${port}`, { ca: readFileSync(frontCA, 'utf8'), ...masters })
  const jane = httpClient(`https://127.0.0.1:${port}`, { ca: readFileSync(frontCA, 'utf8'), ...cluster.client('jane') })
  try {
    const why = /may not impersonate callers: .*cannot impersonate resource/
    await until('the doctor says so', async () => {
      const answer = await root.get('/debug/delegates/core/diagnosis').catch(() => undefined)
      return answer?.status === 200 && why.test(identityOf(answer).message)
    })
    assert.match((await root.get(READY)).text, why)
    assert.equal((await jane.get(CONFIG_MAPS)).status, 403)
    const made = await admin.post('/apis/rbac.authorization.k8s.io/v1/clusterroles', role)
    assert.equal(made.status, 201, made.text)
    await bind(cluster, 'portico-impersonator', role.metadata.name, account)
    await until('jane is let in', async () => (await jane.get(CONFIG_MAPS)).status === 200)
    assert.equal(await whoAmI(jane), 'jane')
    await until('it is ready', async () => (await root.get(READY)).status === 200)
  } finally {
    await root.close()
    await jane.close()
    await (await starting).stop()
    await rm(folder, { recursive: true, force: true })
  }
})
