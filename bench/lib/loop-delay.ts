/**
 * How late a process's event loop is. Where it is loaded before a program (`--import`), it writes what it has measured to
 * the file named behind its `?` when SIGUSR2 comes, and begins anew.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'

export interface LoopDelay {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

/** Arguments for Node. */
export function measuringLoop(file: string): string[] {
  return ['--import', `${import.meta.url}?${file}`]
}
/** In ms since the last time. */
export async function loopDelay(pid: number, file: string): Promise<LoopDelay> {
  rmSync(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  for (;;) {
    await pause(50)
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as LoopDelay
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e
    }
  }
}

const file = new URL(import.meta.url).search.slice(1)
if (file !== '') {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  const ms = (ns: number): number => Math.round(ns / 1e5) / 10
  histogram.enable()
  process.on('SIGUSR2', () => {
    const { p50, p99, max } = { p50: histogram.percentile(50), p99: histogram.percentile(99), max: histogram.max }
    writeFileSync(`${file}.new`, JSON.stringify({ p50: ms(p50), p99: ms(p99), max: ms(max) }))
    renameSync(`${file}.new`, file)
    histogram.reset()
  })
}
