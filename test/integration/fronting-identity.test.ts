/** Whom a fronted server is told that it serves, for each way of telling it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { WebSocket } from 'ws'
import { completeConfig } from '../../src/app/config/config.ts'
import { readOptions } from '../../src/app/config/read-options.ts'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { type RecordingCluster, type SeenCall, startRecordingCluster } from '../harness/recording-cluster.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { ROOT } from '../harness/tree-copy.ts'

const folder = mkdtempSync(join(tmpdir(), 'portico-identity-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const validity = { notBeforeMs: Date.now() - 3_600_000, notAfterMs: Date.now() + 3_600_000 }
const ca = makeCA({ commonName: 'cluster-ca', ...validity })
const serving = makeCertificate({ commonName: 'cluster', names: ['127.0.0.1'], ...validity }, ca)
const ours = makeCertificate({ commonName: 'portico', ...validity }, ca)
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const TOKEN = { token: 'own-token' }
const CERTIFICATE = { 'client-certificate-data': base64(ours.cert), 'client-key-data': base64(ours.key) }
const OBJECTS = '/api/v1/namespaces/default/configmaps'

function kubeconfig(cluster: RecordingCluster, user: object, name = 'kubeconfig'): string {
  const path = join(folder, name)
  const trusted = { server: cluster.url, 'certificate-authority-data': base64(ca.cert) }
  const config = { clusters: [{ name: 'c', cluster: trusted }], users: [{ name: 'u', user }] }
  writeFileSync(`${path}.next`, JSON.stringify(config))
  renameSync(`${path}.next`, path)
  return path
}
async function start(cluster: RecordingCluster, user: object, identity: string): Promise<TestServer> {
  return startTestServer([
    '--authorization-mode=AlwaysAllow',
    `--token-auth-file=${TOKENS}`,
    `--core-delegate-kubeconfig=${kubeconfig(cluster, user)}`,
    `--core-delegate-identity=${identity}`,
  ])
}
const TOKENS = join(folder, 'tokens.csv')
writeFileSync(TOKENS, 'jane-token,jane,7,dev\n')

/** What of a request says who calls. */
function claims({ headers, certificate }: SeenCall): Record<string, unknown> {
  const named = Object.entries(headers).filter(([name]) => /^(x-remote-|impersonate-|authorization)/.test(name))
  return { ...Object.fromEntries(named.filter(([name]) => !name.includes('-extra-'))), certificate }
}

const FORGED = { 'X-Remote-User': 'root', 'X-Remote-Group': 'system:masters' }
const rows: readonly {
  name: string
  identity: string
  user: object
  caller: object
  self: object
}[] = [
  {
    name: 'requestheader, without credentials of our own',
    identity: 'requestheader',
    user: {},
    caller: {
      'x-remote-user': 'jane',
      'x-remote-uid': '7',
      'x-remote-group': 'dev, system:authenticated',
      certificate: 'portico:front-proxy-client',
    },
    self: {
      'x-remote-user': 'system:apiserver',
      'x-remote-group': 'system:masters, system:authenticated',
      certificate: 'portico:front-proxy-client',
    },
  },
  {
    name: 'requestheader, with a token of our own',
    identity: 'requestheader',
    user: TOKEN,
    caller: {
      'x-remote-user': 'jane',
      'x-remote-uid': '7',
      'x-remote-group': 'dev, system:authenticated',
      certificate: 'portico:front-proxy-client',
    },
    self: { authorization: 'Bearer own-token', certificate: '' },
  },
  {
    name: 'impersonate, with a token',
    identity: 'impersonate',
    user: TOKEN,
    caller: {
      'impersonate-user': 'jane',
      'impersonate-uid': '7',
      'impersonate-group': 'dev, system:authenticated',
      authorization: 'Bearer own-token',
      certificate: '',
    },
    self: { authorization: 'Bearer own-token', certificate: '' },
  },
  {
    name: 'impersonate, with a certificate',
    identity: 'impersonate',
    user: CERTIFICATE,
    caller: {
      'impersonate-user': 'jane',
      'impersonate-uid': '7',
      'impersonate-group': 'dev, system:authenticated',
      certificate: 'portico',
    },
    self: { certificate: 'portico' },
  },
  {
    name: 'passthrough: the token alone, on a connection without our certificate',
    identity: 'passthrough',
    user: CERTIFICATE,
    caller: { authorization: 'Bearer jane-token', certificate: '' },
    self: { certificate: 'portico' },
  },
]
for (const { name, identity, user, caller, self } of rows) {
  test(`a fronted server is told: ${name}`, async () => {
    await using cluster = await startRecordingCluster(serving, '/k8s/clusters/c-1')
    await using front = await start(cluster, user, identity)
    const headers = { authorization: 'Bearer jane-token', ...FORGED }
    assert.equal((await front.anonymous.get(OBJECTS, { headers })).status, 200)
    const find = (path: string): SeenCall => cluster.seen.find((s) => s.path === `/k8s/clusters/c-1${path}`)!
    assert.deepEqual(claims(find(OBJECTS)), caller)
    for (const path of ['/api/v1/services', '/apis']) assert.deepEqual(claims(find(path)), self, path)
  })
}

for (const { name, identity, user, caller } of rows) {
  for (const protocol of ['SPDY/3.1', 'websocket']) {
    test(`an upgrade to ${protocol} goes through, and the fronted server is told the same: ${name}`, async () => {
      await using cluster = await startRecordingCluster(serving, '/k8s/clusters/c-1', { switches: true })
      await using front = await start(cluster, user, identity)
      const path = '/api/v1/namespaces/default/pods/a/exec?command=sh'
      const sent = request(`${front.url}${path}`, {
        ca: front.pki.ca().cert,
        method: protocol === 'websocket' ? 'GET' : 'POST',
        headers: {
          ...FORGED,
          Authorization: 'Bearer jane-token',
          Connection: 'Upgrade',
          Upgrade: protocol,
          ...(protocol === 'websocket'
            ? { 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' }
            : { 'Content-Length': '0' }),
        },
      }).end()
      sent.on('response', ({ statusCode }) => sent.destroy(new Error(`not switched: ${statusCode}`)))
      const [answer, socket] = (await once(sent, 'upgrade')) as [IncomingMessage, Socket]
      assert.deepEqual([answer.statusCode, answer.headers.upgrade], [101, protocol])
      socket.write('over and back')
      const [echo] = (await once(socket, 'data')) as [Buffer]
      assert.equal(echo.toString(), 'over and back')
      socket.destroy()
      const [told] = cluster.seen.filter((s) => s.path.endsWith('/pods/a/exec'))
      assert.equal(told?.path, '/k8s/clusters/c-1/api/v1/namespaces/default/pods/a/exec')
      assert.deepEqual(claims(told), caller)
    })
  }
}

test('the configurations in docs/fronting.md can be used', () => {
  const page = readFileSync(join(ROOT, 'docs/fronting.md'), 'utf8')
  const path = join(folder, 'documented.yaml')
  const files = [...page.matchAll(/^```yaml\n([^`]*^kind: PorticoConfiguration$[^`]*)^```$/gm)]
  const found = files.map(([, file]) => {
    writeFileSync(path, file!)
    const { delegates } = completeConfig(readOptions({ args: [`--config=${path}`], env: {} }))
    return delegates.map((d) => [d.name, d.identity, d.groups, d.isRest])
  })
  assert.deepEqual(found, [
    [
      ['batch', 'requestheader', ['batch', '*.jobs.example.com'], false],
      ['core', 'requestheader', undefined, false],
    ],
    [['apiextensions', 'requestheader', ['*'], true]],
  ])
})

for (const { identity, want } of [
  { identity: 'impersonate', want: /^v4\.channel\.k8s\.io$/ },
  { identity: 'passthrough', want: /^v4\.channel\.k8s\.io, ?base64url\.bearer\.authorization\.k8s\.io\./ },
]) {
  test(`a token that came as a sub-protocol of a WebSocket, with ${identity}`, async () => {
    await using cluster = await startRecordingCluster(serving)
    await using front = await start(cluster, TOKEN, identity)
    const token = `base64url.bearer.authorization.k8s.io.${Buffer.from('jane-token').toString('base64url')}`
    const path = `${OBJECTS}/a/exec`
    const socket = new WebSocket(`${front.url.replace('https', 'wss')}${path}`, ['v4.channel.k8s.io', token], {
      ca: front.pki.ca().cert,
    })
    // The recording cluster switches to nothing.
    await once(socket, 'error')
    const { headers } = cluster.seen.find((s) => s.path === path)!
    assert.match(headers['sec-websocket-protocol']!, want)
  })
}

test('new credentials are used without a restart', async () => {
  await using cluster = await startRecordingCluster(serving)
  await using front = await start(cluster, TOKEN, 'impersonate')
  kubeconfig(cluster, { token: 'next-token' })
  const headers = { authorization: 'Bearer jane-token' }
  const deadlineMs = Date.now() + 10_000
  while (cluster.seen.findLast((s) => s.path === OBJECTS)?.headers.authorization !== 'Bearer next-token') {
    assert.ok(Date.now() < deadlineMs, 'the old token stays in use')
    assert.equal((await front.anonymous.get(OBJECTS, { headers })).status, 200)
  }
})

const REFUSED: readonly { name: string; file: string; says: RegExp }[] = [
  {
    name: 'impersonation without credentials',
    file: 'delegates: [{name: a, kubeconfig: KUBECONFIG, identity: impersonate}]',
    says: /delegates\[0\]\.kubeconfig: .*names no credentials, which impersonate needs/,
  },
  {
    name: 'two for everything',
    file: 'delegates: [{name: a, kubeconfig: KUBECONFIG}, {name: b, kubeconfig: KUBECONFIG}]',
    says: /delegates\[1\]\.kubeconfig: one delegate alone can be without groups/,
  },
  {
    name: 'one name twice',
    file: 'delegates: [{name: a, kubeconfig: KUBECONFIG, groups: [x]}, {name: a, kubeconfig: KUBECONFIG}]',
    says: /delegates\[1\]\.kubeconfig: there is another delegate with the name a/,
  },
  {
    name: 'an identity that nobody knows',
    file: 'delegates: [{name: a, kubeconfig: KUBECONFIG, identity: magic}]',
    says: /delegates\[0\]\.identity: must be one of requestheader, impersonate, passthrough/,
  },
  { name: 'no kubeconfig', file: 'delegates: [{name: a}]', says: /delegates\[0\]\.kubeconfig: is needed/ },
  {
    name: 'an unknown field',
    file: 'delegates: [{name: a, kubeconfig: KUBECONFIG, group: x}]',
    says: /delegates\[0\]: unknown field group/,
  },
  {
    name: 'no groups',
    file: 'delegates: [{name: a, kubeconfig: KUBECONFIG, groups: []}]',
    says: /delegates\[0\]\.groups: must be a list of API groups/,
  },
  {
    name: 'the rest and a name',
    file: "delegates: [{name: a, kubeconfig: KUBECONFIG, groups: ['*', x]}]",
    says: /delegates\[0\]\.groups: "\*" is everything that nobody else serves: name no other beside it/,
  },
  {
    name: 'two for the rest',
    file: "delegates: [{name: a, kubeconfig: KUBECONFIG, groups: ['*']}, {name: b, kubeconfig: KUBECONFIG, groups: ['*']}]",
    says: /delegates\[1\]\.kubeconfig: one delegate alone can have the groups that nobody else serves/,
  },
  {
    name: 'one for everything and one for the rest',
    file: "delegates: [{name: a, kubeconfig: KUBECONFIG}, {name: b, kubeconfig: KUBECONFIG, groups: ['*']}]",
    says: /delegates\[1\]\.kubeconfig: nothing is left for it beside a, which is without groups/,
  },
]
for (const { name, file, says } of REFUSED) {
  test(`a configuration of delegates with ${name} is refused`, async () => {
    await using cluster = await startRecordingCluster(serving)
    const text = file.replaceAll('KUBECONFIG', kubeconfig(cluster, {}))
    const config = join(folder, 'config.yaml')
    writeFileSync(config, `apiVersion: config.portico.dev/v1alpha1\nkind: PorticoConfiguration\n${text}\n`)
    const dataDir = join(folder, 'refused')
    await assert.rejects(startTestServer([`--config=${config}`], { dataDir }), {
      name: 'ConfigurationError',
      message: says,
    })
  })
}
