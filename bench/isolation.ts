/**
 * One backend hangs under 2,000 requests a second: what another group's requests feel of it, and what it costs in memory.
 * Prints one JSON object. Needs h2load (Debian: nghttp2-client) and nginx.
 *
 * Rounds alone, beside a busy backend that answers the same 2,000 a second, and beside the hanging one alternate: what the
 * requests themselves cost the core, the second tells; what it does to others that the backend hangs, the third beside
 * it. nginx in front of the same backend, alone and refusing 2,000 a second, tells what this machine allows. Core 0 runs
 * Portico and nginx, core 1 everything else. What arrives for the backend is what Portico itself counts.
 *
 * `together` is over the requests of all rounds, without those during which the hypervisor took a core away; `toBusy` is
 * what changes for others when a backend under that load begins to hang.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { httpClient } from '../test/harness/http-client.ts'
import { putCertificates } from './lib/endpoint.ts'
import { hammer, latencyOf, type Latency, type Times, tokenFlag, undisturbedTimes } from './lib/h2load.ts'
import { startNginx } from './lib/nginx.ts'
import { registerBackend } from './lib/register-backend.ts'
import { median, round, startServerProcess } from './lib/server-process.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 5)
/** Until the backend has all requests that it may have: each has a connection of its own, made on the core of the load. */
const SETTLE_MS = 5_000
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
const admin = httpClient(`https://127.0.0.1:${port}`, { ca: pki.ca().cert, ...pki.admin() })
try {
  const { cert: ca } = pki.ca()
  const hangingPort = (hanging.address() as AddressInfo).port
  await registerBackend(admin, { group: 'good.example.com', at: good.port, ca, path: path('good') })
  await registerBackend(admin, { group: 'busy.example.com', at: good.port, ca, path: path('busy') })
  await registerBackend(admin, { group: 'hanging.example.com', at: hangingPort, ca })
  // What seldom runs is compiled late.
  await beside(port, 'hanging', WARM_UP_MS)
  const rounds: Record<'alone' | 'besideBusy' | 'besideHanging' | 'nginxAlone' | 'nginxRefusing', Times[]> = {
    alone: [],
    besideBusy: [],
    besideHanging: [],
    nginxAlone: [],
    nginxRefusing: [],
  }
  const rates: number[] = []
  const before = server.rssMiB()
  let most = before
  for (let i = 0; i < ROUNDS; i++) {
    rounds.alone.push(await measure(port))
    rounds.besideBusy.push(await beside(port, 'busy'))
    const [fromMs, from] = [performance.now(), await requestsToHanging()]
    rounds.besideHanging.push(await beside(port, 'hanging'))
    rates.push(((await requestsToHanging()) - from) / ((performance.now() - fromMs) / 1_000))
    most = Math.max(most, server.rssMiB())
    rounds.nginxAlone.push(await measure(peer.port))
    rounds.nginxRefusing.push(await beside(peer.port, 'hanging'))
  }
  const all = (some: readonly Times[]): Latency =>
    latencyOf({ times: some.flatMap((t) => t.times), stolen: median(some.map((t) => t.stolen)) })
  const p99 = (some: readonly Times[]): number => all(some).p99
  console.log(
    JSON.stringify({
      name: 'isolation',
      rounds: Object.fromEntries(Object.entries(rounds).map(([name, some]) => [name, some.map(latencyOf)])),
      together: Object.fromEntries(Object.entries(rounds).map(([name, some]) => [name, all(some)])),
      requestsPerSecondToHanging: rates.map(Math.round),
      p99Ratio: {
        toAlone: round(p99(rounds.besideHanging) / p99(rounds.alone), 2),
        toBusy: round(p99(rounds.besideHanging) / p99(rounds.besideBusy), 2),
        ofNginx: round(p99(rounds.nginxRefusing) / p99(rounds.nginxAlone), 2),
      },
      rssGrowthMiB: Math.round(most - before),
    }),
  )
} finally {
  await admin.close()
  hanging.close()
  rmSync(folder, { recursive: true, force: true })
}

/** Of the good group, at 500 requests a second. */
function measure(front: number): Promise<Times> {
  const url = `https://localhost:${front}${path('good')}`
  return undisturbedTimes({ url, protocol: 'h2', perSecond: 500, seconds: 5, clients: 5 })
}
/** While 2,000 others a second are for another group. */
async function beside(front: number, group: string, settleMs = SETTLE_MS): Promise<Times> {
  await using _load = hammer({ url: `https://localhost:${front}${path(group)}`, perSecond: 2_000, clients: 20 })
  await pause(settleMs)
  return await measure(front) // the load goes on until then
}
/** Answered by whatever: 504, 429 or 503. */
async function requestsToHanging(): Promise<number> {
  const { text } = await admin.get('/metrics')
  const counts = text.matchAll(/^apiserver_request_total\{[^}]*group="hanging.example.com"[^}]*\} (\d+)$/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}
