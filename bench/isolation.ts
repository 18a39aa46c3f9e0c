/**
 * One backend hangs under 2,000 requests a second: what another group's requests feel of it, and what it costs in memory.
 * Prints one JSON object. Needs h2load (Debian: nghttp2-client) and nginx.
 *
 * Rounds alone, beside a busy backend that answers the same 2,000 a second, and beside the hanging one alternate: what the
 * requests themselves cost the core, the second tells; what it does to others that the backend hangs, the third beside
 * it. Core 0 runs Portico, core 1 everything else. What arrives for the backend is what Portico itself counts.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { httpClient } from '../test/harness/http-client.ts'
import { putCertificates } from './lib/endpoint.ts'
import { hammer, type Latency, tokenFlag, undisturbed } from './lib/h2load.ts'
import { startNginx } from './lib/nginx.ts'
import { registerBackend } from './lib/register-backend.ts'
import { median, round, startServerProcess } from './lib/server-process.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 5)
/** Until the backend has all requests that it may have: each has a connection of its own, made on the core of the load. */
const SETTLE_MS = 5_000
const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
const path = (group: string): string => `/apis/${group}.example.com/v1/things`

await using server = await startServerProcess(['--storage-backend=memory', tokenFlag(folder)], { core: 0 })
const { pki, port } = server
const pair = pki.servingFor('backend', ['localhost', '127.0.0.1'])
putCertificates(folder, pair)
await using good = await startNginx(
  folder,
  'backend',
  `server { listen PORT ssl http2; location / { default_type application/json; return 200 '{"kind":"Thing"}'; } }`,
  1,
)
// Takes requests and never answers, but for its discovery: it looks well.
const hanging = createServer({ ...pair, ALPNProtocols: ['http/1.1'] }, (socket) => {
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    if (/^GET \/apis(\/\S+\/v1)? /.test(chunk.toString('latin1')))
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}')
  })
})
await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve))
const admin = httpClient(`https://127.0.0.1:${port}`, { ca: pki.ca().cert, ...pki.admin() })
try {
  const { cert: ca } = pki.ca()
  const hangingPort = (hanging.address() as AddressInfo).port
  await registerBackend(admin, { group: 'good.example.com', at: good.port, ca, path: path('good') })
  await registerBackend(admin, { group: 'busy.example.com', at: good.port, ca, path: path('busy') })
  await registerBackend(admin, { group: 'hanging.example.com', at: hangingPort, ca })
  await measure()
  const [alone, busy, beside]: [Latency[], Latency[], Latency[]] = [[], [], []]
  const rates: number[] = []
  const before = server.rssMiB()
  let most = before
  for (let i = 0; i < ROUNDS; i++) {
    alone.push(await measure())
    busy.push(await besideBusy())
    await using _load = hammer({ url: url('hanging'), perSecond: 2_000, clients: 20 })
    await pause(SETTLE_MS)
    const [fromMs, from] = [performance.now(), await requestsToHanging()]
    beside.push(await measure())
    rates.push(((await requestsToHanging()) - from) / ((performance.now() - fromMs) / 1_000))
    most = Math.max(most, server.rssMiB())
  }
  const p99 = (rounds: readonly Latency[]): number => median(rounds.map((r) => r.p99))
  console.log(
    JSON.stringify({
      name: 'isolation',
      rounds: { alone, busy, hanging: beside },
      requestsPerSecondToHanging: rates.map(Math.round),
      p99Ms: { alone: p99(alone), besideBusy: p99(busy), besideHanging: p99(beside) },
      p99Ratio: { toAlone: round(p99(beside) / p99(alone), 2), toBusy: round(p99(beside) / p99(busy), 2) },
      rssGrowthMiB: Math.round(most - before),
    }),
  )
} finally {
  await admin.close()
  hanging.close()
  rmSync(folder, { recursive: true, force: true })
}

function url(group: string): string {
  return `https://localhost:${port}${path(group)}`
}
/** Of the good group, at 500 requests a second. */
function measure(): Promise<Latency> {
  return undisturbed({ url: url('good'), protocol: 'h2', perSecond: 500, seconds: 5, clients: 5 })
}
async function besideBusy(): Promise<Latency> {
  await using _load = hammer({ url: url('busy'), perSecond: 2_000, clients: 20 })
  await pause(SETTLE_MS)
  return measure()
}
/** Answered by whatever: 504, 429 or 503. */
async function requestsToHanging(): Promise<number> {
  const { text } = await admin.get('/metrics')
  const counts = text.matchAll(/^apiserver_request_total\{[^}]*group="hanging.example.com"[^}]*\} (\d+)$/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}
