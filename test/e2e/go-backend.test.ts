/** A server of others behind us: the public sample API server in Go, with its three kubeconfigs and no other right. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { kubeconfig } from '../../src/app/files/kubeconfig.ts'
import { registerBackend, untilCondition } from '../harness/backends.ts'
import { etcdMissing, startEtcd } from '../harness/etcd.ts'
import { goProgram, missingGoProgram, SAMPLE_APISERVER } from '../harness/go-programs.ts'
import { startProcess } from '../harness/portico-process.ts'
import { freePort } from '../harness/prometheus.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const WARDLE = {
  group: 'wardle.example.com',
  version: 'v1alpha1',
  service: { namespace: 'default', name: 'wardle' },
}
const FLUNDERS = '/apis/wardle.example.com/v1alpha1/namespaces/default/flunders'

/** What its operator writes: a certificate of the backends' group, and its own. */
async function argumentsOf(portico: TestServer, folder: string): Promise<string[]> {
  const { pki } = portico
  const client = pki.client({ commonName: 'wardle', organizations: ['portico:backends'] })
  const serving = pki.servingFor('wardle', ['wardle.default.svc'])
  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(folder, name), content, { mode: 0o600 })
    return join(folder, name)
  }
  const config = await file(
    'kubeconfig',
    kubeconfig({ server: portico.url, ca: pki.ca().cert, ...client, user: 'wardle' }),
  )
  return [
    `--tls-cert-file=${await file('tls.crt', serving.cert)}`,
    `--tls-private-key-file=${await file('tls.key', serving.key)}`,
    `--kubeconfig=${config}`,
    `--authentication-kubeconfig=${config}`,
    `--authorization-kubeconfig=${config}`,
  ]
}

const skip = missingGoProgram(SAMPLE_APISERVER) || etcdMissing()
test('a Go API server with kubeconfigs of group portico:backends becomes ready and takes writes', {
  skip,
}, async (t) => {
  const program = await goProgram(SAMPLE_APISERVER)
  const folder = await mkdtemp(join(tmpdir(), 'portico-go-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await using portico = await startTestServer()
  await using etcd = await startEtcd()
  const port = await freePort()
  const args = [
    `--etcd-servers=${etcd.connection.servers.join(',')}`,
    `--secure-port=${port}`,
    '--bind-address=127.0.0.1',
    ...(await argumentsOf(portico, folder)),
  ]
  await using wardle = startProcess(program, args)
  const failed = wardle.ended.then(({ stderr }) => assert.fail(`it ended: ${stderr.slice(-2000)}`))
  const caBundle = Buffer.from(portico.pki.ca().cert).toString('base64')
  await registerBackend(portico, { definition: WARDLE, port, caBundle })
  await Promise.race([untilCondition(portico, 'v1alpha1.wardle.example.com', (c) => c?.status === 'True'), failed])

  const flunder = { apiVersion: 'wardle.example.com/v1alpha1', kind: 'Flunder', metadata: { name: 'one' }, spec: {} }
  await t.test('create, once its informers have what they wait for', async () => {
    // The write itself is the signal: it is refused for as long as the server is not ready.
    await until('the write is taken', async () => {
      const made = await portico.admin.post(FLUNDERS, flunder)
      if (made.status !== 201) assert.match(made.text, /not yet ready to handle request/)
      return made.status === 201
    })
    assert.doesNotMatch(wardle.stderr(), /is forbidden: User "wardle"/)
    assert.doesNotMatch(wardle.stderr(), /could not find the requested resource/)
  })
  await t.test('patch, watch and delete', async () => {
    const patched = await portico.admin.patch(`${FLUNDERS}/one`, 'merge', { metadata: { labels: { a: 'b' } } })
    assert.equal(patched.status, 200, patched.text)
    const gone = await portico.admin.delete(`${FLUNDERS}/one`)
    assert.equal(gone.status, 200, gone.text)
    const { metadata } = patched.json<{ metadata: { resourceVersion: string } }>()
    const from = `watch=1&timeoutSeconds=1&resourceVersion=${metadata.resourceVersion}`
    const watched = await portico.admin.get(`${FLUNDERS}?${from}`)
    const types = watched.text
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type)
    assert.deepEqual(types, ['DELETED'])
  })
  await t.test('who may not write at all is refused by what we say', async () => {
    const refused = await portico.as('jane').post(FLUNDERS, flunder)
    assert.equal(refused.status, 403)
    assert.match(refused.text, /cannot create resource/)
  })
})
