/**
 * 50 backends with OpenAPI documents of 1 MB: how late the event loop of Portico is, in ms, while the documents are read
 * for the first time, merged, encoded and sent. Prints one JSON object.
 *
 * Beside each figure stands that of an idle process at the same time: so late is who does nothing on this machine. The
 * last one is of a process whose worker thread writes and reads as large a document, and that has no Portico in it.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type HttpClient, httpClient } from '../test/harness/http-client.ts'
import { startRawBackend } from '../test/harness/raw-backend.ts'
import { type LoopDelay, loopDelay, measuringLoop } from './lib/loop-delay.ts'
import { registerBackend } from './lib/register-backend.ts'
import { startServerProcess } from './lib/server-process.ts'

const BACKENDS = 50
const KINDS = 600
const PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
const BURNING = `
  const schemas = Array.from({ length: ${BACKENDS * KINDS} }, (_, n) => ({ n, text: 'what it is for '.repeat(100) }))
  for (;;) JSON.parse(JSON.stringify(schemas))`

const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
const [ownFile, idleFile] = [join(folder, 'own'), join(folder, 'idle')]
const idle = spawn(process.execPath, [...measuringLoop(idleFile), '-e', 'setInterval(() => {}, 1e6)'])
await using server = await startServerProcess(['--storage-backend=memory'], { node: measuringLoop(ownFile) })
const { pki, port } = server
const { cert: ca } = pki.ca()
const url = `https://127.0.0.1:${port}`
const admin = httpClient(url, { ca, ...pki.admin() })
const h2 = httpClient(url, { ca, ...pki.admin(), allowH2: true })
const groups = Array.from({ length: BACKENDS }, (_, n) => `g${n}.example.com`)
const backends = await Promise.all(
  groups.map((group) => startRawBackend(server, { anyGroup: group, ...documentsOf(group) })),
)
try {
  for (const [n, group] of groups.entries())
    await registerBackend(admin, { group, at: backends[n]!.port, ca, path: `/apis/${group}/v1/remotes` })
  await pause(3_000)
  const first = {
    v3: await during(() => read(admin, '/openapi/v3')),
    v2: await during(() => read(admin, '/openapi/v2', 'HEAD')),
    v2Http1: await during(() => read(admin, '/openapi/v2')),
    v2Http2: await during(() => read(h2, '/openapi/v2')),
    v2Protobuf: await during(() => read(h2, '/openapi/v2', 'GET', PROTOBUF)),
  }
  console.log(JSON.stringify({ name: 'openapi', backends: BACKENDS, ...first, burning: await burning() }))
} finally {
  idle.kill()
  await Promise.all([admin.close(), h2.close(), ...backends.map((b) => b.close())])
  rmSync(folder, { recursive: true, force: true })
}

async function during(work: () => Promise<number>): Promise<object> {
  const delays = (): Promise<LoopDelay[]> =>
    Promise.all([loopDelay(server.pid, ownFile), loopDelay(idle.pid!, idleFile)])
  await delays()
  const startedMs = performance.now()
  const bytes = await work()
  const ms = Math.round(performance.now() - startedMs)
  const [portico, beside] = await delays()
  return { ms, bytes, portico, idle: beside }
}
async function burning(): Promise<LoopDelay> {
  const file = join(folder, 'burning')
  const program = `new (require('node:worker_threads').Worker)(${JSON.stringify(BURNING)}, { eval: true })`
  const child = spawn(process.execPath, [...measuringLoop(file), '-e', program])
  await pause(2_000)
  await loopDelay(child.pid!, file)
  await pause(3_000)
  const found = await loopDelay(child.pid!, file)
  child.kill()
  return found
}
/** @returns bytes of the body, of which nothing is kept. */
async function read(client: HttpClient, path: string, method = 'GET', accept = 'application/json'): Promise<number> {
  if (method === 'HEAD') return Number((await client.request(method, path)).headers['content-length'])
  const { statusCode, body } = await client.stream(path, { headers: { accept } })
  if (statusCode !== 200) throw new Error(`${path}: ${statusCode}`)
  let bytes = 0
  for await (const chunk of body) bytes += (chunk as Buffer).length
  return bytes
}
function documentsOf(group: string): { openapiV2: object; openapiV3: object } {
  const field = { type: 'string', description: 'a field '.repeat(4) }
  const properties = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`field${i}`, field]))
  const schemas = Object.fromEntries(
    Array.from({ length: KINDS }, (_, n) => [
      `${group}.Kind${n}`,
      { type: 'object', description: `what ${n} is for `.repeat(10), properties },
    ]),
  )
  const info = { title: 'raw', version: 'v1' }
  const paths = { [`/apis/${group}/v1/remotes`]: { get: { responses: {} } } }
  return {
    openapiV2: { swagger: '2.0', info, paths, definitions: schemas },
    openapiV3: { openapi: '3.0.0', info, paths, components: { schemas } },
  }
}
