/** Registrations come and go without a trace, and stay where they should. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { DataDir } from '../../src/app/files/data-dir.ts'
import { Pki } from '../../src/app/files/pki.ts'
import { registerSample, untilCondition } from '../harness/backends.ts'
import { aggregated } from '../harness/discovery-documents.ts'
import { serveReady, startPortico } from '../harness/portico-process.ts'
import { freePort } from '../harness/prometheus.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const isSoak = process.env['PORTICO_SOAK'] !== undefined
const REGISTRATIONS = isSoak ? 1000 : 60
const ROUNDS = isSoak ? 10 : 3
const KILLS = isSoak ? 200 : 6

function apiService(i: number, port: number): object {
  const group = `g${i}.churn.example.com`
  const spec = { group, version: 'v1', groupPriorityMinimum: 1000, versionPriority: 15, insecureSkipTLSVerify: true }
  const service = { namespace: 'default', name: 'churn', port }
  return { metadata: { name: `v1.${group}` }, spec: { ...spec, service } }
}

async function makeAll(portico: TestServer, port: number): Promise<void> {
  for (let i = 0; i < REGISTRATIONS; i++) {
    const made = await portico.admin.post(APISERVICES, apiService(i, port))
    assert.equal(made.status, 201, made.text)
  }
}

/** Entries kept, by part of the aggregator; and every series that names one of the groups. */
async function traces(portico: TestServer): Promise<{ kept: Record<string, number>; series: string[] }> {
  const { text } = await portico.admin.get('/metrics')
  const kept = [...text.matchAll(/^portico_aggregator_kept_entries\{part="(\w+)"\} (\d+)$/gm)]
  return {
    kept: Object.fromEntries(kept.map(([, part, count]) => [part!, Number(count)])),
    series: text.split('\n').filter((line) => line.includes('churn.example.com')),
  }
}

test('APIServices that are made and deleted again and again leave no entry and no series', async () => {
  await using portico = await startTestServer()
  const { cert, key } = portico.pki.servingFor('churn', ['churn.default.svc'])
  const backend = createServer({ cert, key }, (_asked, answer) => {
    answer.setHeader('content-type', 'application/json')
    answer.end('{}')
  })
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  await using _ = {
    async [Symbol.asyncDispose]() {
      backend.closeAllConnections()
      backend.close()
    },
  }
  const { port } = backend.address() as AddressInfo
  await portico.admin.post('/api/v1/namespaces/default/services', {
    metadata: { name: 'churn' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  const before = await traces(portico)
  assert.ok(Object.keys(before.kept).length >= 5)
  for (let round = 0; round < ROUNDS; round++) {
    // Every second round has backends that answer; the others are never reached.
    await makeAll(portico, round % 2 === 0 ? port : 1)
    await until(
      'all are judged',
      async () => {
        const { kept } = await traces(portico)
        return kept['view']! >= before.kept['view']! + REGISTRATIONS && kept['discovery']! > REGISTRATIONS
      },
      60_000,
    )
    for (let i = 0; i < REGISTRATIONS; i++) {
      await portico.admin.get(`/apis/g${i}.churn.example.com/v1/things`)
      assert.equal((await portico.admin.delete(`${APISERVICES}/v1.g${i}.churn.example.com`)).status, 200)
    }
    await until(
      'nothing is left',
      async () => {
        const { kept, series } = await traces(portico)
        return series.length === 0 && JSON.stringify(kept) === JSON.stringify(before.kept)
      },
      30_000,
    ).catch(async (e: unknown) => assert.deepEqual(await traces(portico), before, String(e)))
    assert.ok(!(await portico.admin.get('/apis')).text.includes('churn.example.com'))
  }
})

test('a server that is killed while it starts, again and again, loses no registration', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'portico-kill-'))
  try {
    const list = async (portico: TestServer): Promise<string[]> => {
      const { items } = (await portico.admin.get(APISERVICES)).json<{
        items: { metadata: { name: string; uid: string }; spec: object }[]
      }>()
      return items.map(({ metadata, spec }) => JSON.stringify([metadata.name, metadata.uid, spec])).sort()
    }
    let stored: string[]
    {
      await using portico = await startTestServer(['--storage-backend=embedded'], { dataDir })
      for (let i = 0; i < 20; i++) await portico.admin.post(APISERVICES, apiService(i, 1))
      stored = await list(portico)
    }
    const args = ['serve', '--secure-port=0', '--bind-address=127.0.0.1', `--data-dir=${dataDir}`]
    let startMs: number
    {
      const startedMs = performance.now()
      await using whole = startPortico(args)
      await serveReady(whole)
      startMs = performance.now() - startedMs
    }
    for (let i = 0; i < KILLS; i++) {
      const child = startPortico(args)
      // At every point of the start, and a little after it.
      await setTimeout((startMs * 1.2 * (i + 1)) / KILLS)
      child.child.kill('SIGKILL')
      await child.ended
    }
    await using portico = await startTestServer(['--storage-backend=embedded'], { dataDir })
    assert.deepEqual(await list(portico), stored)
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
})

test('cold start with every backend down: ready soon, 503 and never 404, discovery as it was', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'portico-cold-'))
  try {
    const paths: string[] = []
    {
      await using portico = await startTestServer(['--storage-backend=embedded'], { dataDir })
      await using garden = await registerSample(portico, 'garden')
      await using library = await registerSample(portico, 'library')
      for (const { definition } of [garden, library])
        await until('it is discovered', async () => {
          const [version] = await aggregated(portico, definition.group)
          return version?.resources?.[0]?.resource === definition.resource
        })
      paths.push(garden.collection, library.collection)
    }
    const port = await freePort()
    const pki = new Pki(new DataDir(dataDir), () => Date.now())
    const { cert, key } = pki.admin()
    const seen = new Set<number>()
    const statusOf = (path: string): Promise<number> =>
      new Promise((resolve) => {
        const asked = request(
          { host: '127.0.0.1', port, path, cert, key, ca: pki.ca().cert, agent: false },
          (answer) => {
            answer.resume()
            resolve(answer.statusCode!)
          },
        )
        asked.on('error', () => resolve(0)).end()
      })
    const done = new AbortController()
    // A test that fails must end, too.
    using _ = { [Symbol.dispose]: () => done.abort() }
    const asking = (async () => {
      while (!done.signal.aborted) {
        for (const path of paths) seen.add(await statusOf(path))
        await setTimeout(1)
      }
    })()
    const startedMs = performance.now()
    await using portico = await startTestServer(['--storage-backend=embedded', `--secure-port=${port}`], { dataDir })
    const readyMs = performance.now() - startedMs
    assert.ok(readyMs < 3000, `ready after ${readyMs} ms`)
    for (const group of ['garden.example.com', 'library.example.com']) {
      const [version, ...others] = await aggregated(portico, group)
      assert.equal(others.length, 0)
      assert.equal(version?.freshness, 'Stale')
      assert.equal(version.resources?.length, 1)
      assert.match((await portico.admin.get('/apis')).text, new RegExp(group))
      const legacy = await portico.admin.get(`/apis/${group}/${version.version}`)
      assert.equal(legacy.status, 200)
      assert.match(legacy.text, new RegExp(`"name":"${version.resources![0]!.resource}"`))
    }
    await untilCondition(portico, 'v1.garden.example.com', (c) => c?.status === 'False')
    done.abort()
    await asking
    assert.deepEqual(
      [...seen].filter((s) => s !== 0 && s !== 503),
      [],
    )
    assert.ok(seen.has(503))
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
})

test('what this server serves itself is registered by derivation: it cannot be deleted or taken over', async () => {
  await using portico = await startTestServer()
  const name = 'v1.coordination.k8s.io'
  const get = async (): Promise<{ status: number; spec: object }> => {
    const answer = await portico.admin.get(`${APISERVICES}/${name}`)
    return { status: answer.status, spec: answer.json<{ spec: object }>().spec }
  }
  const before = await get()
  assert.equal(before.status, 200)
  await portico.admin.delete(`${APISERVICES}/${name}`)
  const leases = '/apis/coordination.k8s.io/v1/leases'
  assert.equal((await portico.admin.get(leases)).status, 200, 'it never stops to be served')
  await until('it is there', async () => (await get()).status === 200)
  assert.deepEqual((await get()).spec, before.spec)
  const service = { namespace: 'default', name: 'other' }
  const patch = { spec: { service, insecureSkipTLSVerify: true } }
  await portico.admin.patch(`${APISERVICES}/${name}`, 'merge', patch)
  await until('it is as it was', async () => JSON.stringify((await get()).spec) === JSON.stringify(before.spec))
  assert.equal((await portico.admin.get(leases)).status, 200)
})
