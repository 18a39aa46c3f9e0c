/**
 * 50 APIServices of which 10 accept connections and never answer: how long discovery takes, and what the requests of other
 * groups feel of it: rounds through a Portico with the ten and one without them alternate, at 500 requests a second.
 * Prints one JSON object. Needs h2load (Debian: nghttp2-client) and nginx. Core 0 runs Portico, core 1 all else.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { httpClient } from '../test/harness/http-client.ts'
import { putCertificates } from './lib/endpoint.ts'
import { latencyOf, steady, type Times, tokenFlag } from './lib/h2load.ts'
import { startNginx } from './lib/nginx.ts'
import { registerBackend } from './lib/register-backend.ts'
import { percentile, round, type ServerProcess, startServerProcess } from './lib/server-process.ts'

const ALL = 50
const HOLES = 10
const REQUESTS = 3000
const ROUNDS = Number(process.env['ROUNDS'] ?? 12)
const GROUP = 'group49.example.com'
const PATH = `/apis/${GROUP}/v1/things`

await using stack = new AsyncDisposableStack()
const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
stack.defer(() => rmSync(folder, { recursive: true, force: true }))
const sockets = new Set<Socket>()
const hole = createServer((socket) => sockets.add(socket.on('error', () => {})))
await new Promise<void>((resolve) => hole.listen(0, '127.0.0.1', resolve))
stack.defer(() => {
  hole.close()
  for (const socket of sockets) socket.destroy()
})
const holed = await withBackends(HOLES)
const whole = await withBackends(0)

const p99Ms: Record<string, number> = {}
const admin = adminOf(holed)
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
for (let i = 0; i < ROUNDS; i++)
  for (const [name, { port }] of [['holed', holed] as const, ['whole', whole] as const]) {
    const url = `https://localhost:${port}${PATH}`
    rounds[name].push(await steady({ url, protocol: 'h2', perSecond: 500, seconds: 5, clients: 5, first: true }))
  }
const [others, othersAlone] = [latencyOf(rounds.holed), latencyOf(rounds.whole)]
console.log(
  JSON.stringify({
    name: 'black-holes',
    apiServices: ALL,
    blackHoled: HOLES,
    p99Ms,
    otherGroups: { withHoles: others, without: othersAlone, p99Ratio: round(others.p99 / othersAlone.p99, 2) },
    rssMiB: Math.round(holed.rssMiB()),
  }),
)

function adminOf({ port, pki }: ServerProcess): ReturnType<typeof httpClient> {
  const client = httpClient(`https://127.0.0.1:${port}`, { ca: pki.ca().cert, ...pki.admin() })
  stack.defer(() => client.close())
  return client
}
/** A Portico in front of 50 backends of which so many never answer. */
async function withBackends(holes: number): Promise<ServerProcess> {
  const server = stack.use(await startServerProcess(['--storage-backend=memory', tokenFlag(folder)], { core: 0 }))
  const own = mkdtempSync(join(folder, 'backend-'))
  putCertificates(own, server.pki.servingFor('backend', ['localhost']))
  const answer = `server { listen PORT ssl http2; location / { default_type application/json; return 200 '{}'; } }`
  const backend = stack.use(await startNginx(own, 'nginx', answer, 1))
  const client = adminOf(server)
  const ca = server.pki.ca().cert
  const { port: holePort } = hole.address() as AddressInfo
  for (let i = 0; i < ALL; i++) {
    const group = `group${i}.example.com`
    const path = `/apis/${group}/v1/things`
    await registerBackend(client, i < holes ? { group, ca, at: holePort } : { group, ca, at: backend.port, path })
  }
  return server
}
