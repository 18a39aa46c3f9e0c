/**
 * What tracing one request in a hundred costs in CPU: three Porticos, each in front of a backend, under load at the same
 * time: one that traces between two that do not. What differs between those two is what this bench cannot tell. How a
 * process compiles is chance and makes some percent, so that is done several times with new ones. Prints one JSON
 * object. Core 0 runs Portico, core 1 backend, load and receiver of the spans.
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

const TRIALS = Number(process.env['TRIALS'] ?? 5)
const ROUNDS = Number(process.env['ROUNDS'] ?? 5)
const REQUESTS = Number(process.env['REQUESTS'] ?? 30_000)
const WARM_UP = Number(process.env['WARM_UP'] ?? 8)
const PER_MILLION = Number(process.env['PER_MILLION'] ?? 10_000)
const GROUP = 'bench.example.com'
const PATH = `/apis/${GROUP}/v1/things`
const BACKEND = `server { listen PORT ssl http2; location / { default_type application/json; return 200 '{"kind":"Thing"}'; } }`

/** More CPU than without tracing, in percent; `control`: without tracing too. */
interface Trial {
  readonly tracing: number
  readonly control: number
  readonly cpuSecondsPer100k: Readonly<Record<string, readonly number[]>>
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
  for (let i = 0; i < TRIALS; i++) trials.push(await trial(config))
  const morePercent = {
    tracing: median(trials.map((t) => t.tracing)),
    control: median(trials.map((t) => t.control)),
  }
  const spansReceived = receiver.spans.length
  console.log(JSON.stringify({ name: 'tracing', requests: REQUESTS, trials, morePercent, spansReceived }))
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function trial(config: string): Promise<Trial> {
  await using stack = new AsyncDisposableStack()
  const fronts: { port: number; server: ServerProcess; costs: number[] }[] = []
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
    fronts.push({ port: server.port, server, costs: [] })
  }
  // All at once: whatever else this machine does, it does to all. Each is first in turn: who starts first costs less.
  for (let i = -WARM_UP; i < ROUNDS; i++) {
    const first = (i + WARM_UP) % fronts.length
    await Promise.all(
      [...fronts.slice(first), ...fronts.slice(0, first)].map(async ({ port, server, costs }) => {
        const url = `https://localhost:${port}${PATH}`
        const { cpuSecondsPer100k } = await flatOut(server, { url, protocol: 'h2', requests: REQUESTS })
        if (i >= 0) costs.push(round(cpuSecondsPer100k, 2))
      }),
    )
  }
  const [off, on, control] = fronts.map(({ costs }) => costs) as [number[], number[], number[]]
  const untraced = off.map((seconds, i) => (seconds + control[i]!) / 2)
  return {
    tracing: moreThan(on, untraced),
    control: moreThan(control, off),
    cpuSecondsPer100k: { off, on, control },
  }
}
/** In percent: the median of the rounds. */
function moreThan(some: readonly number[], others: readonly number[]): number {
  return median(some.map((seconds, i) => round((seconds / others[i]! - 1) * 100, 1)))
}
