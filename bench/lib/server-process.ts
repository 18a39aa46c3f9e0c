/** A Portico as a process of its own, for measuring: its CPU and memory are read from /proc. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataDir } from '../../src/app/files/data-dir.ts'
import { Pki } from '../../src/app/files/pki.ts'

const root = join(import.meta.dirname, '../..')
const TICKS_PER_SECOND = 100

export interface ServerProcess extends AsyncDisposable {
  readonly port: number
  readonly pid: number
  readonly dataDir: string
  readonly pki: Pki
  /** From spawn to ready. */
  readonly startMs: number
  /** PEM files of the admin's client certificate. */
  readonly files: { readonly cert: string; readonly key: string; readonly ca: string }
  /** User and system time so far. */
  cpuSeconds(): number
  /** Of its threads whose name begins like that, as the scheduler counts it: finer than the ticks of a clock. */
  threadSeconds(name: string): number
  /** Only its main thread stays on the core that was given; compiler, collector and workers may use all. */
  freeOtherThreads(): void
  /** Lets its threads whose name begins like that run on one core. */
  pinThreads(name: string, core: number): void
  rssMiB(): number
  /** What it has logged so far, up to 1 MB. */
  log(): string
  /** Resolves when it has ended as told by SIGTERM. */
  end(): Promise<void>
}

export async function startServerProcess(
  args: readonly string[] = [],
  o: { dataDir?: string; core?: number; node?: readonly string[]; main?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<ServerProcess> {
  const dataDir = o.dataDir ?? mkdtempSync(join(tmpdir(), 'portico-bench-'))
  const startedMs = performance.now()
  const node = [
    process.execPath,
    ...(o.node ?? []),
    o.main ?? join(root, 'src/main.ts'),
    'serve',
    '--secure-port=0',
    '--bind-address=127.0.0.1',
    `--data-dir=${dataDir}`,
    ...args,
  ]
  const command = o.core === undefined ? node : ['taskset', '-c', String(o.core), ...node]
  const child = spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...o.env, NODE_COMPILE_CACHE: join(root, '.cache/compile') },
  })
  const log = { text: '' }
  const port = await readyPort(child, log)
  const startMs = performance.now() - startedMs
  const pki = new Pki(new DataDir(dataDir), () => Date.now())
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
  const file = (name: string): string => join(dataDir, 'pki', name)
  return {
    port,
    pid: child.pid!,
    dataDir,
    pki,
    startMs,
    files: { cert: file('admin.crt'), key: file('admin.key'), ca: file('ca.crt') },
    cpuSeconds: () => cpuSeconds(child.pid!),
    threadSeconds: (name) => threadSeconds(child.pid!, name),
    freeOtherThreads: () => {
      for (const id of threadIds(child.pid!, ''))
        if (id !== String(child.pid)) execFileSync('taskset', ['-cp', '0,1', id], { stdio: 'ignore' })
    },
    pinThreads: (name, core) => {
      for (const id of threadIds(child.pid!, name))
        execFileSync('taskset', ['-cp', String(core), id], { stdio: 'ignore' })
    },
    rssMiB: () => rssMiB(child.pid!),
    log: () => log.text,
    end,
    [Symbol.asyncDispose]: async () => {
      await end()
      if (o.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}
function threadSeconds(pid: number, name: string): number {
  const nanos = threadIds(pid, name).map((id) =>
    Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ')[0]),
  )
  return nanos.reduce((sum, n) => sum + n, 0) / 1e9
}
function threadIds(pid: number, name: string): string[] {
  const ids = readdirSync(`/proc/${pid}/task`)
  return ids.filter((id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').startsWith(name))
}
/** By core: what a hypervisor gave to others while something here wanted to run. */
export function stolenSeconds(): number[] {
  const cores = readFileSync('/proc/stat', 'utf8').matchAll(/^cpu\d+ (.*)$/gm)
  return [...cores].map((m) => Number(m[1]!.split(' ')[7]) / TICKS_PER_SECOND)
}
export function rssMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

function readyPort(child: ChildProcess, log: { text: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${log.text}`)))
    child.stderr!.on('data', (chunk: Buffer) => {
      if (log.text.length > 1e6) return
      log.text += chunk.toString()
      const ready = /^.*"msg":"ready".*$/m.exec(log.text)
      if (ready) resolve((JSON.parse(ready[0]) as { port: number }).port)
    })
  })
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]!
}
export function round(n: number, digits: number): number {
  return Math.round(n * 10 ** digits) / 10 ** digits
}
