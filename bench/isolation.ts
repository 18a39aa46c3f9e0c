/**
 * One backend hangs under 2,000 requests a second: what another group's requests feel of it, and what it costs in memory.
 * Prints one JSON object. Needs h2load (Debian: nghttp2-client) and nginx.
 *
 * The rounds with and without load on the hanging backend alternate. Core 0 runs Portico, core 1 everything else.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:tls'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { httpClient } from '../test/harness/http-client.ts'
import { startNginx } from './lib/nginx.ts'
import { registerBackend } from './lib/register-backend.ts'
import { median, percentile, rssMiB, startServerProcess } from './lib/server-process.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 5)
const TOKEN = 'bench-token-0123456789'
const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
const path = (group: string): string => `/apis/${group}.example.com/v1/things`

const tokens = join(folder, 'tokens.csv')
writeFileSync(tokens, `${TOKEN},jane,1,"system:masters"\n`)
await using server = await startServerProcess(['--storage-backend=memory', `--token-auth-file=${tokens}`], { core: 0 })
const { pki, port } = server
for (const [name, pair] of [['server', pki.servingFor('b', ['b.default.svc', 'localhost', '127.0.0.1'])]] as const) {
  writeFileSync(join(folder, `${name}.crt`), pair.cert)
  writeFileSync(join(folder, `${name}.key`), pair.key)
}
writeFileSync(join(folder, 'ca.crt'), pki.ca().cert)
await using good = await startNginx(
  folder,
  'backend',
  `server { listen PORT ssl http2; location / { default_type application/json; return 200 '{"kind":"Thing"}'; } }`,
  1,
)
// Takes requests and never answers, but for its discovery: it looks well.
const hanging = createServer(
  { ...pki.servingFor('h', ['localhost', '127.0.0.1']), ALPNProtocols: ['http/1.1'] },
  (socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      if (/^GET \/apis(\/\S+\/v1)? /.test(chunk.toString('latin1')))
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}')
    })
  },
)
await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
try {
  const admin = httpClient(`https://127.0.0.1:${port}`, { ca: pki.ca().cert, ...pki.admin() })
  const { cert: ca } = pki.ca()
  const hangingPort = (hanging.address() as AddressInfo).port
  await registerBackend(admin, { group: 'good.example.com', port: good.port, ca, path: path('good') })
  await registerBackend(admin, { group: 'hanging.example.com', port: hangingPort, ca })
  await admin.close()
  measure()
  const alone: number[] = []
  const beside: number[] = []
  const before = rssMiB(server.pid)
  let most = before
  const refused: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    alone.push(measure())
    const load = hammer()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    beside.push(measure())
    most = Math.max(most, rssMiB(server.pid))
    refused.push(await stop(load))
  }
  console.log(
    JSON.stringify({
      name: 'isolation',
      rounds: ROUNDS,
      p99Ms: { alone: median(alone), besideHanging: median(beside) },
      p99Ratio: Math.round((median(beside) / median(alone)) * 100) / 100,
      rssGrowthMiB: Math.round(most - before),
      requestsToHangingPerRound: median(refused),
    }),
  )
} finally {
  hanging.close()
  rmSync(folder, { recursive: true, force: true })
  process.exitCode ??= 0
}

/** On the core beside Portico's. */
function h2loadArgs(more: readonly string[], group: string): string[] {
  const token = `authorization: Bearer ${TOKEN}`
  return ['-c', '1', 'h2load', '-H', token, ...more, `https://localhost:${port}${path(group)}`]
}
/** p99 in ms of the good group at 500 requests a second. */
function measure(): number {
  const log = join(folder, 'latencies')
  rmSync(log, { force: true })
  spawnSync('taskset', h2loadArgs(['-n', '2000', '-c', '5', '-m', '10', '--rps=100', `--log-file=${log}`], 'good'))
  const times = readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => Number(line.split('\t')[2]) / 1_000)
  return percentile(times, 0.99)
}
function hammer(): ChildProcess {
  const args = h2loadArgs(['-D', '60', '-c', '20', '-m', '100', '--rps=100'], 'hanging')
  return spawn('taskset', args, { stdio: ['ignore', 'pipe', 'ignore'] })
}
async function stop(load: ChildProcess): Promise<number> {
  let text = ''
  load.stdout!.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const ended = new Promise((resolve) => load.once('exit', resolve))
  load.kill('SIGINT')
  await ended
  return Number(/requests: (\d+) total/.exec(text)?.[1] ?? 0)
}
