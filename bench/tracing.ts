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
import { type CpuNanos, median, round, type ServerProcess, startServerProcess } from './lib/server-process.ts'

const TRIALS = Number(process.env['TRIALS'] ?? 6)
const ROUNDS = Number(process.env['ROUNDS'] ?? 60)
const REQUESTS = Number(process.env['REQUESTS'] ?? 3_000)
const WARM_UP = Number(process.env['WARM_UP'] ?? 30)
const WARM_UP_REQUESTS = 30_000
const PER_MILLION = Number(process.env['PER_MILLION'] ?? 10_000)
const GROUP = 'bench.example.com'
const PATH = `/apis/${GROUP}/v1/things`
const BACKEND = `server { listen PORT ssl http2; location / { default_type application/json; return 200 '{"kind":"Thing"}'; } }`

/** More CPU than without tracing, in percent. */
interface More {
  readonly mainThread: number
  readonly process: number
}
interface Trial {
  readonly tracing: More
  /** Without tracing too. */
  readonly control: More
  /** CPU seconds of the main thread for 100,000 requests: medians of the turns. */
  readonly seconds: Readonly<Record<string, number>>
}
interface Front {
  readonly port: number
  readonly server: ServerProcess
  /** CPU seconds for 100,000 requests, of each turn. */
  readonly costs: More[]
  /** At the begin of its last turn. */
  before: CpuNanos | undefined
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
  const summaryOf = (of: 'tracing' | 'control'): object => ({
    mainThread: summary(trials.map((t) => t[of].mainThread)),
    process: summary(trials.map((t) => t[of].process)),
  })
  const morePercent = { tracing: summaryOf('tracing'), control: summaryOf('control') }
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
      const now = front.server.cpuNanos()
      if (front.before !== undefined) front.costs.push(costOf(front.before, now))
      front.before = now
      await load(front, REQUESTS)
    }
  }
  const [off, on, control] = fronts.map(({ costs }) => costs) as [More[], More[], More[]]
  const untraced = off.map((cost, i) => ({
    mainThread: (cost.mainThread + control[i]!.mainThread) / 2,
    process: (cost.process + control[i]!.process) / 2,
  }))
  const seconds = (costs: readonly More[]): number => median(costs.map((c) => c.mainThread))
  return {
    tracing: moreThan(on, untraced),
    control: moreThan(control, off),
    seconds: { off: seconds(off), on: seconds(on), control: seconds(control) },
  }
}
function costOf(before: CpuNanos, now: CpuNanos): More {
  const per100k = (nanos: number): number => round((nanos / 1e9 / REQUESTS) * 100_000, 3)
  return { mainThread: per100k(now.mainThread - before.mainThread), process: per100k(now.process - before.process) }
}
/** In percent: the median of the turns. */
function moreThan(some: readonly More[], others: readonly More[]): More {
  const of = (what: keyof More): number =>
    median(some.map((cost, i) => round((cost[what] / others[i]![what] - 1) * 100, 1)))
  return { mainThread: of('mainThread'), process: of('process') }
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
