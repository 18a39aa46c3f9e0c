import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect as connectH2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { type KeyPair, makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { httpClient } from '../harness/http-client.ts'
import { startTestServer } from '../harness/server.ts'

const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 }
const servingCA = makeCA({ commonName: 'serving-ca', ...validity })
let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'portico-certs-'))
})
after(() => rmSync(folder, { recursive: true, force: true }))

function put(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(`${path}.next`, content, { mode: 0o600 })
  renameSync(`${path}.next`, path)
  return path
}
const serving = (commonName: string): KeyPair =>
  makeCertificate({ commonName, names: ['127.0.0.1'], usages: ['server'], ...validity }, servingCA)
const client = (ca: KeyPair): KeyPair =>
  makeCertificate({ commonName: 'jane', organizations: ['system:masters'], usages: ['client'], ...validity }, ca)

function shownTo(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: servingCA.cert }, () => {
      resolve(socket.getPeerX509Certificate()!.subject)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
/** Looks again until it holds: the change of a file has to be noticed first. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, 'it did not happen within 10 s')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('a new serving certificate is shown to new connections, and open ones go on', async () => {
  const first = serving('first')
  const cert = put('tls.crt', first.cert)
  const key = put('tls.key', first.key)
  await using portico = await startTestServer([`--tls-cert-file=${cert}`, `--tls-private-key-file=${key}`])
  const { port } = portico.server
  assert.equal(await shownTo(port), 'CN=first')
  const session = connectH2(`https://127.0.0.1:${port}`, { ca: servingCA.cert })
  const get = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': '/version' })
      stream.on('response', (headers) => resolve(Number(headers[':status'])))
      stream.on('error', reject)
      stream.resume()
    })
  assert.equal(await get(), 200)
  const second = serving('second')
  put('tls.key', second.key) // for a moment the two do not match: the old pair stays
  put('tls.crt', second.cert)
  await eventually(async () => (await shownTo(port)) === 'CN=second')
  assert.equal(await get(), 200, 'on the connection from before')
  session.destroy()
})

test('a client CA that is taken away ends the trust in its certificates, also on open connections', async () => {
  const [oldCA, newCA] = [makeCA({ commonName: 'old-ca', ...validity }), makeCA({ commonName: 'new-ca', ...validity })]
  const file = put('client-ca.crt', oldCA.cert)
  await using portico = await startTestServer([`--client-ca-file=${file}`])
  const trust = { ca: portico.pki.ca().cert }
  const before = httpClient(portico.url, { ...trust, ...client(oldCA) })
  assert.equal((await before.get('/api/v1/namespaces')).status, 200)
  put('client-ca.crt', newCA.cert)
  await eventually(async () => {
    const next = httpClient(portico.url, { ...trust, ...client(newCA) })
    const { status } = await next.get('/api/v1/namespaces')
    await next.close()
    return status === 200
  })
  await eventually(
    async () =>
      (await before.get('/api/v1/namespaces').then(
        (a) => a.status,
        () => 0,
      )) !== 200,
  )
  await before.close()
})

test('the data folder is private, and a second start shows the same certificates', async () => {
  const dataDir = mkdtempSync(join(folder, 'data-'))
  const serial = async (): Promise<string> => {
    await using portico = await startTestServer([], { dataDir })
    return new X509Certificate(portico.pki.serving([]).cert).serialNumber
  }
  assert.equal(await serial(), await serial())
  const mode = (name: string): number => statSync(join(dataDir, name)).mode & 0o777
  assert.deepEqual(['', 'pki'].map(mode), [0o700, 0o700])
  assert.deepEqual(
    ['kubeconfig', 'pki/ca.key', 'pki/serving.key', 'pki/admin.key'].map(mode),
    [0o600, 0o600, 0o600, 0o600],
  )
})
