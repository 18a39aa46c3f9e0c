/** `portico serve` as a process of its own, as people run it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
/** Of the process under test: nothing of the caller's but what is needed to run. */
const BASE_ENV = { PATH: process.env['PATH'], HOME: process.env['HOME'] }

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}
export interface RunningProcess extends AsyncDisposable {
  readonly child: ChildProcess
  /** Resolves once it is over. */
  readonly ended: Promise<Ended>
  /** Everything written to standard error so far. */
  stderr(): string
  stdout(): string
  /** Resolves with the first match in what it writes to either stream; rejects when the process ends before. */
  until(pattern: RegExp): Promise<RegExpExecArray>
}
export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** A process group of its own, so that a test may signal all of it as a terminal does. */
  readonly detached?: boolean
}

export function startProcess(command: string, args: readonly string[], o: SpawnOptions = {}): RunningProcess {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...BASE_ENV, ...o.env },
    detached: o.detached ?? false,
    ...(o.cwd === undefined ? {} : { cwd: o.cwd }),
  })
  const text = { stdout: '', stderr: '' }
  const waiting = new Set<() => void>()
  const note = (stream: 'stdout' | 'stderr') => (chunk: Buffer) => {
    text[stream] += chunk.toString()
    for (const look of waiting) look()
  }
  child.stdout!.on('data', note('stdout'))
  child.stderr!.on('data', note('stderr'))
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    ...text,
  }))
  const until = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = pattern.exec(text.stderr) ?? pattern.exec(text.stdout)
        if (!found) return
        waiting.delete(look)
        resolve(found)
      }
      waiting.add(look)
      void ended.then((e) => reject(new Error(`ended before ${pattern}: ${JSON.stringify(e)}`)))
      look()
    })
  return {
    child,
    ended,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    until,
    async [Symbol.asyncDispose]() {
      killAll(child, o.detached === true)
      await ended
    },
  }
}

/** With its descendants, where it has a group of its own: they would hold its pipes open. */
function killAll(child: ChildProcess, group: boolean): void {
  try {
    if (group) process.kill(-child.pid!, 'SIGKILL')
    else child.kill('SIGKILL')
  } catch {
    // Nobody is left.
  }
}

export function startPortico(args: readonly string[], o: SpawnOptions = {}): RunningProcess {
  return startProcess(process.execPath, [MAIN, ...args], o)
}

/** `serve` on a port the system gives. @returns its port once it is ready. */
export async function serveReady(process: RunningProcess): Promise<number> {
  const [, port] = await process.until(/"port":(\d+),"msg":"ready"/)
  return Number(port)
}
