/** Backends from files: served without a stored object, read again when they change, and checked without a server. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { answerText, RAW_GROUP, RAW_PATH, startRawBackend } from '../harness/raw-backend.ts'
import { startTestServer } from '../harness/server.ts'

const folder = await mkdtemp(join(tmpdir(), 'portico-files-'))
after(() => rm(folder, { recursive: true }))
const main = join(import.meta.dirname, '../../src/main.ts')

const documents = (url: string, ca: string): string => `
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.${RAW_GROUP}}
spec:
  group: ${RAW_GROUP}
  version: v1
  service: {namespace: default, name: raw}
  groupPriorityMinimum: 1000
  versionPriority: 15
---
apiVersion: gateway.portico.dev/v1alpha1
kind: BackendPolicy
metadata: {name: raw}
spec:
  targets: [{group: ${RAW_GROUP}}]
  backends:
    - name: default
      url: ${url}
      tls: {ca: [{file: ${ca}}]}
`

test('--backends-config: served from files, with no object stored; a change holds at once, a wrong one not at all', async () => {
  const file = join(folder, 'backends.yaml')
  const ca = join(folder, 'ca.crt')
  await writeFile(file, '')
  await using portico = await startTestServer([`--backends-config=${file}`])
  await writeFile(ca, portico.pki.ca().cert)
  await using one = await startRawBackend(portico, { host: '127.0.0.1', handler: answerText('{"of":1}') })
  await using two = await startRawBackend(portico, { host: '127.0.0.2', handler: answerText('{"of":2}') })
  const put = async (text: string): Promise<void> => {
    await writeFile(`${file}.next`, text)
    await rename(`${file}.next`, file)
  }
  const until = async (wanted: (text: string, status: number) => boolean): Promise<void> => {
    const deadline = AbortSignal.timeout(15_000)
    for (;;) {
      const { text, status } = await portico.admin.get(`${RAW_PATH}/things`)
      if (wanted(text, status)) return
      assert.ok(!deadline.aborted, `${status} ${text}`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await put(documents(`https://127.0.0.1:${one.port}`, ca))
  await until((text) => text === '{"of":1}')
  const stored = await portico.admin.get('/apis/apiregistration.k8s.io/v1/apiservices')
  assert.ok(!stored.text.includes(RAW_GROUP))
  assert.equal((await portico.admin.get(`/readyz/apiservices/v1.${RAW_GROUP}`)).text, 'ok')
  assert.equal((await portico.admin.get(RAW_PATH)).status, 200)
  await put(documents(`https://127.0.0.2:${two.port}`, ca))
  await until((text) => text === '{"of":2}')
  const logged = portico.errors.length
  await put(documents('ftp://nowhere', ca))
  while (portico.errors.length === logged) await new Promise((resolve) => setImmediate(resolve))
  assert.equal((await portico.admin.get(`${RAW_PATH}/things`)).text, '{"of":2}')
  await put('')
  await until((_text, status) => status === 404)
})

describe('portico check', () => {
  const rows: readonly { name: string; text: string; exit: number; says: RegExp }[] = [
    {
      name: 'what is right',
      text: documents('https://b.example.com', '/ca.crt'),
      exit: 0,
      says: /BackendPolicy raw: ok/,
    },
    {
      name: 'a URL of another scheme',
      text: documents('ftp://b.example.com', '/ca.crt'),
      exit: 1,
      says: /spec\.backends\[0\]\.url: Invalid value: "ftp:\/\/b\.example\.com": must be an absolute URL/,
    },
    {
      name: 'a field that is not known',
      text: documents('https://b', '/c').replace('targets:', 'tagrets: 1\n  targets:'),
      exit: 1,
      says: /unknown field "spec\.tagrets"/,
    },
    {
      name: 'a name of an APIService that does not fit',
      text: documents('https://b', '/c').replace(`name: v1.${RAW_GROUP}`, 'name: v2.x'),
      exit: 1,
      says: /metadata\.name: Invalid value: "v2\.x"/,
    },
    {
      name: 'another kind',
      text: 'kind: Pod\napiVersion: v1\n',
      exit: 1,
      says: /known are APIService and BackendPolicy/,
    },
    { name: 'no YAML', text: 'a: [', exit: 1, says: /error: .*line 1/s },
    {
      name: 'the same name twice',
      text: documents('https://b', '/c').repeat(2).replace('\n\n', '\n---\n'),
      exit: 1,
      says: /stands in .*#\d too/,
    },
    { name: 'nothing at all', text: '', exit: 2, says: /no documents/ },
  ]
  for (const [i, { name, text, exit, says }] of rows.entries()) {
    test(`${name}: exit ${exit}`, async () => {
      const file = join(folder, `check-${i}.yaml`)
      await writeFile(file, text)
      const done = spawnSync(process.execPath, [main, 'check', '-f', file], { encoding: 'utf8' })
      assert.equal(done.status, exit, done.stdout + done.stderr)
      assert.match(done.stdout + done.stderr, says)
    })
  }
  test('the examples can be used', () => {
    const examples = join(import.meta.dirname, '../../examples/backend-policies')
    const done = spawnSync(process.execPath, [main, 'check', '-f', examples], { encoding: 'utf8' })
    assert.equal(done.status, 0, done.stdout)
    assert.equal(done.stdout.match(/BackendPolicy \S+: ok/g)?.length, 5)
  })
  test('a file that is not there: exit 2', () => {
    const done = spawnSync(process.execPath, [main, 'check', '-f', join(folder, 'none')], { encoding: 'utf8' })
    assert.deepEqual([done.status, done.stderr.includes('cannot be read: ENOENT')], [2, true])
  })
})
