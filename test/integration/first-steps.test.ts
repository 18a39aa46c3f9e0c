/** What a newcomer meets: versions, flags of kube-apiserver, starts that fail, routes, and the log. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect } from 'node:tls'
import { acceptedFlags } from '../../src/app/config/accepted-flags.ts'
import { isOptionName } from '../../src/app/config/options.ts'
import { readOptions } from '../../src/app/config/read-options.ts'
import { DataDir } from '../../src/app/files/data-dir.ts'
import { Pki } from '../../src/app/files/pki.ts'
import { registerBackend, registerSample, untilCondition } from '../harness/backends.ts'
import { httpClient } from '../harness/http-client.ts'
import { type Ended, type RunningProcess, serveReady, startPortico } from '../harness/portico-process.ts'
import { startTestServer } from '../harness/server.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portico-first-steps-'))
})
after(() => rm(folder, { recursive: true, force: true }))

async function run(...args: string[]): Promise<Ended> {
  await using made = startPortico(args)
  return await made.ended
}
const serve = (dataDir: string, ...args: string[]): RunningProcess =>
  startPortico([
    'serve',
    '--secure-port=0',
    '--bind-address=127.0.0.1',
    '--storage-backend=memory',
    `--data-dir=${dataDir}`,
    ...args,
  ])

test('the version, in each spelling', async () => {
  for (const args of [['--version'], ['version'], ['serve', '--version']]) {
    const { code, stdout } = await run(...args)
    assert.equal(code, 0)
    assert.match(stdout, /^portico \d+\.\d+\.\d+ \(Kubernetes v1\.35, Node v24\.\d+\.\d+\)\n$/)
  }
})

test('help of one command, asked either way', async () => {
  const [asked, given] = await Promise.all([run('help', 'routes'), run('routes', '--help')])
  assert.equal(asked.stdout, given.stdout)
  assert.match(asked.stdout, /^Usage: portico routes /)
})

/** As the test environment of controller-runtime and common start scripts pass them. */
const SCRIPT = [
  '--allow-privileged=true',
  '--disable-admission-plugins=ServiceAccount',
  '--enable-admission-plugins=NodeRestriction',
  '--feature-gates=A=true,B=false',
  '--service-cluster-ip-range=10.0.0.0/24',
  '--service-account-issuer=https://kubernetes.default.svc',
  '--service-account-key-file=sa.pub',
  '--service-account-signing-key-file',
  'sa.key',
  '--max-requests-inflight=400',
  '--profiling=false',
  '--enable-priority-and-fairness',
  '--authorization-mode=Node,RBAC',
]

test('flags of kube-apiserver that change nothing are accepted, and each is told once', async () => {
  await using portico = serve(join(folder, 'script'), ...SCRIPT, '--max-requests-inflight=500')
  const port = await serveReady(portico)
  const told = portico
    .stderr()
    .split('\n')
    .filter((line) => line.includes('"level":"warn"'))
    .map((line) => (JSON.parse(line) as { msg: string }).msg)
  const names = SCRIPT.filter((a) => a.startsWith('--') && !a.startsWith('--authorization-mode')).map(
    (a) => a.split('=')[0]!,
  )
  for (const name of names)
    assert.equal(told.filter((line) => line.startsWith(`${name} has no effect here: `)).length, 1, name)
  assert.ok(told.some((line) => line.startsWith('--authorization-mode=RBAC: there are no roles yet')))
  // RBAC without roles permits what the fixed rules do.
  const pki = new Pki(new DataDir(join(folder, 'script')), () => Date.now())
  const url = `https://127.0.0.1:${port}`
  const jane = httpClient(url, { ca: pki.ca().cert, ...pki.client({ commonName: 'jane', organizations: [] }) })
  const admin = httpClient(url, { ca: pki.ca().cert, ...pki.admin() })
  assert.equal((await jane.get('/apis')).status, 200)
  assert.equal((await jane.get('/api/v1/namespaces')).status, 403)
  assert.equal((await admin.get('/api/v1/namespaces')).status, 200)
  await Promise.all([jane.close(), admin.close()])
})

test('no flag is both an option and without effect, and none is listed twice', () => {
  const names = acceptedFlags().flatMap((a) => a.names)
  assert.deepEqual(names.filter(isOptionName), [])
  assert.equal(new Set(names).size, names.length)
  const { withoutEffect } = readOptions({
    args: ['--profiling', '--audit-log-path', 'x', '--profiling=false'],
    env: {},
  })
  assert.deepEqual(
    withoutEffect.map((f) => f.name),
    ['profiling', 'audit-log-path'],
  )
})

test('--cert-dir gives the serving pair, --tls-cipher-suites what is agreed on, --disable-http2-serving HTTP/1.1', async () => {
  const certDir = join(folder, 'certs')
  mkdirSync(certDir)
  const pki = new Pki(new DataDir(join(folder, 'other-pki')), () => Date.now())
  const pair = pki.servingFor('given', ['localhost', '127.0.0.1'])
  await writeFile(join(certDir, 'apiserver.crt'), pair.cert)
  await writeFile(join(certDir, 'apiserver.key'), pair.key)
  await using portico = serve(
    join(folder, 'cert-dir'),
    `--cert-dir=${certDir}`,
    '--tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_AES_128_GCM_SHA256',
    '--disable-http2-serving',
  )
  const port = await serveReady(portico)
  const agreed = async (o: object): Promise<{ cipher: string; alpn: string | false | null; issuer: unknown }> => {
    const socket = connect({ host: '127.0.0.1', port, ca: pki.ca().cert, ALPNProtocols: ['h2', 'http/1.1'], ...o })
    await once(socket, 'secureConnect')
    const found = {
      cipher: socket.getCipher().name,
      alpn: socket.alpnProtocol,
      issuer: socket.getPeerCertificate().subject,
    }
    socket.destroy()
    return found
  }
  const old = await agreed({ maxVersion: 'TLSv1.2' })
  assert.deepEqual([old.cipher, old.alpn], ['ECDHE-ECDSA-AES256-GCM-SHA384', 'http/1.1'])
  assert.match((await agreed({})).cipher, /^TLS_AES_/)
  const weak = connect({
    host: '127.0.0.1',
    port,
    ca: pki.ca().cert,
    maxVersion: 'TLSv1.2',
    ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  })
  const [error] = (await once(weak, 'error')) as [Error]
  assert.match(error.message, /handshake failure/)
})

test('a start that fails leaves nothing in a data folder that was new, and everything in one that was not', async () => {
  const failing = ['--secure-port=0', '--bind-address=192.0.2.1', '--storage-backend=embedded']
  const missing = join(folder, 'made', 'for', 'it')
  assert.equal((await run('serve', `--data-dir=${missing}`, ...failing)).code, 2)
  assert.equal(existsSync(join(folder, 'made')), false)
  const empty = join(folder, 'empty')
  mkdirSync(empty)
  assert.equal((await run('serve', `--data-dir=${empty}`, ...failing)).code, 2)
  assert.deepEqual(readdirSync(empty), [])
  const used = join(folder, 'used')
  mkdirSync(used)
  await writeFile(join(used, 'mine'), '')
  assert.equal((await run('serve', `--data-dir=${used}`, ...failing)).code, 2)
  assert.ok(readdirSync(used).includes('mine'))
})

test('portico routes: exit 1 where the user may not, or the method is refused', async (t) => {
  await using portico = await startTestServer()
  const rows: readonly { args: string[]; code: number; says: RegExp }[] = [
    { args: ['GET', '/api/v1/namespaces'], code: 0, says: /^access +admin may|^access +\S+ may/m },
    { args: ['GET', '/api/v1/namespaces', '--as=jane'], code: 1, says: /^access +jane may not/m },
    { args: ['put', '/api/v1/namespaces'], code: 1, says: /^because .*takes no PUT: 405$/m },
    { args: ['DELETE', '/api/v1/configmaps'], code: 1, says: /takes no DELETE: 405$/m },
    { args: ['GET', '/nothing'], code: 1, says: /no delegate claims it: 404/ },
  ]
  for (const { args, code, says } of rows) {
    await t.test(args.join(' '), async () => {
      const made = await run('routes', ...args, `--kubeconfig=${portico.kubeconfig}`)
      assert.equal(made.code, code, made.stdout + made.stderr)
      assert.match(made.stdout, says)
    })
  }
  // The server does what was said of it.
  assert.equal((await portico.admin.put('/api/v1/namespaces', {})).status, 405)
  assert.equal((await portico.admin.delete('/api/v1/configmaps')).status, 405)
})

test('at the default level a backend has one line per change of its state, however many requests fail', async () => {
  const dataDir = join(folder, 'logs')
  await using process = serve(dataDir, '--apiservice-status-interval=100ms')
  const url = `https://127.0.0.1:${await serveReady(process)}`
  const pki = new Pki(new DataDir(dataDir), () => Date.now())
  const admin = httpClient(url, { ca: pki.ca().cert, ...pki.admin() })
  const portico = { admin, pki, url } as Awaited<ReturnType<typeof startTestServer>>
  const garden = await registerSample(portico, 'garden')
  // Another one whose Service is not there at all.
  const service = { namespace: 'default', name: 'nobody' }
  await registerBackend(portico, { definition: { group: 'n.example.com', version: 'v1', service }, port: 1 })
  await admin.delete('/api/v1/namespaces/default/services/nobody')
  await untilCondition(portico, 'v1.n.example.com', (c) => c?.reason === 'ServiceNotFound')
  await garden[Symbol.asyncDispose]()
  for (let i = 0; i < 10; i++) {
    await admin.get(garden.collection)
    await admin.get('/apis/n.example.com/v1/things')
  }
  await untilCondition(portico, garden.apiService, (c) => c?.status === 'False')
  for (let i = 0; i < 10; i++) await admin.get(garden.collection)
  const lines = process
    .stderr()
    .split('\n')
    .filter((line) => line.includes(garden.apiService))
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as { status: string }).status),
    ['True', 'False'],
  )
  const other = process
    .stderr()
    .split('\n')
    .filter((line) => line.includes('v1.n.example.com'))
  assert.ok(other.length <= 2, other.join('\n'))
  await admin.close()
})
