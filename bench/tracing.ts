/**
 * What tracing costs: one Portico that traces in every second slot of 1,024 requests, flat out, and the CPU that its main
 * thread took in each (bench/lib/switching-server.ts); what sends the spans is counted apart. The difference of two
 * neighbouring slots of one process is all that says something of some percent: from one process to another chance makes
 * more than that. Answers of 16 bytes, the least work there is, and of 8 KiB; one request in a hundred, and all of them.
 * Prints one JSON object. Core 0 runs Portico, core 1 backend, load and receiver of the spans, and the thread that sends
 * them, as a machine with several cores does; with SEND_CORE=0 it shares that of the main thread, whose caches it takes.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOtlpReceiver } from '../fixtures/otlp/receiver.ts'
import { httpClient } from '../test/harness/http-client.ts'
import { putCertificates } from './lib/endpoint.ts'
import { flatOut, tokenFlag } from './lib/h2load.ts'
import { startNginx } from './lib/nginx.ts'
import { registerBackend } from './lib/register-backend.ts'
import { median, round, startServerProcess } from './lib/server-process.ts'

const SLOT = 1_024
const AT_ONCE = 200_000
const WARM_UP = Number(process.env['WARM_UP'] ?? 600_000)
const REQUESTS = Number(process.env['REQUESTS'] ?? 6_000_000)
const SEND_CORE = Number(process.env['SEND_CORE'] ?? 1)
const GROUP = 'bench.example.com'
const PATH = `/apis/${GROUP}/v1/things`
const ROWS: readonly Row[] = [
  { perMillion: 10_000, bytes: 16, requests: REQUESTS },
  { perMillion: 10_000, bytes: 8_192, requests: REQUESTS / 2 },
  { perMillion: 1_000_000, bytes: 16, requests: REQUESTS / 8 },
]

interface Row {
  readonly perMillion: number
  /** Of an answer. */
  readonly bytes: number
  readonly requests: number
}
interface Pair {
  readonly off: number
  readonly on: number
}
interface Result extends Row {
  /** Of the main thread, for a request: the rate that it can reach is the inverse of that. */
  readonly microseconds: Pair
  /** More than without tracing: of all slots, and of the middle half of the pairs with the error of that. */
  readonly morePercent: number
  readonly middlePercent: number
  readonly standardError: number
  /** CPU of the thread that sends, in percent of what the main thread took without tracing. */
  readonly sendingPercent: number
  /** Received spans for a request that is recorded: each has six, those that did not fit the queue are dropped. */
  readonly spansReceived: number
}

const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
try {
  const rows: Result[] = []
  for (const row of ROWS) {
    rows.push(await measured(row))
    console.error(JSON.stringify(rows.at(-1)))
  }
  console.log(JSON.stringify({ name: 'tracing', rows }))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measured(row: Row): Promise<Result> {
  await using stack = new AsyncDisposableStack()
  const receiver = stack.use(await startOtlpReceiver())
  const server = stack.use(
    await startServerProcess(['--storage-backend=memory', tokenFlag(folder)], {
      core: 0,
      main: join(import.meta.dirname, 'lib/switching-server.ts'),
      env: { ENDPOINT: receiver.url, PER_MILLION: String(row.perMillion), SLOT: String(SLOT) },
    }),
  )
  const own = mkdtempSync(join(folder, 'server-'))
  const ca = server.pki.ca().cert
  putCertificates(own, server.pki.servingFor('backend', ['localhost']))
  // For the workers of nginx, which are nobody.
  for (const path of [folder, own]) chmodSync(path, 0o755)
  writeFileSync(join(own, 'answer'), `{"kind":"${'x'.repeat(row.bytes - 11)}"}`)
  const nginx = `server { listen PORT ssl http2; location / { default_type application/json; root ${own}; rewrite ^ /answer break; } }`
  const backend = stack.use(await startNginx(own, 'backend', nginx, 1))
  const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca, ...server.pki.admin() })
  await registerBackend(admin, { group: GROUP, at: backend.port, ca, path: PATH })
  await admin.close()
  server.pinThreads('spans', SEND_CORE)
  const load = async (requests: number): Promise<void> => {
    for (let left = requests; left > 0; left -= AT_ONCE)
      await flatOut(server, { url: `https://localhost:${server.port}${PATH}`, protocol: 'h2', requests: AT_ONCE })
  }
  await load(WARM_UP)
  const [warm, sentBefore] = [pairsIn(server.log()).length, server.threadSeconds('spans')]
  const spansBefore = receiver.spans.length
  await load(row.requests)
  const sentSeconds = server.threadSeconds('spans') - sentBefore
  const recorded = ((row.requests / 2) * row.perMillion) / 1_000_000
  const spansReceived = round((receiver.spans.length - spansBefore) / recorded, 1)
  return { ...row, ...summary(pairsIn(server.log()).slice(warm), sentSeconds), spansReceived }
}
function pairsIn(log: string): Pair[] {
  return [...log.matchAll(/^SLOTS (.*)$/gm)].map((m) => JSON.parse(m[1]!) as Pair)
}
function summary(pairs: readonly Pair[], sentSeconds: number): Omit<Result, keyof Row | 'spansReceived'> {
  const sum = (of: keyof Pair): number => pairs.reduce((micros, pair) => micros + pair[of], 0)
  const more = pairs.map(({ off, on }) => (on / off - 1) * 100).toSorted((a, b) => a - b)
  const [from, to] = [Math.floor(more.length / 4), Math.ceil((more.length * 3) / 4)]
  const middle = more.slice(from, to)
  // That of a median, of values as they are near it.
  const standardError = (1.25 * (more[to - 1]! - more[from]!)) / 1.35 / Math.sqrt(more.length)
  return {
    microseconds: { off: median(pairs.map((p) => p.off)), on: median(pairs.map((p) => p.on)) },
    morePercent: round((sum('on') / sum('off') - 1) * 100, 1),
    middlePercent: round(middle.reduce((all, p) => all + p, 0) / middle.length, 1),
    standardError: round(standardError, 1),
    sendingPercent: round(((sentSeconds * 1e6) / (sum('off') * SLOT)) * 100, 1),
  }
}
