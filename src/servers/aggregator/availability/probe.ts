/** Asks a backend whether it is there, over the same connections as the traffic. Texts are exact. */
import { StatusError } from '../../../api/status-error.ts'
import type { Transport } from '../../../client/transport.ts'
import type { Clock } from '../../../lib/clock.ts'
import { PASSED, type Verdict, probeFailed } from '../registrations/availability-check.ts'
import type { Backend } from '../backends/backend.ts'
import type { ObservedPhase } from '../backends/passive-signals.ts'

/** The backend's own logs tell by it that Portico asks. */
export const PROBE_AGENT = 'portico/availability-probe'

export interface Judgement {
  readonly verdict: Verdict
  /** The phase in which it failed. */
  readonly phase?: ObservedPhase | undefined
}
export interface ProbeRequest {
  readonly backend: Pick<Backend, 'url'>
  readonly transport: Transport
  readonly path: string
  readonly timeoutMs: number
  readonly expectedStatuses: readonly number[] | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Never throws. */
export async function probe(o: ProbeRequest): Promise<Judgement> {
  const { backend, path } = o
  const timeout = new AbortController()
  const cancel = o.clock.after(o.timeoutMs, () => timeout.abort())
  let url = path
  try {
    url = backend.url(path)
    const response = await o.transport({
      method: 'GET',
      path,
      headers: { 'user-agent': PROBE_AGENT },
      signal: AbortSignal.any([o.signal, timeout.signal]),
    })
    for await (const _chunk of response.body) break
    if (isExpected(response.status, o.expectedStatuses)) return { verdict: PASSED }
    return failed(
      'status',
      `failing or missing response from ${url}: bad status from ${url}: ${response.status}${hintFor(response.status)}`,
    )
  } catch (e) {
    if (timeout.signal.aborted)
      return failed('first-byte', `failing or missing response from ${url}: Get "${url}": context deadline exceeded`)
    if (url === path) return failed('resolve', (e as Error).message)
    const why =
      e instanceof StatusError ? e.message.replace(/^error trying to reach service: /, '') : (e as Error).message
    return failed(phaseOf(e), `failing or missing response from ${url}: Get "${url}": ${why}`)
  } finally {
    cancel()
  }
}

const failed = (phase: ObservedPhase | undefined, message: string): Judgement => ({
  verdict: probeFailed(message),
  phase,
})

function phaseOf(error: unknown): ObservedPhase | undefined {
  if (!(error instanceof StatusError)) return undefined
  return error.details?.causes?.find((c) => c.field === 'phase')?.message as ObservedPhase | undefined
}

function isExpected(status: number, expected: readonly number[] | undefined): boolean {
  return expected ? expected.includes(status) : status >= 200 && status < 300
}

/** The usual cause, which the bare code does not tell. */
function hintFor(status: number): string {
  return status === 401 || status === 403
    ? ' (does the backend trust the front-proxy CA of kube-system/extension-apiserver-authentication?)'
    : ''
}
