/**
 * 50 APIServices of which 10 accept connections and never answer: how long discovery takes, and what the requests of other
 * groups feel of it, at 500 a second: rounds with the ten and without them alternate in one process, since two differ by
 * chance. Prints one JSON object. Needs h2load (Debian: nghttp2-client) and nginx. Core 0 runs Portico's
 * main thread, core 1 all else.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { httpClient } from '../test/harness/http-client.ts'
import { putCertificates } from './lib/endpoint.ts'
import { latencyOf, steady, type Times, tokenFlag } from './lib/h2load.ts'
import { startNginx } from './lib/nginx.ts'
import { registerBackend } from './lib/register-backend.ts'
import { percentile, round, startServerProcess } from './lib/server-process.ts'

const ALIVE = 40
const HOLES = 10
const REQUESTS = 3000
const ROUNDS = Number(process.env['ROUNDS'] ?? 6)
const PATH = `/apis/${groupOf(0)}/v1/things`
const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
/** What is registered or gone is looked at, and what never answers has run out of time once: probes and handshakes. */
const SETTLE_MS = 13_000

await using stack = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
stack.defer(() => rmSync(folder, { recursive: true, force: true }))
const sockets = new Set<Socket>()
// Each its own address: those that share one would fail in the same moment.
const holes = await Promise.all(Array.from({ length: HOLES }, startHole))
stack.defer(() => {
  for (const hole of holes) hole.close()
  for (const socket of sockets) socket.destroy()
})
const server = stack.use(await startServerProcess(['--storage-backend=memory', tokenFlag(folder)], { core: 0 }))
server.freeOtherThreads()
const { port, pki } = server
const { cert: ca } = pki.ca()
putCertificates(folder, pki.servingFor('backend', ['localhost']))
const answer = `server { listen PORT ssl http2; location / { default_type application/json; return 200 '{}'; } }`
const backend = stack.use(await startNginx(folder, 'backend', answer, 1))
const admin = httpClient(`https://127.0.0.1:${port}`, { ca, ...pki.admin() })
stack.defer(() => admin.close())
for (let i = 0; i < ALIVE; i++) {
  const group = groupOf(i)
  await registerBackend(admin, { group, ca, at: backend.port, path: `/apis/${group}/v1/things` })
}
await putHoles(true)

const p99Ms: Record<string, number> = {}
for (const [name, path] of Object.entries({ apis: '/apis', group: '/apis/group1.example.com' })) {
  const times: number[] = []
  for (let i = 0; i < REQUESTS; i++) {
    const startMs = performance.now()
    await admin.get(path)
    times.push(performance.now() - startMs)
  }
  p99Ms[name] = round(percentile(times, 0.99), 2)
}
const rounds: { holed: Times[]; whole: Times[] } = { holed: [], whole: [] }
let holed = true
for (let i = 0; i < ROUNDS; i++)
  for (const name of i % 2 === 0 ? (['holed', 'whole'] as const) : (['whole', 'holed'] as const)) {
    if (holed !== (name === 'holed')) await putHoles((holed = !holed))
    const url = `https://localhost:${port}${PATH}`
    rounds[name].push(await steady({ url, protocol: 'h2', perSecond: 500, seconds: 8, clients: 5, first: true }))
  }
const [others, othersAlone] = [latencyOf(rounds.holed), latencyOf(rounds.whole)]
console.log(
  JSON.stringify({
    name: 'black-holes',
    apiServices: ALIVE + HOLES,
    blackHoled: HOLES,
    p99Ms,
    otherGroups: { withHoles: others, without: othersAlone, p99Ratio: round(others.p99 / othersAlone.p99, 2) },
    rssMiB: Math.round(server.rssMiB()),
  }),
)

function groupOf(i: number): string {
  return `group${i}.example.com`
}
async function startHole(): Promise<Server> {
  const hole = createServer((socket) => sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => hole.listen(0, '127.0.0.1', resolve))
  return hole
}
/** The ten that never answer. */
async function putHoles(there: boolean): Promise<void> {
  for (const [i, hole] of holes.entries()) {
    const group = groupOf(ALIVE + i)
    if (there) await registerBackend(admin, { group, ca, at: (hole.address() as AddressInfo).port })
    else await admin.delete(`${APISERVICES}/v1.${group}`)
  }
  await pause(SETTLE_MS)
}
