/** h2load on the core beside the one that is measured: latencies at a steady rate, CPU per request flat out. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { percentile, round } from './server-process.ts'
import { StolenTime } from './stolen-time.ts'

export type Protocol = 'http/1.1' | 'h2'
export interface Steady {
  readonly url: string
  readonly protocol: Protocol
  readonly perSecond: number
  readonly seconds: number
  readonly clients: number
}
export interface Latency {
  readonly p50: number
  readonly p99: number
  /** The share of the more troubled core that the hypervisor took. */
  readonly stolen: number
}
export interface Times {
  /** Of single requests, in ms. */
  readonly times: readonly number[]
  readonly stolen: number
}
export interface FlatOut {
  readonly cpuSecondsPer100k: number
  readonly requestsPerSecond: number
}

const TOKEN = 'bench-token-0123456789'
const COMMAND = ['-c', '1', 'h2load', '-H', `authorization: Bearer ${TOKEN}`]
/** What the clients' handshakes take is no part of the steady state. */
const SETTLE_MS = 500
/** Measured again, so often, where fewer of the requests than this were left alone by the hypervisor. */
const MIN_KEPT = 0.5
const TRIES = 8

/** Flag of a server that takes h2load for an administrator. */
export function tokenFlag(folder: string): string {
  const file = join(folder, 'tokens.csv')
  writeFileSync(file, `${TOKEN},jane,1,"system:masters"\n`)
  return `--token-auth-file=${file}`
}

/** Of the requests that no neighbour of this machine touched. */
export async function undisturbed(o: Steady): Promise<Latency> {
  return latencyOf(await undisturbedTimes(o))
}
export function latencyOf({ times, stolen }: Times): Latency {
  return { p50: round(percentile(times, 0.5), 2), p99: round(percentile(times, 0.99), 2), stolen: round(stolen, 3) }
}
/** Of one run: that with the most requests that nobody touched, where none has enough. */
export async function undisturbedTimes(o: Steady): Promise<Times> {
  let best: Times | undefined
  for (let i = 0; i < TRIES; i++) {
    const times = await steady(o)
    if (!best || times.times.length > best.times.length) best = times
    if (best.times.length >= (o.perSecond * o.seconds - o.perSecond * (SETTLE_MS / 1_000)) * MIN_KEPT) break
  }
  return best!
}
/** In ms, from h2load's own log. */
export async function steady(o: Steady): Promise<Times> {
  const folder = mkdtempSync(join(tmpdir(), 'portico-h2load-'))
  const log = join(folder, 'latencies')
  const requests = o.perSecond * o.seconds
  const how = o.protocol === 'h2' ? ['-m', '10'] : ['--h1']
  const pace = ['-c', String(o.clients), ...how, `--rps=${o.perSecond / o.clients}`]
  using stolen = new StolenTime()
  await h2load(requests, [...pace, `--log-file=${log}`, o.url])
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  rmSync(folder, { recursive: true })
  const all = lines.map((line) => line.split('\t').map(Number)) as [startUs: number, status: number, us: number][]
  const settledUs = Math.min(...all.map(([startUs]) => startUs)) + SETTLE_MS * 1_000
  const kept = all.filter(
    ([startUs, , us]) => startUs >= settledUs && !stolen.touches(startUs / 1_000, (startUs + us) / 1_000),
  )
  return { times: kept.map(([, , us]) => us / 1_000), stolen: stolen.share() }
}

/** As fast as it goes. */
export async function flatOut(
  server: { cpuSeconds(): number },
  o: { readonly url: string; readonly protocol: Protocol; readonly requests: number },
): Promise<FlatOut> {
  const how = o.protocol === 'h2' ? ['-c', '8', '-m', '8'] : ['--h1', '-c', '32']
  const before = server.cpuSeconds()
  const startedMs = performance.now()
  await h2load(o.requests, [...how, o.url])
  const seconds = (performance.now() - startedMs) / 1_000
  return {
    cpuSecondsPer100k: ((server.cpuSeconds() - before) / o.requests) * 100_000,
    requestsPerSecond: o.requests / seconds,
  }
}

/** Requests whose answers nobody looks at, until it is disposed of. They give way to who is measured. */
export function hammer(o: Omit<Steady, 'seconds' | 'protocol'>): AsyncDisposable {
  const pace = ['-D', '600', '-c', String(o.clients), '-m', '100', `--rps=${o.perSecond / o.clients}`]
  const child = spawn('nice', ['-n', '19', 'taskset', ...COMMAND, ...pace, o.url], { stdio: 'ignore' })
  return {
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function h2load(requests: number, args: readonly string[]): Promise<void> {
  const child = spawn('taskset', [...COMMAND, '-n', String(requests), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(child, 'close')
  if (Number(/status codes: (\d+) 2xx/.exec(text)?.[1]) !== requests) throw new Error(text)
}
