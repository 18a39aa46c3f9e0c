/**
 * One backend hangs under 2,000 requests a second: what another group's requests feel of it, and what it costs in memory.
 * Prints one JSON object. Needs h2load (Debian: nghttp2-client), nginx, and root for real-time priority.
 *
 * The other group is asked steadily, 500 times a second, while slots of 2.5 s without and with that load follow each other
 * in random order; requests during which the hypervisor took a core away, or just before, do not count. nginx in front of
 * the same backend, refusing the load by itself, tells what this machine allows. Core 0 runs nginx and the main thread of
 * Portico, whose collector may use both; core 1 runs all else: who is measured there (h2load and its backend) goes before
 * who makes the load, so that nobody waits for that one.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createServer } from 'node:tls'
import { httpClient } from '../test/harness/http-client.ts'
import { putCertificates } from './lib/endpoint.ts'
import { h2Client } from './lib/h2-client.ts'
import { REAL_TIME, requestsOf, tokenFlag } from './lib/h2load.ts'
import { Load, type Seen } from './lib/load.ts'
import { startNginx } from './lib/nginx.ts'
import { registerBackend } from './lib/register-backend.ts'
import { percentile, round, startServerProcess } from './lib/server-process.ts'
import { StolenTime } from './lib/stolen-time.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 40)
const PER_SECOND = 2_000
const CONNECTIONS = 20
const SLOT_MS = 2_500
/** What the slot before left. */
const SETTLE_MS = 500
const WARM_UP_MS = 20_000
const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
const REFUSED = JSON.stringify({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  reason: 'TooManyRequests',
  code: 429,
})
const path = (group: string): string => `/apis/${group}.example.com/v1/things`

// The load is this process.
for (const thread of readdirSync('/proc/self/task')) putOnCores('1', thread)
await using server = await startServerProcess(['--storage-backend=memory', tokenFlag(folder)], { core: 0 })
const { pki, port } = server
server.freeOtherThreads()
const pair = pki.servingFor('backend', ['localhost', '127.0.0.1'])
putCertificates(folder, pair)
await using good = await startNginx(
  folder,
  'backend',
  `server { listen PORT ssl http2; location / { default_type application/json; return 200 '{"kind":"Thing"}'; } }`,
  1,
  REAL_TIME,
)
writeFileSync(join(folder, 'ca.crt'), pki.ca().cert)
await using peer = await startNginx(
  folder,
  'peer',
  `upstream b { server 127.0.0.1:${good.port}; keepalive 64; keepalive_requests 100000000; }
server { listen PORT ssl http2;
  location ${path('hanging')} { default_type application/json; return 429 '${REFUSED}'; }
  location / { proxy_pass https://b; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_trusted_certificate CERTS/ca.crt; } }`,
  0,
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
const { cert: ca } = pki.ca()
const admin = httpClient(`https://127.0.0.1:${port}`, { ca, ...pki.admin() })
try {
  const hangingPort = (hanging.address() as AddressInfo).port
  await registerBackend(admin, { group: 'good.example.com', at: good.port, ca, path: path('good') })
  await registerBackend(admin, { group: 'hanging.example.com', at: hangingPort, ca })
  const before = server.rssMiB()
  const portico = await inSlots(port)
  const rssGrowthMiB = Math.round(server.rssMiB() - before)
  const nginx = await inSlots(peer.port)
  const ratios = { p99Ratio: ratio(portico), p99RatioOfNginx: ratio(nginx) }
  console.log(JSON.stringify({ name: 'isolation', ...ratios, rssGrowthMiB, portico, nginx }))
} finally {
  await admin.close()
  hanging.close()
  rmSync(folder, { recursive: true, force: true })
}

interface Felt {
  readonly p50: number
  readonly p99: number
  readonly requests: number
}
interface Both {
  readonly alone: Felt
  readonly beside: Felt
  readonly load: Seen
}

/** What the good group's requests took without the load and beside it. */
async function inSlots(front: number): Promise<Both> {
  using client = await h2Client({ port: front, ca, ...pki.admin() }, CONNECTIONS)
  // Until the backend has all the requests that it may have, each over a connection of its own, and all is compiled.
  await new Load(client, PER_SECOND).run(path('hanging'), WARM_UP_MS)
  const load = new Load(client, PER_SECOND)
  const url = `https://localhost:${front}${path('good')}`
  const seconds = (ROUNDS * 2 * SLOT_MS) / 1_000
  using stolen = new StolenTime()
  const asked = requestsOf({ url, protocol: 'h2', perSecond: 500, seconds, clients: 5, first: true })
  const slots: { loaded: boolean; fromMs: number; toMs: number }[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const first = Math.random() < 0.5
    for (const loaded of [first, !first]) {
      const fromMs = Date.now() + SETTLE_MS
      await (loaded ? load.run(path('hanging'), SLOT_MS) : pause(SLOT_MS))
      slots.push({ loaded, fromMs, toMs: Date.now() })
    }
  }
  const requests = (await asked).filter((r) => !stolen.touches(r.startMs, r.startMs + r.ms))
  const felt = (loaded: boolean): Felt => {
    const own = slots.filter((slot) => slot.loaded === loaded)
    const during = requests.filter((r) => own.some((slot) => slot.fromMs <= r.startMs && r.startMs < slot.toMs))
    const times = during.map((r) => r.ms)
    const [p50, p99] = [percentile(times, 0.5), percentile(times, 0.99)]
    return { p50: round(p50, 2), p99: round(p99, 2), requests: times.length }
  }
  return { alone: felt(false), beside: felt(true), load: load.seen() }
}
function putOnCores(cores: string, thread: string): void {
  execFileSync('taskset', ['-c', '-p', cores, thread], { stdio: 'ignore' })
}
function ratio({ alone, beside }: Both): number {
  return round(beside.p99 / alone.p99, 2)
}
