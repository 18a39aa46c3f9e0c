/** What a diagnosis says: the JSON that `portico doctor` reads. */
import { StatusError } from '../../../api/status-error.ts'
import { type Clock, sleep } from '../../../lib/clock.ts'

export type PhaseName =
  | 'resolve'
  | 'dial'
  | 'tls'
  | 'readyz'
  | 'discovery'
  | 'identity'
  | 'openapi'
  | 'watchlist'
  | 'latency'
/** warning: requests are served, but something is wrong or will be. */
export type Result = 'ok' | 'warning' | 'failed' | 'skipped'

export interface Finding {
  readonly result: Result
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
}
export interface Phase extends Finding {
  readonly phase: PhaseName
  readonly tookMs: number
}
export interface Diagnosis {
  readonly apiService: string
  /** Where requests go, in words; `local` where this server answers itself. */
  readonly target: string
  /** Whether requests are routed to it now. */
  readonly available: boolean
  readonly phases: readonly Phase[]
  /** The others that routes of its policy lead to. */
  readonly routed: readonly RoutedDiagnosis[]
  /** Warnings about settings that are valid but probably not meant so. */
  readonly remarks: readonly string[]
  /** What waits for this API group. */
  readonly blocks: { readonly namespaces: readonly string[] }
}

export interface RoutedDiagnosis {
  readonly backend: string
  readonly target: string
  readonly phases: readonly Phase[]
}

export const ok = (message: string, details?: Finding['details']): Finding => finding('ok', message, details)
export const warning = (message: string, details?: Finding['details']): Finding => finding('warning', message, details)
export const failed = (message: string, details?: Finding['details']): Finding => finding('failed', message, details)

function finding(result: Result, message: string, details: Finding['details']): Finding {
  return { result, message, ...(details ? { details } : {}) }
}

/** Runs one phase; it always ends, and says what went wrong instead of throwing. */
export async function runPhase(
  phase: PhaseName,
  o: { clock: Clock; timeoutMs: number },
  run: (signal: AbortSignal) => Promise<Finding>,
): Promise<Phase> {
  const startMs = o.clock.monotonicMs()
  const timeout = new AbortController()
  const over = new AbortController()
  const late = sleep(o.clock, o.timeoutMs, over.signal).then(
    () => {
      timeout.abort(new Error('timed out'))
      return failed(`no end after ${o.timeoutMs / 1000} s`)
    },
    () => failed('over'),
  )
  const found = await Promise.race([run(timeout.signal).catch((e: unknown) => failed(textOf(e))), late])
  over.abort()
  return { phase, ...found, tookMs: Math.round(o.clock.monotonicMs() - startMs) }
}
export function skipped(phase: PhaseName, message: string): Phase {
  return { phase, result: 'skipped', message, tookMs: 0 }
}

export function textOf(error: unknown): string {
  if (error instanceof StatusError) return error.message.replace(/^error trying to reach service: /, '')
  return error instanceof Error ? error.message : String(error)
}
