/**
 * Looks at one APIService from all sides, over the connections and with the certificates of the traffic.
 *
 * Callers:  app/wire-debug.ts serves it at /debug/apiservices/<name>/diagnosis; `portico doctor` prints it.
 * Not here: verdicts that requests are routed by (availability-controller.ts). This only looks, and changes nothing.
 *
 *   resolve -> dial -> tls -> discovery -> identity, openapi, watchlist, latency side by side
 */
import type { APIService } from '../../../api/apiservice.ts'
import type { Transport } from '../../../client/transport.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Address } from '../../../proxy/dial.ts'
import { MAX_ADDRESSES, dialPhase, resolvePhase, tlsPhase } from './connection-phases.ts'
import { identityPhase } from './identity-phase.ts'
import { type Asking, discoveryPhase, latencyPhase, openApiPhase, rootOf, watchListPhase } from './offer-phases.ts'
import { type Diagnosis, type Phase, type PhaseName, runPhase, skipped } from './report.ts'

const PHASE_TIMEOUT_MS = 10_000

export interface DiagnosisTarget {
  readonly apiService: APIService
  readonly available: boolean
  /** undefined: this server answers itself. */
  readonly backend: DiagnosedBackend | undefined
}
export interface DiagnosedBackend {
  /** In words. */
  readonly text: string
  /** Of the traffic. @throws Error where there are none. */
  addresses(): readonly Address[]
  /** As the aggregator's own user, whatever the availability. */
  readonly transport: Transport
}
export interface DiagnosisOptions {
  readonly clock: Clock
  /** Namespaces that are being deleted. */
  readonly terminating: () => Promise<readonly string[]>
}

export async function diagnose(target: DiagnosisTarget, o: DiagnosisOptions): Promise<Diagnosis> {
  const { apiService, available, backend } = target
  const name = apiService.metadata.name!
  if (!backend) return { apiService: name, target: 'local', available, phases: [], blocks: { namespaces: [] } }
  const phases = await phasesOf(apiService, backend, o.clock)
  const blocking =
    !available || phases.some((p) => p.phase === 'discovery' && p.result !== 'ok' && p.result !== 'warning')
  return {
    apiService: name,
    target: backend.text,
    available,
    phases,
    blocks: { namespaces: blocking ? await o.terminating() : [] },
  }
}

async function phasesOf(apiService: APIService, backend: DiagnosedBackend, clock: Clock): Promise<Phase[]> {
  const limits = { clock, timeoutMs: PHASE_TIMEOUT_MS }
  const phases: Phase[] = []
  const reached = (phase: Phase): boolean => {
    phases.push(phase)
    return phase.result !== 'failed'
  }
  const rest = (names: readonly PhaseName[], why: string): Phase[] => [
    ...phases,
    ...names.map((name) => skipped(name, why)),
  ]
  if (!reached(await runPhase('resolve', limits, async () => resolvePhase(() => backend.addresses()))))
    return rest(['dial', 'tls', ...BEHIND], 'there is no address')
  const addresses = backend.addresses().slice(0, MAX_ADDRESSES)
  if (!reached(await runPhase('dial', limits, () => dialPhase(addresses, clock))))
    return rest(['tls', ...BEHIND], 'no connection')
  if (!reached(await runPhase('tls', limits, () => tlsPhase(addresses, clock)))) return rest(BEHIND, 'no connection')
  const asking: Asking = {
    transport: backend.transport,
    group: apiService.spec.group ?? '',
    version: apiService.spec.version ?? '',
    clock,
  }
  let resources: Awaited<ReturnType<typeof discoveryPhase>>['resources'] = []
  const discovered = await runPhase('discovery', limits, async (signal) => {
    const offer = await discoveryPhase(asking, signal)
    resources = offer.resources
    return offer.finding
  })
  const listable = resources.find((r) => r.verbs.includes('list'))?.resource
  const path = listable === undefined ? rootOf(asking) : `${rootOf(asking)}/${listable}?limit=1`
  const usable = discovered.result !== 'failed'
  const stranger = { ...addresses[0]!, tls: addresses[0]!.tls?.anonymous() }
  const others = await Promise.all([
    runPhase('identity', limits, (signal) => identityPhase({ transport: backend.transport, stranger, path, signal })),
    usable ? runPhase('openapi', limits, (s) => openApiPhase(asking, s)) : skipped('openapi', 'no discovery'),
    usable
      ? runPhase('watchlist', limits, (s) => watchListPhase(asking, resources, s))
      : skipped('watchlist', 'no discovery'),
  ])
  // Alone: the questions above are for its time, too.
  const latency = usable
    ? await runPhase('latency', limits, (s) => latencyPhase(asking, s))
    : skipped('latency', 'no discovery')
  return [...phases, discovered, ...others, latency]
}
const BEHIND: readonly PhaseName[] = ['discovery', 'identity', 'openapi', 'watchlist', 'latency']
