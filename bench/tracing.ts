/**
 * What tracing one request in a hundred costs in CPU: three Porticos, one that traces between two that do not, each with a
 * backend of its own, under load in turns of a tenth of a second. What differs between the two is what this bench cannot
 * tell. How a process is compiled and lies in memory is chance and makes some percent, so that is done again with new ones.
 * Prints one JSON object. Core 0 runs Portico, core 1 backend, load and receiver of the spans.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOtlpReceiver } from '../fixtures/otlp/receiver.ts'
import { httpClient } from '../test/harness/http-client.ts'
import { putCertificates } from './lib/endpoint.ts'
import { flatOut, tokenFlag } from './lib/h2load.ts'
import { startNginx } from './lib/nginx.ts'
import { registerBackend } from './lib/register-backend.ts'
import { median, round, type ServerProcess, startServerProcess } from './lib/server-process.ts'

const TRIALS = Number(process.env['TRIALS'] ?? 10)
const ROUNDS = Number(process.env['ROUNDS'] ?? 60)
const REQUESTS = Number(process.env['REQUESTS'] ?? 3_000)
const WARM_UP = Number(process.env['WARM_UP'] ?? 10)
const WARM_UP_REQUESTS = 30_000
const PER_MILLION = Number(process.env['PER_MILLION'] ?? 10_000)
const GROUP = 'bench.example.com'
const PATH = `/apis/${GROUP}/v1/things`
const BACKEND = `server { listen PORT ssl http2; location / { default_type application/json; return 200 '{"kind":"Thing"}'; } }`

/** More CPU than without tracing, in percent; `control`: without tracing too. */
interface Trial {
  readonly tracing: number
  readonly control: number
  /** Medians of the turns. */
  readonly cpuSecondsPer100k: Readonly<Record<string, number>>
}
interface Front {
  readonly port: number
  readonly server: ServerProcess
  readonly costs: number[]
  /** CPU seconds at the begin of its last turn. */
  before: number | undefined
}

const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
try {
  await using receiver = await startOtlpReceiver()
  const config = join(folder, 'tracing.yaml')
  writeFileSync(
    config,
    `{apiVersion: apiserver.config.k8s.io/v1, kind: TracingConfiguration, endpoint: "${receiver.url}", samplingRatePerMillion: ${PER_MILLION}}`,
  )
  const trials: Trial[] = []
  for (let i = 0; i < TRIALS; i++) {
    const one = await trial(config)
    trials.push(one)
    console.error(JSON.stringify(one))
  }
  const morePercent = { tracing: summary(trials.map((t) => t.tracing)), control: summary(trials.map((t) => t.control)) }
  const spansReceived = receiver.spans.length
  console.log(JSON.stringify({ name: 'tracing', requests: REQUESTS, trials, morePercent, spansReceived }))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function trial(config: string): Promise<Trial> {
  await using stack = new AsyncDisposableStack()
  const fronts: Front[] = []
  for (const more of [[], [`--tracing-config-file=${config}`], []]) {
    const server = stack.use(
      await startServerProcess(['--storage-backend=memory', tokenFlag(folder), ...more], { core: 0 }),
    )
    // Each has a CA of its own, and so a backend of its own.
    const own = mkdtempSync(join(folder, 'front-'))
    const ca = server.pki.ca().cert
    putCertificates(own, server.pki.servingFor('backend', ['localhost']))
    const backend = stack.use(await startNginx(own, 'backend', BACKEND, 1))
    const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca, ...server.pki.admin() })
    await registerBackend(admin, { group: GROUP, at: backend.port, ca, path: PATH })
    await admin.close()
    fronts.push({ port: server.port, server, costs: [], before: undefined })
  }
  const load = (front: Front, requests: number): Promise<unknown> =>
    flatOut(front.server, { url: `https://localhost:${front.port}${PATH}`, protocol: 'h2', requests })
  for (let i = 0; i < WARM_UP; i++) for (const front of fronts) await load(front, WARM_UP_REQUESTS)
  // Short turns: whatever else this machine does, it does to all. Each is first in turn.
  for (let i = 0; i <= ROUNDS; i++) {
    const first = i % fronts.length
    for (const front of [...fronts.slice(first), ...fronts.slice(0, first)]) {
      // From turn to turn, so that it counts, too, what is sent to the collector between them.
      const seconds = front.server.cpuNanos() / 1e9
      if (front.before !== undefined) front.costs.push(round(((seconds - front.before) / REQUESTS) * 100_000, 3))
      front.before = seconds
      await load(front, REQUESTS)
    }
  }
  const [off, on, control] = fronts.map(({ costs }) => costs) as [number[], number[], number[]]
  const untraced = off.map((seconds, i) => (seconds + control[i]!) / 2)
  return {
    tracing: moreThan(on, untraced),
    control: moreThan(control, off),
    cpuSecondsPer100k: { off: median(off), on: median(on), control: median(control) },
  }
}
/** In percent: the median of the rounds. */
function moreThan(some: readonly number[], others: readonly number[]): number {
  return median(some.map((seconds, i) => round((seconds / others[i]! - 1) * 100, 1)))
}
/** Of the trials: where half of them are below, and how sure their mean is. */
function summary(percents: readonly number[]): { median: number; mean: number; standardError: number } {
  const mean = percents.reduce((sum, p) => sum + p, 0) / percents.length
  const variance = percents.reduce((sum, p) => sum + (p - mean) ** 2, 0) / Math.max(1, percents.length - 1)
  return {
    median: median(percents),
    mean: round(mean, 1),
    standardError: round(Math.sqrt(variance / percents.length), 1),
  }
}
