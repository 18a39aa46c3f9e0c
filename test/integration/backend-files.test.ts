/** Backends from files: served without a stored object, read again when they change, and checked without a server. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { parse } from 'yaml'
import { HeldClock, passLively } from '../harness/held-clock.ts'
import { valueOf } from '../harness/metrics.ts'
import { answerText, RAW_GROUP, RAW_PATH, startRawBackend } from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

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

const READ_AGAIN_WITHIN_MS = 2_000
/** Lets the held time pass until a request is answered so. */
async function untilAnswered(portico: TestServer, clock: HeldClock, want: RegExp, withinMs: number): Promise<void> {
  let last = ''
  const enough = async (): Promise<boolean> => {
    const { status, text } = await portico.admin.get(`${RAW_PATH}/things`)
    last = `${status} ${text}`
    return want.test(last)
  }
  if (!(await enough())) await passLively(portico, clock, withinMs, { enough })
  assert.match(last, want)
}

test('--backends-config: nothing is written to the storage, neither by reading nor by requests, an outage or a change', async () => {
  const file = join(folder, 'unstored.yaml')
  const ca = join(folder, 'unstored-ca.crt')
  await writeFile(file, '')
  const clock = new HeldClock()
  await using portico = await startTestServer([`--backends-config=${file}`], { clock })
  await writeFile(ca, portico.pki.ca().cert)
  const handler = answerText('{"of":1}')
  await using one = await startRawBackend(portico, { host: '127.0.0.1', handler })
  await using two = await startRawBackend(portico, { host: '127.0.0.2', handler: answerText('{"of":2}') })
  const written = async (): Promise<unknown> => {
    const list = await portico.admin.get('/api/v1/namespaces/default/configmaps')
    const of = (operation: string): Promise<number> => valueOf(portico, 'etcd_requests_total', { operation })
    return {
      revision: list.json<{ metadata: { resourceVersion: string } }>().metadata.resourceVersion,
      tried: [await of('create'), await of('update'), await of('delete')],
    }
  }
  // Longer than conditions are held back.
  const REST_MS = 30_000
  clock.hold()
  await passLively(portico, clock, REST_MS, { stepMs: 1_000 })
  const before = await written()

  await writeFile(file, documents(`https://127.0.0.1:${one.port}`, ca))
  await untilAnswered(portico, clock, /^200 .*1/, READ_AGAIN_WITHIN_MS)
  for (let i = 0; i < 20; i++) assert.equal((await portico.admin.post(`${RAW_PATH}/things`, '{}')).status, 200)
  await passLively(portico, clock, REST_MS, { stepMs: 1_000 })
  assert.deepEqual(await written(), before, 'reading and requests')

  await one.close()
  await untilAnswered(portico, clock, /^503 .*unavailable/, REST_MS)
  await passLively(portico, clock, REST_MS, { stepMs: 1_000 })
  assert.deepEqual(await written(), before, 'an outage')
  await using again = await startRawBackend(portico, { host: '127.0.0.1', port: one.port, handler })
  await untilAnswered(portico, clock, /^200 .*1/, REST_MS)
  assert.equal(again.port, one.port)

  await writeFile(file, documents(`https://127.0.0.2:${two.port}`, ca))
  await untilAnswered(portico, clock, /^200 .*2/, READ_AGAIN_WITHIN_MS)
  await writeFile(file, '')
  await untilAnswered(portico, clock, /^404 /, READ_AGAIN_WITHIN_MS)
  await passLively(portico, clock, REST_MS, { stepMs: 1_000 })
  assert.deepEqual(await written(), before, 'changes')
  await portico.admin.post('/api/v1/namespaces/default/secrets', { metadata: { name: 'written' } })
  assert.notDeepEqual(await written(), before, 'a write would have shown')
})

test('--backends-config: of a folder, a new, a changed and a removed file are noticed', async () => {
  const files = join(folder, 'files')
  await mkdir(files)
  const clock = new HeldClock()
  await using portico = await startTestServer([`--backends-config=${files}`], { clock })
  const ca = join(folder, 'folder-ca.crt')
  await writeFile(ca, portico.pki.ca().cert)
  await using one = await startRawBackend(portico, { host: '127.0.0.1', handler: answerText('{"of":1}') })
  await using two = await startRawBackend(portico, { host: '127.0.0.2', handler: answerText('{"of":2}') })
  const [apiService, policyOfOne] = documents(`https://127.0.0.1:${one.port}`, ca).split('---\n')
  const [, policyOfTwo] = documents(`https://127.0.0.2:${two.port}`, ca).split('---\n')
  const answered = (want: RegExp): Promise<void> => untilAnswered(portico, clock, want, READ_AGAIN_WITHIN_MS)
  clock.hold()
  await answered(/^404 /)
  await writeFile(join(files, 'a.yaml'), apiService!)
  await writeFile(join(files, 'b.yml'), policyOfOne!)
  await answered(/^200 .*1/)
  await writeFile(join(files, 'b.yml'), policyOfTwo!)
  await answered(/^200 .*2/)
  // Another name, another form.
  await rm(join(files, 'b.yml'))
  await answered(/^503 /)
  await writeFile(join(files, 'c.json'), JSON.stringify(parse(policyOfOne!)))
  await answered(/^200 .*1/)
  await writeFile(join(files, 'notes.txt'), policyOfTwo!)
  await rm(join(files, 'a.yaml'))
  await answered(/^404 /)
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
