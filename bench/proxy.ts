/**
 * A proxied GET of 1 KiB, TLS on both sides: CPU per 100,000 requests and added latency at a steady rate, of
 * Portico (whole, and its data plane alone) beside nginx, interleaved in one run. Prints one JSON object.
 *
 * Core 0 runs the proxy under test, core 1 the backend and the load. Figures of one run compare; those of two may not.
 * Needs nginx, h2load (Debian: nghttp2-client) and taskset. ROUNDS, REQUESTS and FRONTS may be given by the environment.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeCA, makeCertificate } from '../src/http/certificates.ts'
import { httpClient } from '../test/harness/http-client.ts'
import {
  type FlatOut,
  flatOut,
  type Latency,
  latencyOf,
  type Protocol,
  steady,
  tokenFlag,
  undisturbed,
} from './lib/h2load.ts'
import { type Nginx, startNginx } from './lib/nginx.ts'
import { cpuSeconds, median, round, rssMiB, startServerProcess } from './lib/server-process.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 3)
const REQUESTS = Number(process.env['REQUESTS'] ?? 30_000)
const ONLY = process.env['FRONTS']?.split(',')
const STEADY_ROUNDS = Number(process.env['STEADY_ROUNDS'] ?? 5)
const STEADY = { perSecond: 2_000, seconds: 5, clients: 10 }
const GROUP = 'bench.example.com'
const PATH = `/apis/${GROUP}/v1/things`

type Front = Pick<Nginx, 'port' | 'cpuSeconds' | 'rssMiB' | typeof Symbol.asyncDispose>

/** The order is the order of each round. */
const STARTS: Record<string, (folder: string, backendPort: number, ca: string) => Promise<Front>> = {
  nginx: (dir, port) =>
    startNginx(
      dir,
      'proxy',
      `upstream b { server 127.0.0.1:${port}; keepalive 64; keepalive_requests 100000000; }
server { listen PORT ssl http2; location / { proxy_pass https://b; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header X-Remote-User jane; proxy_set_header X-Remote-Group dev;
  proxy_ssl_verify on; proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_trusted_certificate CERTS/ca.crt; } }`,
      0,
    ),
  dataPlane: (dir, port) => startBare(dir, port),
  portico: startWhole,
}

async function startBare(dir: string, backendPort: number): Promise<Front> {
  const script = join(import.meta.dirname, 'lib/bare-front.ts')
  const flags = process.env['NODE_FLAGS']?.split(' ') ?? ['--max-semi-space-size=8']
  const child = spawn('taskset', ['-c', '0', process.execPath, ...flags, script, dir, String(backendPort), 'auto'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const port = await new Promise<number>((resolve) => child.stdout.once('data', (d) => resolve(Number(d))))
  return {
    port,
    cpuSeconds: () => cpuSeconds(child.pid!),
    rssMiB: () => rssMiB(child.pid!),
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** All of it: authentication by token, authorization, audit off, fairness. */
async function startWhole(dir: string, backendPort: number, ca: string): Promise<Front> {
  const server = await startServerProcess(['--storage-backend=memory', tokenFlag(dir)], { core: 0 })
  const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })
  await admin.post('/api/v1/namespaces/default/services', {
    metadata: { name: 'bench' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  await admin.post('/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: { name: `v1.${GROUP}` },
    spec: {
      group: GROUP,
      version: 'v1',
      service: { namespace: 'default', name: 'bench', port: backendPort },
      caBundle: Buffer.from(ca).toString('base64'),
      groupPriorityMinimum: 1000,
      versionPriority: 15,
    },
  })
  for (let i = 0; (await admin.get(PATH)).status !== 200; i++) {
    if (i > 100) throw new Error(`the backend does not become available: ${(await admin.get(PATH)).text}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await admin.close()
  return server
}

const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
try {
  const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 86_400_000 }
  const ca = makeCA({ commonName: 'bench ca', ...validity })
  const serving = makeCertificate(
    { commonName: 'bench', names: ['localhost', '127.0.0.1', 'bench.default.svc'], ...validity },
    ca,
  )
  for (const [name, text] of [
    ['ca.crt', ca.cert],
    ['server.crt', serving.cert],
    ['server.key', serving.key],
  ] as const)
    writeFileSync(join(folder, name), text)
  const body = JSON.stringify({ kind: 'Thing', value: 'x'.repeat(1024 - 29) })
  await using backend = await startNginx(
    folder,
    'backend',
    `server { listen PORT ssl http2; location / { default_type application/json; return 200 '${body}'; } }`,
    1,
  )
  await using stack = new AsyncDisposableStack()
  const fronts = new Map<string, Front>()
  for (const [name, start] of Object.entries(STARTS)) {
    if (ONLY && !ONLY.includes(name)) continue
    fronts.set(name, stack.use(await start(folder, backend.port, ca.cert)))
  }
  console.log(
    JSON.stringify({
      name: 'proxy',
      rounds: ROUNDS,
      requests: REQUESTS,
      bytes: body.length,
      ...(await measure(fronts, backend.port)),
    }),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(fronts: ReadonlyMap<string, Front>, backendPort: number): Promise<object> {
  const protocols: readonly Protocol[] = ['http/1.1', 'h2']
  const loads = new Map<string, FlatOut[]>()
  const load = (front: Front, protocol: Protocol, requests: number): Promise<FlatOut> =>
    flatOut(front, { url: url(front.port), protocol, requests })
  for (const front of fronts.values())
    for (const protocol of protocols) await load(front, protocol, Math.ceil(REQUESTS / 3))
  for (let i = 0; i < ROUNDS; i++)
    for (const protocol of protocols)
      for (const [name, front] of fronts) {
        const key = `${name} ${protocol}`
        loads.set(key, [...(loads.get(key) ?? []), await load(front, protocol, REQUESTS)])
      }
  const latencies = await steadyRounds(
    new Map([['direct', backendPort], ...[...fronts].map(([n, f]) => [n, f.port] as const)]),
  )
  const result: Record<string, object> = {}
  for (const [name, front] of fronts) {
    const ofProtocol = (protocol: Protocol): object => {
      const latency = latencies(name, protocol)
      const direct = latencies('direct', protocol)
      return {
        ...summary(loads.get(`${name} ${protocol}`)!),
        addedMsAt2000: { p50: round(latency.p50 - direct.p50, 2), p99: round(latency.p99 - direct.p99, 2) },
        stolen: latency.stolen,
      }
    }
    result[name] = {
      ...Object.fromEntries(protocols.map((protocol) => [protocol, ofProtocol(protocol)])),
      rssMiB: Math.round(front.rssMiB()),
    }
  }
  return { directMs: Object.fromEntries(protocols.map((p) => [p, latencies('direct', p)])), fronts: result }
}
/** Interleaved like the loads; the medians of the rounds. */
async function steadyRounds(
  ports: ReadonlyMap<string, number>,
): Promise<(name: string, protocol: Protocol) => Latency> {
  const all = new Map<string, Latency[]>()
  for (let i = -1; i < STEADY_ROUNDS; i++)
    for (const protocol of ['http/1.1', 'h2'] as const)
      for (const [name, port] of ports) {
        const key = `${name} ${protocol}`
        // The first round warms up: what runs at this rate is compiled for it.
        const how = { ...STEADY, url: url(port), protocol }
        if (i < 0) await steady(how)
        else all.set(key, [...(all.get(key) ?? []), latencyOf([await undisturbed(how)])])
      }
  return (name, protocol) => {
    const rounds = all.get(`${name} ${protocol}`)!
    const of = (what: keyof Latency): number => median(rounds.map((r) => r[what]))
    return { p50: of('p50'), p99: of('p99'), stolen: of('stolen') }
  }
}
function summary(loads: readonly FlatOut[]): FlatOut {
  return {
    cpuSecondsPer100k: round(median(loads.map((l) => l.cpuSecondsPer100k)), 2),
    requestsPerSecond: Math.round(median(loads.map((l) => l.requestsPerSecond))),
  }
}

function url(port: number): string {
  return `https://localhost:${port}${PATH}`
}
