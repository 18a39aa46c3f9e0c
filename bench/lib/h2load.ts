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
  /** Before all else of its core; wants root. */
  readonly first?: boolean
}
export interface Request {
  /** Since the epoch. */
  readonly startMs: number
  readonly ms: number
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
/** What begins like that runs before all else of its core. */
export const REAL_TIME = ['chrt', '-r', '10']
const COMMAND = ['taskset', '-c', '1', 'h2load', '-H', `authorization: Bearer ${TOKEN}`]
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

/** Of one run: that with the most requests that no neighbour of this machine touched, where none has enough. */
export async function undisturbed(o: Steady): Promise<Times> {
  let best: Times | undefined
  for (let i = 0; i < TRIES; i++) {
    const times = await steady(o)
    if (!best || times.times.length > best.times.length) best = times
    if (best.times.length >= (o.perSecond * o.seconds - o.perSecond * (SETTLE_MS / 1_000)) * MIN_KEPT) break
  }
  return best!
}
/** Of all requests of some runs. */
export function latencyOf(runs: readonly Times[]): Latency {
  const times = runs.flatMap((run) => run.times)
  const stolen = runs.reduce((sum, run) => sum + run.stolen, 0) / runs.length
  return { p50: round(percentile(times, 0.5), 2), p99: round(percentile(times, 0.99), 2), stolen: round(stolen, 3) }
}
/** Those that no neighbour of this machine touched; of the first moments, none. */
export async function steady(o: Steady): Promise<Times> {
  using stolen = new StolenTime()
  const all = await requestsOf(o)
  const settledMs = Math.min(...all.map((r) => r.startMs)) + SETTLE_MS
  const kept = all.filter((r) => r.startMs >= settledMs && !stolen.touches(r.startMs, r.startMs + r.ms))
  return { times: kept.map((r) => r.ms), stolen: stolen.share() }
}
/** All of them, from h2load's own log. */
export async function requestsOf(o: Steady): Promise<Request[]> {
  const folder = mkdtempSync(join(tmpdir(), 'portico-h2load-'))
  const log = join(folder, 'latencies')
  const how = o.protocol === 'h2' ? ['-m', '10'] : ['--h1']
  const pace = ['-c', String(o.clients), ...how, `--rps=${o.perSecond / o.clients}`]
  await h2load(o.perSecond * o.seconds, [...pace, `--log-file=${log}`, o.url], o.first)
  const lines = readFileSync(log, 'utf8').trim().split('\n')
  rmSync(folder, { recursive: true })
  return lines.map((line) => {
    const [startUs, , us] = line.split('\t').map(Number) as [number, number, number]
    return { startMs: startUs / 1_000, ms: us / 1_000 }
  })
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

async function h2load(requests: number, args: readonly string[], first = false): Promise<void> {
  const command = [...(first ? REAL_TIME : []), ...COMMAND, '-n', String(requests), ...args]
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await once(child, 'close')
  if (Number(/status codes: (\d+) 2xx/.exec(text)?.[1]) !== requests) throw new Error(text)
}
