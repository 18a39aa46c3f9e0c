/** `portico filters`, `routes` and `doctor`, as people run them, and the endpoints behind them. */
import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import { test } from 'node:test'
import { SAMPLES } from '../../fixtures/backends/definitions.ts'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import type { Diagnosis, PhaseName } from '../../src/servers/aggregator/diagnosis/report.ts'
import { registerBackend, registerSample, untilCondition } from '../harness/backends.ts'
import { freePort } from '../harness/prometheus.ts'
import { type Ended, startPortico } from '../harness/portico-process.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

async function run(portico: TestServer, ...args: string[]): Promise<Ended> {
  await using made = startPortico([...args, `--kubeconfig=${portico.kubeconfig}`])
  return await made.ended
}
async function diagnosis(portico: TestServer, apiService: string): Promise<Diagnosis> {
  const answer = await portico.admin.get(`/debug/apiservices/${apiService}/diagnosis`)
  assert.equal(answer.status, 200, answer.text)
  return answer.json<Diagnosis>()
}
const phase = (d: Diagnosis, name: PhaseName) => d.phases.find((p) => p.phase === name)!
const caOf = (portico: TestServer): string => Buffer.from(portico.pki.ca().cert).toString('base64')

test('portico filters lists the chain in its order', async () => {
  await using made = startPortico(['filters'])
  const { code, stdout } = await made.ended
  assert.equal(code, 0)
  const names = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' ')[0])
  assert.equal(names[0], 'audit-init')
  assert.equal(names.at(-1), 'authorization')
  assert.ok(stdout.split('\n').every((line) => line === '' || /^\S+ +\S.*\.$/.test(line)))
})

test('portico routes says who would serve a request, and why', async (t) => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const rows = [
    {
      name: 'a resource of a backend',
      args: ['GET', `${garden.collection}/rose`],
      code: 0,
      says: [/^delegate +aggregator-proxy$/m, /^owner +v1\.garden\.example\.com$/m, /^endpoints +localhost:\d+$/m],
    },
    {
      name: 'a resource of this server, for somebody else',
      args: ['POST', '/api/v1/namespaces/default/configmaps', '--as=jane', '--as-group=dev'],
      code: 1,
      says: [/^delegate +core$/m, /^access +jane may not$/m, /configmaps of v1 in namespace default$/m],
    },
    {
      name: 'a fixed path',
      args: ['/version'],
      code: 0,
      says: [/^because +fixed path \/version$/m, /^access +\S+ may/m],
    },
    { name: 'nobody', args: ['GET', '/nowhere'], code: 1, says: [/^delegate +none$/m, /404/] },
  ]
  for (const { name, args, code, says } of rows) {
    await t.test(name, async () => {
      const ended = await run(portico, 'routes', ...args)
      assert.equal(ended.code, code, ended.stderr)
      for (const text of says) assert.match(ended.stdout, text)
    })
  }
  await t.test('only administrators may ask', async () => {
    assert.equal((await portico.as('jane').get('/debug/routes?path=/version')).status, 403)
    assert.equal((await portico.as('jane').get(`/debug/apiservices/${garden.apiService}/diagnosis`)).status, 403)
  })
})

test('portico doctor: all is well', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const { code, stdout, stderr } = await run(portico, 'doctor', garden.apiService, '-o', 'json')
  const [found] = JSON.parse(stdout) as Diagnosis[]
  assert.equal(code, 0, stderr)
  assert.deepEqual(
    found!.phases.filter((p) => p.result !== 'ok'),
    [],
  )
  assert.equal(phase(found!, 'identity').details!['bypassable'], false)
  assert.match(phase(found!, 'tls').message, /verified as garden\.\S+\.svc/)
  const table = await run(portico, 'doctor')
  assert.match(table.stdout, /^APISERVICE +TARGET +AVAILABLE +RESOLVE +DIAL +TLS/m)
  assert.match(table.stdout, /^v1\.garden\.example\.com +service \S+ +yes +ok +ok +ok/m)
})

const faults: readonly {
  name: string
  break: (portico: TestServer) => Promise<AsyncDisposable>
  phase: PhaseName
  says: RegExp
}[] = [
  {
    name: 'a port where nobody listens',
    break: async (portico) => {
      await registerBackend(portico, {
        definition: SAMPLES['garden']!,
        port: await freePort(),
        caBundle: caOf(portico),
      })
      return nothing
    },
    phase: 'dial',
    says: /ECONNREFUSED/,
  },
  {
    name: 'a certificate for another name',
    break: (portico) => registerSample(portico, 'garden', { certificateNames: ['other.example.com'], wait: false }),
    phase: 'tls',
    says: /it is for DNS:other\.example\.com; garden\.\S+\.svc is needed/,
  },
  {
    name: 'a certificate of another CA',
    break: async (portico) => {
      const sample = await registerSample(portico, 'garden')
      const hour = { notBeforeMs: Date.now() - 3_600_000, notAfterMs: Date.now() + 3_600_000 }
      const other = Buffer.from(makeCA({ commonName: 'other', ...hour }).cert).toString('base64')
      const path = `/apis/apiregistration.k8s.io/v1/apiservices/${sample.apiService}`
      await portico.admin.patch(path, 'merge', { spec: { caBundle: other } })
      return sample
    },
    phase: 'tls',
    says: /issued by CN=portico-ca, which caBundle does not cover/,
  },
  {
    name: 'a backend that believes anybody who claims to be a front proxy',
    break: (portico) => credulousBackend(portico),
    phase: 'identity',
    says: /believes identity headers of anybody/,
  },
  {
    name: 'a backend whose initial events never end',
    break: (portico) => credulousBackend(portico),
    phase: 'watchlist',
    says: /initial events never end/,
  },
]
for (const fault of faults) {
  test(`a diagnosis names ${fault.name}`, async () => {
    await using portico = await startTestServer()
    await using _backend = await fault.break(portico)
    const found = await until(
      () => diagnosis(portico, 'v1.garden.example.com'),
      (d) => phase(d, fault.phase).result === 'failed',
    )
    assert.match(phase(found, fault.phase).message, fault.says)
  })
}

test('portico doctor: an APIService without its backend, and what waits for it', async () => {
  await using portico = await startTestServer()
  await registerBackend(portico, { definition: SAMPLES['garden']!, port: await freePort(), caBundle: caOf(portico) })
  await untilCondition(portico, 'v1.garden.example.com', (c) => c?.status === 'False')
  await stale(portico, 'garden.example.com')
  await portico.admin.post('/api/v1/namespaces', { metadata: { name: 'leaving' } })
  await portico.admin.delete('/api/v1/namespaces/leaving')
  type Leaving = { status: { conditions?: { type: string; status: string }[] } }
  await until(
    async () => (await portico.admin.get('/api/v1/namespaces/leaving')).json<Leaving>(),
    ({ status }) =>
      status.conditions?.some((c) => c.type === 'NamespaceDeletionDiscoveryFailure' && c.status === 'True') === true,
  )
  const { code, stdout } = await run(portico, 'doctor')
  assert.equal(code, 1)
  assert.match(stdout, /^v1\.garden\.example\.com +\S+ \S+ +no +ok +failed +- /m)
  assert.match(stdout, /^- v1\.garden\.example\.com: dial: localhost:\d+: .*ECONNREFUSED/m)
  assert.match(stdout, /^- v1\.garden\.example\.com: cannot be deleted meanwhile: namespaces leaving$/m)
})

test('commands that cannot be run like this', async (t) => {
  await using portico = await startTestServer()
  const rows = [
    { name: 'routes without a path', args: ['routes'], code: 2, says: /needs a method and a path/ },
    {
      name: 'a header without a colon',
      args: ['routes', '/version', '--header', 'X-Canary'],
      code: 2,
      says: /--header: "X-Canary" is not of the form "Name: value"/,
    },
    {
      name: 'a header whose name is none',
      args: ['routes', '/version', '--header=X-One: 1', '--header=X Canary: yes'],
      code: 2,
      says: /--header: "X Canary: yes" is not of the form/,
    },
    {
      name: 'a header that would be two',
      args: ['routes', '/version', '--header=X-Canary: yes\r\nX-More: 1'],
      code: 2,
      says: /--header: header X-Canary has a value that cannot be sent/,
    },
    {
      name: 'a header that says who asks',
      args: ['routes', '/version', '--header=Authorization: Bearer secret'],
      code: 2,
      says: /--header: Authorization says who asks/,
    },
    {
      name: 'groups of nobody',
      args: ['routes', '/version', '--as-group=dev'],
      code: 2,
      says: /--as-group: needs --as/,
    },
    { name: 'an unknown option', args: ['doctor', '--all'], code: 2, says: /unknown flag --all/ },
    {
      name: 'a near option',
      args: ['doctor', '--tiemout=1'],
      code: 2,
      says: /unknown flag --tiemout \(did you mean --timeout\?\)/,
    },
    {
      name: 'a verb in place of a method',
      args: ['routes', 'list', '/version'],
      code: 2,
      says: /"list" is no method: one of GET, /,
    },
    { name: 'an unknown form', args: ['doctor', '-o', 'yaml'], code: 2, says: /--output: must be json/ },
    { name: 'an argument for filters', args: ['filters', 'x'], code: 2, says: /unexpected argument "x"/ },
    { name: 'an APIService that is not there', args: ['doctor', 'v1.nobody'], code: 1, says: /"v1\.nobody" not found/ },
  ]
  for (const { name, args, code, says } of rows) {
    await t.test(name, async () => {
      const kubeconfig = args[0] === 'filters' ? [] : [`--kubeconfig=${portico.kubeconfig}`]
      await using made = startPortico([...args, ...kubeconfig])
      const ended = await made.ended
      assert.equal(ended.code, code)
      assert.match(ended.stderr + ended.stdout, says)
    })
  }
  await t.test('no kubeconfig', async () => {
    await using made = startPortico(['doctor', '--kubeconfig=/missing/kubeconfig'])
    const ended = await made.ended
    assert.equal(ended.code, 2)
    assert.match(ended.stderr, /\/missing\/kubeconfig does not exist/)
  })
})

/** Only then a namespace waits for the group. */
async function stale(portico: TestServer, group: string): Promise<void> {
  const headers = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' }
  type Groups = { items: { metadata: { name?: string }; versions: { freshness: string }[] }[] }
  const look = async (): Promise<Groups> => (await portico.admin.get('/apis', { headers })).json<Groups>()
  await until(look, ({ items }) => items.find((g) => g.metadata.name === group)?.versions[0]!.freshness === 'Stale')
}

const nothing: AsyncDisposable = { [Symbol.asyncDispose]: async () => {} }

/** Serves flowers to whoever says to be system:masters, and never ends the initial events of a watch. */
async function credulousBackend(portico: TestServer): Promise<AsyncDisposable> {
  const definition = SAMPLES['garden']!
  const hour = { notBeforeMs: Date.now() - 3_600_000, notAfterMs: Date.now() + 3_600_000 }
  const ca = makeCA({ commonName: 'ca', ...hour })
  const { namespace, name } = definition.service
  const pair = makeCertificate({ commonName: name, names: [`${name}.${namespace}.svc`], ...hour }, ca)
  const resource = { name: definition.resource, namespaced: true, kind: definition.kind, verbs: ['list', 'watch'] }
  const list = { kind: 'APIResourceList', groupVersion: `${definition.group}/v1`, resources: [resource] }
  const server = createServer(pair, (req, res) => {
    const believed = req.headers['x-remote-group']?.includes('system:masters') === true
    res.writeHead(believed ? 200 : 403, { 'content-type': 'application/json' })
    if (req.url!.includes('watch=true')) {
      res.flushHeaders()
      setTimeout(() => res.end(), 500)
    } else res.end(JSON.stringify(list))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await registerBackend(portico, { definition, port, caBundle: Buffer.from(ca.cert).toString('base64') })
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The table of APIServices follows a registration a moment later. */
async function until<T>(look: () => Promise<T>, wanted: (value: T) => boolean): Promise<T> {
  const deadlineMs = Date.now() + 10_000
  for (;;) {
    const value = await look().catch((e: unknown) => e as Error)
    if (!(value instanceof Error) && wanted(value)) return value
    assert.ok(Date.now() < deadlineMs, JSON.stringify(value))
  }
}
