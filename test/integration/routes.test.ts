/** `portico routes` where a BackendPolicy decides: each answer is compared with who serves that very request. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendPolicySpec } from '../../src/api/backend-policy.ts'
import type { ExplainedBackend } from '../../src/servers/aggregator/diagnosis/explain-backend.ts'
import { untilCondition } from '../harness/backends.ts'
import { type Ended, startPortico } from '../harness/portico-process.ts'
import {
  answerText,
  namedBackend,
  RAW_API_SERVICE,
  RAW_PATH,
  type RawBackend,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const named = (name: string) => answerText(JSON.stringify({ name }))
const policyOf = (a: RawBackend, b: RawBackend): Omit<BackendPolicySpec, 'targets'> => ({
  backends: [namedBackend('default', a), namedBackend('other', b)],
  routes: [
    { matches: [{ resources: ['moved', 'things/status'] }], to: [{ backend: 'other' }] },
    { matches: [{ users: ['jane'] }, { groups: ['dev', 'system:serviceaccounts:ci'] }], to: [{ backend: 'other' }] },
    { matches: [{ verbs: ['list'], headers: [{ name: 'X-Canary', value: 'yes' }] }], to: [{ backend: 'other' }] },
    { matches: [{ headers: [{ name: 'X-Any' }] }], to: [{ backend: 'other' }, { backend: 'default', weight: 0 }] },
    {
      matches: [{ resources: ['shared'] }],
      to: [
        { backend: 'default', weight: 3 },
        { backend: 'other', weight: 1 },
      ],
    },
  ],
  probe: { interval: '500ms', failureThreshold: 2, successThreshold: 1 },
})

interface Asked {
  readonly method?: string
  /** Below the group version. */
  readonly path: string
  readonly as?: string
  readonly groups?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}
async function routes(
  portico: TestServer,
  { method = 'GET', path, as, groups = [], headers = {} }: Asked,
): Promise<Ended> {
  await using made = startPortico([
    'routes',
    method,
    `${RAW_PATH}/${path}`,
    ...(as === undefined ? [] : [`--as=${as}`]),
    ...groups.map((group) => `--as-group=${group}`),
    ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
    `--kubeconfig=${portico.kubeconfig}`,
  ])
  return await made.ended
}
/** @returns the name of the backend that served it, or the status. */
async function served(
  portico: TestServer,
  { method = 'GET', path, as, groups = [], headers = {} }: Asked,
): Promise<string> {
  const impersonated = as === undefined ? {} : { 'impersonate-user': as }
  const inGroup = groups.length === 0 ? {} : { 'impersonate-group': groups[0]! }
  const answer = await portico.admin.request(method, `${RAW_PATH}/${path}`, {
    headers: { ...impersonated, ...inGroup, ...headers },
  })
  return answer.status === 200 ? answer.json<{ name: string }>().name : String(answer.status)
}
function question(path: string, headers: readonly string[]): string {
  const query = new URLSearchParams({ path })
  for (const line of headers) query.append('header', line)
  return `/debug/routes?${query.toString()}`
}
async function explained(
  portico: TestServer,
  path: string,
  headers: readonly string[] = [],
): Promise<ExplainedBackend> {
  const answer = await portico.admin.get(question(`${RAW_PATH}/${path}`, headers))
  assert.equal(answer.status, 200, answer.text)
  return answer.json<{ apiService: ExplainedBackend }>().apiService
}

const cases: readonly (Asked & { name: string; backend: 'default' | 'other'; says: RegExp })[] = [
  {
    name: 'by resource',
    path: 'moved',
    backend: 'other',
    says: /^route +spec\.routes\[0\] of BackendPolicy raw: matches\[0\]: resource moved$/m,
  },
  {
    name: 'by subresource',
    path: 'things/a/status',
    backend: 'other',
    says: /spec\.routes\[0\] .*: resource things\/status$/m,
  },
  {
    name: 'by user',
    path: 'things',
    as: 'jane',
    backend: 'other',
    says: /spec\.routes\[1\] .*: matches\[0\]: user jane$/m,
  },
  {
    name: 'by group',
    path: 'things',
    as: 'joe',
    groups: ['dev'],
    backend: 'other',
    says: /spec\.routes\[1\] .*: matches\[1\]: group dev$/m,
  },
  {
    name: 'by a group that impersonation gives',
    path: 'things',
    as: 'system:serviceaccount:ci:bot',
    backend: 'other',
    says: /spec\.routes\[1\] .*: group system:serviceaccounts:ci$/m,
  },
  {
    name: 'by header and verb',
    path: 'things',
    headers: { 'x-canary': 'yes' },
    backend: 'other',
    says: /spec\.routes\[2\] .*: verb list and header X-Canary: yes$/m,
  },
  {
    name: 'not by another value of the header',
    path: 'things',
    headers: { 'X-Canary': 'no' },
    backend: 'default',
    says: /^route +spec\.routes of BackendPolicy raw: none matches$/m,
  },
  {
    name: 'not by another verb',
    path: 'things/a',
    headers: { 'X-Canary': 'yes' },
    backend: 'default',
    says: /none matches$/m,
  },
  {
    name: 'by a header of any value, the second of two',
    path: 'things',
    headers: { 'X-Canary': 'no', 'X-Any': '' },
    backend: 'other',
    says: /spec\.routes\[3\] .*: header X-Any\nweight +100 %: other, \S+, available\nweight +0 %: default, \S+, available\naccess/m,
  },
  { name: 'by none', path: 'things', as: 'joe', backend: 'default', says: /none matches$/m },
]
test('portico routes names the backend that the routes of a policy lead to, and why', async (t) => {
  await using portico = await startTestServer(['--authorization-mode=AlwaysAllow'])
  await using a = await startRawBackend(portico, { host: '127.0.0.2', handler: named('default') })
  await using b = await startRawBackend(portico, { host: '127.0.0.3', handler: named('other') })
  await registerRaw(portico, policyOf(a, b))
  const endpoint = { default: `${a.address}:${a.port}`, other: `${b.address}:${b.port}` }
  for (const { name, backend, says, ...asked } of cases) {
    await t.test(name, async () => {
      const { code, stdout, stderr } = await routes(portico, asked)
      assert.equal(code, 0, stderr)
      const state = `${RAW_API_SERVICE}: backend ${backend}, ${endpoint[backend]}, available`
      assert.ok(stdout.includes(`\nAPIService  ${state}\nendpoints   ${endpoint[backend]}\n`), stdout)
      assert.match(stdout, says)
      assert.equal(await served(portico, asked), backend)
    })
  }

  await t.test('by weight', async () => {
    const found = new Set<string>()
    for (let i = 0; i < 12; i++) {
      const agent = `client-${i}`
      const { backend, target, endpoints, route } = await explained(portico, 'shared', [`User-Agent: ${agent}`])
      const { shares = [], client, index } = route!
      assert.deepEqual([index, client], [4, `portico:admin with User-Agent ${agent}`])
      assert.deepEqual(
        shares.map((s) => [s.backend, s.percent, s.available, s.endpoints]),
        [
          ['default', 75, true, [endpoint.default]],
          ['other', 25, true, [endpoint.other]],
        ],
      )
      assert.equal(backend, await served(portico, { path: 'shared', headers: { 'user-agent': agent } }))
      assert.deepEqual([target, endpoints], [endpoint[backend as 'other'], [endpoint[backend as 'other']]])
      found.add(backend!)
    }
    assert.deepEqual(found, new Set(['default', 'other']))
  })

  await t.test('by weight, as people read it', async () => {
    const { stdout } = await routes(portico, { path: 'shared' })
    assert.match(stdout, /^route +spec\.routes\[4\] of BackendPolicy raw: matches\[0\]: resource shared$/m)
    assert.match(stdout, /^weight +75 %: default, 127\.0\.0\.2:\d+, available$/m)
    assert.match(stdout, /^weight +25 %: other, 127\.0\.0\.3:\d+, available$/m)
    assert.match(stdout, /^client +\S+ without a User-Agent$/m)
  })
})

test('portico routes tells of a backend that is down, and who takes its clients', async () => {
  await using portico = await startTestServer()
  await using a = await startRawBackend(portico, { host: '127.0.0.2', handler: named('default') })
  await using b = await startRawBackend(portico, { host: '127.0.0.3', handler: named('other') })
  await registerRaw(portico, policyOf(a, b))
  const agents = Array.from({ length: 12 }, (_, i) => `User-Agent: client-${i}`)
  const before = await Promise.all(agents.map((line) => explained(portico, 'shared', [line])))
  const agent = agents[before.findIndex((e) => e.backend === 'other')]!
  await b.close()
  await untilCondition(portico, RAW_API_SERVICE, (c) => c?.status === 'True', 'Degraded')

  const moved = await routes(portico, { path: 'moved' })
  assert.match(moved.stdout, /^APIService +\S+: backend other, 127\.0\.0\.3:\d+, not available: .*connection refused/m)
  const { backend, available, route } = await explained(portico, 'shared', [agent])
  assert.deepEqual([backend, available, route?.insteadOf], ['default', true, 'other'])
  assert.deepEqual(
    route?.shares?.map((s) => [s.backend, s.percent, s.available]),
    [
      ['default', 75, true],
      ['other', 25, false],
    ],
  )
})

test('/debug/routes refuses headers that are none, and whoever may not ask', async () => {
  await using portico = await startTestServer()
  const ask = (headers: readonly string[]): string => question('/version', headers)
  const refused: readonly { headers: readonly string[]; says: RegExp }[] = [
    { headers: ['X-Canary'], says: /header: \\"X-Canary\\" is not of the form/ },
    { headers: [': yes'], says: /is not of the form/ },
    { headers: ['X-Canary: yes\r\nX-More: 1'], says: /has a value that cannot be sent/ },
    { headers: ['X-Canary: \0'], says: /has a value that cannot be sent/ },
    { headers: ['impersonate-user: root'], says: /impersonate-user says who asks/ },
    { headers: ['Authorization: Bearer x'], says: /Authorization says who asks/ },
    { headers: Array.from({ length: 65 }, (_, i) => `X-${i}: 1`), says: /more than 64 headers/ },
  ]
  for (const { headers, says } of refused) {
    const answer = await portico.admin.get(ask(headers))
    assert.equal(answer.status, 400, answer.text)
    assert.match(answer.text, says)
  }
  assert.equal((await portico.admin.get(ask(['X-Canary: yes', 'X-Empty:']))).status, 200)
  assert.equal((await portico.admin.get('/debug/routes?path=/version&as-group=dev')).status, 400)
  assert.equal((await portico.as('jane').get(ask(['X-Canary: yes']))).status, 403)
})
