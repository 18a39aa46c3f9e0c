/**
 * The first read of many ConfigMaps of 1 KiB after a start, from the embedded storage: as one list, as pages of 500 and as
 * protobuf. Each is asked of a process that has just started. Prints one JSON object per number of objects.
 * CPU figures are the server's own, of all its threads; heldMs is the longest time that its event loop stood still.
 */
import { connect } from 'node:http2'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../src/lib/clock.ts'
import { noopLogger } from '../src/observability/logger.ts'
import { EmbeddedStorage } from '../src/storage/embedded/embedded-storage.ts'
import { httpClient } from '../test/harness/http-client.ts'
import { loopDelay, measuringLoop } from './lib/loop-delay.ts'
import { round, type ServerProcess, startServerProcess } from './lib/server-process.ts'

const NUMBERS = [50_000, 100_000]
const AT_ONCE = 1000
const COLLECTION = '/api/v1/configmaps'
const NAME = 'cm-000000'
/** A cache that is not filled within 3 s answers 429. */
const RETRY_MS = 100

const dataDir = mkdtempSync(join(tmpdir(), 'portico-first-read-'))
try {
  const template = await makeTemplate()
  let made = 1
  for (const objects of NUMBERS) {
    await makeCopies(template, made, objects)
    made = objects
    const list = await firstRead((server) => read(server, COLLECTION))
    const pages = await firstRead(readPages)
    const protobuf = await firstRead((server) => read(server, COLLECTION, 'application/vnd.kubernetes.protobuf'))
    console.log(JSON.stringify({ name: 'first-read', objects, list, pages, protobuf }))
  }
} finally {
  rmSync(dataDir, { recursive: true, force: true })
}

/** One that a server has made itself, so that copies of its bytes differ from it in nothing but name and UID. */
async function makeTemplate(): Promise<{ key: string; value: Buffer }> {
  {
    await using server = await startServerProcess([], { dataDir })
    const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })
    const body = { metadata: { name: NAME }, data: { value: 'x'.repeat(1024) } }
    await admin.post('/api/v1/namespaces/default/configmaps', body)
    await admin.close()
  }
  await using storage = openStorage()
  const { items } = await storage.list('/registry/configmaps/default/', {})
  const { key, value } = items.find((item) => item.key.endsWith(NAME))!
  return { key, value: Buffer.from(value) }
}

async function makeCopies({ key, value }: { key: string; value: Buffer }, from: number, to: number): Promise<void> {
  await using storage = openStorage()
  const nameAt = value.indexOf(NAME)
  const uidAt = value.toString('latin1').search(/[0-9a-f]{8}-[0-9a-f]{4}-/)
  const copy = (i: number): Promise<unknown> => {
    const digits = String(i).padStart(6, '0')
    const bytes = Buffer.from(value)
    bytes.write(`cm-${digits}`, nameAt)
    bytes.write(digits, uidAt)
    return storage.put(key.replace(NAME, `cm-${digits}`), bytes, { expected: 'absent' })
  }
  for (let i = from; i < to; i += AT_ONCE)
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, to - i) }, (_, j) => copy(i + j)))
  // As in a server that was written long ago: nothing is to be caught up with.
  await storage.compact(await storage.currentRevision())
}

function openStorage(): EmbeddedStorage {
  return new EmbeddedStorage({ folder: join(dataDir, 'storage'), clock: systemClock, log: noopLogger })
}

async function firstRead(call: (server: ServerProcess) => Promise<number>): Promise<object> {
  const file = join(dataDir, 'loop-delay')
  await using server = await startServerProcess([], { dataDir, node: measuringLoop(file) })
  await loopDelay(server.pid, file)
  const [startMs, startCpu] = [performance.now(), server.cpuSeconds()]
  const bytes = await call(server)
  const [wallMs, cpu] = [performance.now() - startMs, server.cpuSeconds() - startCpu]
  return {
    cpuSeconds: round(cpu, 2),
    wallSeconds: round(wallMs / 1000, 2),
    heldMs: (await loopDelay(server.pid, file)).max,
    mib: round(bytes / 2 ** 20, 0),
    rssMiB: Math.round(server.rssMiB()),
  }
}

/** @returns bytes of the answer. It is not looked into, since that would hold up the reader. */
async function read(server: ServerProcess, path: string, accept = 'application/json'): Promise<number> {
  const session = connect(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })
  for (;;) {
    const stream = session.request({ ':path': path, accept })
    const [headers] = (await once(stream, 'response')) as [{ ':status': number }]
    let bytes = 0
    for await (const chunk of stream) bytes += (chunk as Buffer).length
    if (headers[':status'] === 200) {
      session.destroy()
      return bytes
    }
    await pause(RETRY_MS)
  }
}

async function readPages(server: ServerProcess): Promise<number> {
  const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })
  let bytes = 0
  let token: string | undefined = ''
  while (token !== undefined) {
    const page = await admin.get(`${COLLECTION}?limit=500${token === '' ? '' : `&continue=${token}`}`)
    if (page.status !== 200) {
      await pause(RETRY_MS)
      continue
    }
    bytes += page.bytes.length
    token = page.json<{ metadata: { continue?: string } }>().metadata.continue
  }
  await admin.close()
  return bytes
}
