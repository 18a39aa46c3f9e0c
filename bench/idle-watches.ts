/**
 * What 2,000 idle watches through the proxy cost in memory, over HTTP/2 from the client, to a backend with HTTP/2 and to
 * one without. Prints one JSON object: KiB of resident memory per watch, each time and the median.
 *
 * How much garbage is counted with it is chance, hence the median. WATCHES and ROUNDS may be given.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { startChildBackend } from '../test/harness/child-backend.ts'
import { httpClient } from '../test/harness/http-client.ts'
import { registerBackend } from './lib/register-backend.ts'
import { median, type ServerProcess, startServerProcess } from './lib/server-process.ts'
import { openWatches } from './lib/watches.ts'

const WATCHES = Number(process.env['WATCHES'] ?? 2_000)
const ROUNDS = Number(process.env['ROUNDS'] ?? 3)
const GROUP = 'raw.example.com'
const PATH = `/apis/${GROUP}/v1/things`

async function measure(protocol: 'h2' | 'http/1.1'): Promise<number> {
  await using server = await startServerProcess(['--storage-backend=memory'])
  await using backend = await startChildBackend(server, { host: '127.0.0.1', protocol })
  const identity = { ca: server.pki.ca().cert, ...server.pki.admin() }
  const admin = httpClient(`https://127.0.0.1:${server.port}`, identity)
  await registerBackend(admin, { group: GROUP, at: backend.port, ca: identity.ca, path: PATH })
  await admin.close()
  // What the first requests load and compile is no cost of watches.
  const target = { port: server.port, path: PATH, ...identity }
  const first = await openWatches(target, 100)
  first[Symbol.dispose]()
  await settled(server)
  const before = server.rssMiB()
  using _watches = await openWatches(target, WATCHES)
  await settled(server)
  const after = server.rssMiB()
  return Math.round(((after - before) * 1024 * 10) / WATCHES) / 10
}

/** Memory that was freed is given back within seconds. */
async function settled(server: ServerProcess): Promise<void> {
  let last = server.rssMiB()
  for (let i = 0; i < 20; i++) {
    await pause(500)
    const now = server.rssMiB()
    if (Math.abs(now - last) < 0.5) return
    last = now
  }
}

const rounds: Record<'h2' | 'http/1.1', number[]> = { h2: [], 'http/1.1': [] }
for (let i = 0; i < ROUNDS; i++) {
  rounds.h2.push(await measure('h2'))
  rounds['http/1.1'].push(await measure('http/1.1'))
}
const kibPerWatch = { h2: median(rounds.h2), 'http/1.1': median(rounds['http/1.1']) }
console.log(JSON.stringify({ name: 'idle-watches', watches: WATCHES, rounds, kibPerWatch }))
