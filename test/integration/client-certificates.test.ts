/** `portico certs` and `portico kubeconfig`, against a running server. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadKubeconfig } from '../../fixtures/backends/kubeconfig-api.ts'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { httpClient } from '../harness/http-client.ts'
import { startPortico } from '../harness/portico-process.ts'
import { startTestServer } from '../harness/server.ts'

test('a certificate that portico certs made names its user and groups to the server', async () => {
  await using portico = await startTestServer()
  const out = join(portico.dataDir, 'alice')
  await using made = startPortico([
    'certs',
    '--user=alice',
    '--group=system:masters',
    '--group=garden',
    `--data-dir=${portico.dataDir}`,
    `--out=${out}`,
  ])
  const { code, stderr } = await made.ended
  assert.equal(code, 0, stderr)
  const [cert, key] = [readFileSync(`${out}.crt`, 'utf8'), readFileSync(`${out}.key`, 'utf8')]
  assert.equal(statSync(`${out}.key`).mode & 0o777, 0o600)
  assert.deepEqual(new X509Certificate(cert).subject.split('\n').sort(), ['CN=alice', 'O=garden', 'O=system:masters'])
  const client = httpClient(portico.url, { ca: portico.pki.ca().cert, cert, key })
  assert.equal((await client.get('/api/v1/namespaces')).status, 200)
  await client.close()
})

test('the certificate of a backend has the names that were asked for, and is of no client', async () => {
  await using portico = await startTestServer()
  const names = ['--serving=garden.default.svc', '--serving=localhost']
  await using made = startPortico(['certs', ...names, `--data-dir=${portico.dataDir}`])
  const { code, stdout } = await made.ended
  assert.equal(code, 0)
  const certificate = new X509Certificate(stdout)
  assert.equal(certificate.subjectAltName, 'DNS:garden.default.svc, DNS:localhost')
  assert.ok(certificate.verify(new X509Certificate(portico.pki.ca().cert).publicKey))
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'], 'serverAuth alone')
})

test('a kubeconfig that portico kubeconfig made works, with the rights of its user', async () => {
  await using portico = await startTestServer()
  const out = join(portico.dataDir, 'bob.kubeconfig')
  await using made = startPortico(['kubeconfig', '--user=bob', `--data-dir=${portico.dataDir}`, `--out=${out}`])
  assert.equal((await made.ended).code, 0)
  const [, encoded] = /client-key-data: (\S+)/.exec(readFileSync(out, 'utf8'))!
  // Java's common client takes the algorithm from the label.
  assert.match(Buffer.from(encoded!, 'base64').toString(), /^-----BEGIN EC PRIVATE KEY-----/)
  const { status, body } = await loadKubeconfig(out)('GET', '/api/v1/namespaces')
  assert.equal(status, 403)
  assert.match(String(body['message']), /User "bob" cannot list resource "namespaces"/)
})

const REFUSALS: readonly { name: string; args: (dataDir: string) => string[]; says: RegExp }[] = [
  { name: 'no user', args: (d) => ['certs', `--data-dir=${d}`], says: /^portico: --user: is needed\n$/ },
  {
    name: 'a user and a backend at once',
    args: (d) => ['certs', '--user=a', '--serving=b', `--data-dir=${d}`],
    says: /^portico: --serving: is of a backend; --user and --group are of a client\n$/,
  },
  {
    name: "the CA's own name, whose chain would pass for self-signed",
    args: (d) => ['certs', '--user=portico-ca', `--data-dir=${d}`],
    says: /^portico: --user: "portico-ca" is the name of the CA itself\n$/,
  },
  {
    name: 'a folder where no server was',
    args: (d) => ['certs', '--user=a', `--data-dir=${d}/nobody`],
    says: /^portico: --data-dir: .*nobody has no pki\/ca\.key; start the server there once\n$/,
  },
  {
    name: 'an unknown flag',
    args: (d) => ['kubeconfig', '--usr=a', `--data-dir=${d}`],
    says: /^portico: unknown flag --usr \(did you mean --user\?\)\n$/,
  },
  ...['127.0.0.1:6443', 'portico', 'ftp://portico:1'].map((server) => ({
    name: `a server that is no URL: ${server}`,
    args: (d: string) => ['kubeconfig', '--user=a', `--server=${server}`, `--data-dir=${d}`],
    says: /^portico: --server: "\S+" is no URL such as https:\/\/127\.0\.0\.1:6443\n$/,
  })),
]
test('portico certs refuses', async (t) => {
  await using portico = await startTestServer()
  for (const { name, args, says } of REFUSALS) {
    await t.test(name, async () => {
      await using refused = startPortico(args(portico.dataDir))
      const { code, stderr, stdout } = await refused.ended
      assert.match(stderr, says)
      assert.equal(stdout, '')
      assert.equal(code, 2)
    })
  }
  assert.ok(!existsSync(join(portico.dataDir, 'nobody')))
})

test('a certificate that cannot be verified is a 401, never anonymous; a good token beside it counts', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'portico-test-'))
  const tokens = join(dir, 'tokens.csv')
  await writeFile(tokens, 'secret,jane,1\n')
  await using portico = await startTestServer([`--token-auth-file=${tokens}`])
  const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 }
  const foreign = makeCertificate({ commonName: 'jane', ...validity }, makeCA({ commonName: 'another', ...validity }))
  const client = httpClient(portico.url, { ca: portico.pki.ca().cert, ...foreign })
  assert.equal((await client.get('/version')).status, 401)
  assert.equal((await client.get('/version', { headers: { authorization: 'Bearer secret' } })).status, 200)
  assert.equal((await portico.anonymous.get('/version')).status, 200)
  await client.close()
  await rm(dir, { recursive: true })
})
