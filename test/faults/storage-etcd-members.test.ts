/** Three members over TLS, one killed under load: no acknowledged write is lost, watches and writes go on. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts'
import { StorageError } from '../../src/storage/storage.ts'
import { type EtcdTls, etcdMissing, startEtcd } from '../harness/etcd.ts'
import { takeEvents } from '../suites/storage-suite.ts'

async function certificatesIn(folder: string): Promise<{ server: EtcdTls; client: EtcdTls }> {
  const valid = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 }
  const ca = makeCA({ commonName: 'etcd-ca', ...valid })
  const cafile = join(folder, 'ca.crt')
  await writeFile(cafile, ca.cert)
  const write = async (name: string, usages: readonly ('server' | 'client')[]): Promise<EtcdTls> => {
    const pair = makeCertificate({ commonName: name, names: ['127.0.0.1', 'localhost'], usages, ...valid }, ca)
    const [certfile, keyfile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
    await writeFile(certfile, pair.cert)
    await writeFile(keyfile, pair.key, { mode: 0o600 })
    return { cafile, certfile, keyfile }
  }
  return { server: await write('server', ['server', 'client']), client: await write('client', ['client']) }
}

test('etcd storage: a member of three is killed under load', { skip: etcdMissing(), timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portico-etcd-tls-'))
  const { server, client } = await certificatesIn(folder)
  await using cluster = await startEtcd({ members: 3, tls: server, client })
  await using storage = new EtcdStorage({
    ...cluster.connection,
    clock: systemClock,
    log: noopLogger,
    compactionIntervalMs: 0,
  })
  const start = await storage.currentRevision()
  const written = new Map<string, number>()
  const unknown = new Set<string>()
  const perWriter = 60
  const write = async (writer: number): Promise<void> => {
    for (let i = 0; i < perWriter; i++) {
      const key = `/load/${writer}-${i}`
      for (;;) {
        try {
          const result = await storage.put(key, Buffer.from(key), { expected: 'absent' })
          if (result.kind === 'written') written.set(key, result.revision)
          else assert.ok(unknown.has(key), `${key} was there without having been tried`)
          break
        } catch (error) {
          assert.ok(error instanceof StorageError && error.code === 'unavailable', String(error))
          unknown.add(key)
        }
      }
      if (written.size === 50) await cluster.members[0]!.kill()
    }
  }
  const watching = takeEvents(storage, '/load/', start, 6 * perWriter)
  await Promise.all(Array.from({ length: 6 }, (_, w) => write(w)))
  const { items } = await storage.list('/load/', {})
  assert.equal(items.length, 6 * perWriter)
  const found = new Map(items.map((i) => [i.key, i.revision]))
  for (const [key, revision] of written) assert.equal(found.get(key), revision)
  const events = await watching
  assert.equal(new Set(events.map((e) => e.key)).size, 6 * perWriter)
  await rm(folder, { recursive: true })
})
