/**
 * What tracing one request in a hundred costs in CPU: three Porticos, each in front of a backend, under load at the same
 * time: one that traces between two that do not. What differs between those two is what this bench cannot tell. Prints
 * one JSON object. Core 0 runs Portico, core 1 backend, load and receiver of the spans.
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

const ROUNDS = Number(process.env['ROUNDS'] ?? 9)
const REQUESTS = Number(process.env['REQUESTS'] ?? 30_000)
const WARM_UP = Number(process.env['WARM_UP'] ?? 15)
const PER_MILLION = Number(process.env['PER_MILLION'] ?? 10_000)
const GROUP = 'bench.example.com'
const PATH = `/apis/${GROUP}/v1/things`
const BACKEND = `server { listen PORT ssl http2; location / { default_type application/json; return 200 '{"kind":"Thing"}'; } }`

const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
try {
  await using receiver = await startOtlpReceiver()
  const config = join(folder, 'tracing.yaml')
  writeFileSync(
    config,
    `{apiVersion: apiserver.config.k8s.io/v1, kind: TracingConfiguration, endpoint: "${receiver.url}", samplingRatePerMillion: ${PER_MILLION}}`,
  )
  const start = (more: readonly string[]): Promise<ServerProcess> =>
    startServerProcess(['--storage-backend=memory', tokenFlag(folder), ...more], { core: 0 })
  const makers = { off: [], on: [`--tracing-config-file=${config}`], control: [] }
  await using stack = new AsyncDisposableStack()
  const measured: { name: string; server: ServerProcess; costs: number[] }[] = []
  for (const [name, more] of Object.entries(makers)) {
    const server = stack.use(await start(more))
    // Each has a CA of its own, and so a backend of its own.
    const own = mkdtempSync(join(folder, `${name}-`))
    const ca = server.pki.ca().cert
    putCertificates(own, server.pki.servingFor('backend', ['localhost']))
    const backend = stack.use(await startNginx(own, 'backend', BACKEND, 1))
    const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca, ...server.pki.admin() })
    await registerBackend(admin, { group: GROUP, at: backend.port, ca, path: PATH })
    await admin.close()
    measured.push({ name, server, costs: [] })
  }
  const cost = async (server: ServerProcess): Promise<number> => {
    const how = { url: `https://localhost:${server.port}${PATH}`, protocol: 'h2', requests: REQUESTS } as const
    return (await flatOut(server, how)).cpuSecondsPer100k
  }
  // All at once: whatever else this machine does, it does to all. Each is first in turn: who starts first costs less.
  // What seldom runs is compiled late.
  for (let i = -WARM_UP; i < ROUNDS; i++) {
    const first = (i + WARM_UP) % measured.length
    await Promise.all(
      [...measured.slice(first), ...measured.slice(0, first)].map(async ({ server, costs }) => {
        const seconds = await cost(server)
        if (i >= 0) costs.push(round(seconds, 2))
      }),
    )
  }
  const [off, on, control] = measured.map(({ costs }) => costs) as [number[], number[], number[]]
  const untraced = off.map((seconds, i) => (seconds + control[i]!) / 2)
  const more = (some: readonly number[], than: readonly number[]): number[] =>
    some.map((seconds, i) => round((seconds / than[i]! - 1) * 100, 1))
  const [ofTracing, ofControl] = [more(on, untraced), more(control, off)]
  console.log(
    JSON.stringify({
      name: 'tracing',
      requests: REQUESTS,
      cpuSecondsPer100k: { off, on, control },
      morePercent: { median: median(ofTracing), all: ofTracing },
      controlMorePercent: { median: median(ofControl), all: ofControl },
      spansReceived: receiver.spans.length,
    }),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
