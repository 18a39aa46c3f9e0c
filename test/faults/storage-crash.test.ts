/** kill -9 of the process that holds the data, under load: what was acknowledged is there. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { systemClock } from '../../src/lib/clock.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { EmbeddedStorage } from '../../src/storage/embedded/embedded-storage.ts'
import { EtcdStorage } from '../../src/storage/etcd/etcd-storage.ts'
import { type Storage, StorageError } from '../../src/storage/storage.ts'
import { etcdMissing, startEtcd, untilServing } from '../harness/etcd.ts'
import { takeEvents } from '../suites/storage-suite.ts'

const ROUNDS = process.env['PORTICO_SOAK'] ? 20 : 3
const WRITER = join(import.meta.dirname, 'storage-writer.ts')

interface Writer {
  readonly child: ChildProcess
  readonly lines: string[]
  /** Resolves when so many lines were printed, or the process ended. */
  printed(count: number): Promise<void>
  /** The process ended and everything it printed is in lines. */
  readonly ended: Promise<void>
}

function startWriter(folder: string, o: { valueBytes?: number; fileBlocks?: number } = {}): Writer {
  const args = [process.execPath, WRITER, folder, String(o.valueBytes ?? 100)]
  // A limit on the size of files stands for a full disk; the signal that goes with it is ignored, so writes fail.
  const limited = `trap '' XFSZ; ulimit -f ${o.fileBlocks}; exec "$0" "$@"`
  const child =
    o.fileBlocks === undefined
      ? spawn(args[0]!, args.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('sh', ['-c', limited, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  let wake = (): void => {}
  const reader = createInterface({ input: child.stdout! })
  reader.on('line', (line) => {
    lines.push(line)
    wake()
  })
  let over = false
  const ended = Promise.all([once(reader, 'close'), once(child, 'exit')]).then(() => {
    over = true
    wake()
  })
  return {
    child,
    lines,
    ended,
    async printed(count) {
      while (lines.length < count && !over) await new Promise<void>((resolve) => (wake = resolve))
    },
  }
}

const acknowledged = (lines: readonly string[]): Map<string, number> =>
  new Map(lines.filter((l) => l.startsWith('/')).map((l) => [l.split(' ')[0]!, Number(l.split(' ')[1])]))

async function assertAllThere(storage: Storage, written: ReadonlyMap<string, number>): Promise<void> {
  const { items, revision } = await storage.list('/load/', {})
  const found = new Map(items.map((i) => [i.key, i.revision]))
  for (const [key, at] of written) assert.equal(found.get(key), at, key)
  assert.equal(new Set(found.values()).size, found.size, 'a revision was given twice')
  for (const at of found.values()) assert.ok(at <= revision)
}

test(`embedded storage: kill -9 under load, ${ROUNDS} times`, { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portico-crash-'))
  const written = new Map<string, number>()
  for (let round = 0; round < ROUNDS; round++) {
    const writer = startWriter(folder)
    await writer.printed(200 + round * 37)
    writer.child.kill('SIGKILL')
    await writer.ended
    assert.equal(writer.lines[0], 'open')
    for (const [key, revision] of acknowledged(writer.lines)) written.set(key, revision)
    await using storage = new EmbeddedStorage({ folder, clock: systemClock, log: noopLogger })
    await assertAllThere(storage, written)
    const before = await storage.currentRevision()
    const probe = await storage.put(`/probe/${round}`, Buffer.from('x'), { expected: 'absent' })
    assert.ok(probe.kind === 'written' && probe.revision === before + 1)
    assert.equal((await takeEvents(storage, '/probe/', before, 1)).length, 1)
  }
  await rm(folder, { recursive: true })
})

test('embedded storage: a second process is told which folder is in use', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portico-crash-'))
  const first = startWriter(folder)
  await first.printed(1)
  const second = startWriter(folder)
  await second.ended
  assert.deepEqual(second.lines, ['folder in-use'])
  first.child.kill('SIGKILL')
  await first.ended
  const third = startWriter(folder) // the lock does not outlive its owner
  await third.printed(1)
  assert.equal(third.lines[0], 'open')
  third.child.kill('SIGKILL')
  await third.ended
  await rm(folder, { recursive: true })
})

test('embedded storage: a full disk is unavailable and loses nothing', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portico-full-'))
  const writer = startWriter(folder, { valueBytes: 20_000, fileBlocks: 8000 })
  await writer.ended
  assert.equal(writer.lines.at(-1), 'error unavailable')
  assert.equal(writer.child.exitCode, 2, 'not the code of an unhandled rejection')
  const written = acknowledged(writer.lines)
  assert.ok(written.size > 10)
  await using storage = new EmbeddedStorage({ folder, clock: systemClock, log: noopLogger })
  await assertAllThere(storage, written)
  await rm(folder, { recursive: true })
})

test(`etcd storage: kill -9 of etcd under load, ${ROUNDS} times`, {
  skip: etcdMissing(),
  timeout: 300_000,
}, async () => {
  await using cluster = await startEtcd()
  await using storage = new EtcdStorage({
    ...cluster.connection,
    clock: systemClock,
    log: noopLogger,
    compactionIntervalMs: 0,
  })
  const written = new Map<string, number>()
  let running = true
  const write = async (writer: number): Promise<void> => {
    for (let i = 0; running; i++) {
      try {
        const key = `/load/${writer}-${i}`
        const result = await storage.put(key, Buffer.from(key), { expected: 'absent' })
        if (result.kind === 'written') written.set(key, result.revision)
      } catch (error) {
        assert.ok(error instanceof StorageError && error.code === 'unavailable', String(error))
        await untilServing(cluster.connection)
      }
    }
  }
  const start = await storage.currentRevision()
  const seen = new Map<string, number>()
  const stop = new AbortController()
  const watching = (async () => {
    for await (const batch of storage.watch('/load/', { after: start, signal: stop.signal })) {
      for (const event of batch.events) {
        assert.ok(!seen.has(event.key), `${event.key} came twice`)
        seen.set(event.key, event.revision)
      }
    }
  })()
  const writers = Array.from({ length: 4 }, (_, w) => write(w))
  for (let round = 0; round < ROUNDS; round++) {
    const enough = written.size + 50
    while (written.size < enough) await new Promise((resolve) => setImmediate(resolve))
    await cluster.members[0]!.kill()
    await cluster.members[0]!.start()
    await untilServing(cluster.connection)
  }
  running = false
  await Promise.all(writers)
  await assertAllThere(storage, written)
  const { items } = await storage.list('/load/', {})
  while (seen.size < items.length) await new Promise((resolve) => setImmediate(resolve))
  for (const item of items) assert.equal(seen.get(item.key), item.revision)
  stop.abort()
  await watching
})
