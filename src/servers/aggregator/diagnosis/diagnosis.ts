/**
 * Looks at one APIService from all sides, or at a server that is fronted, over the connections and with the certificates
 * of the traffic.
 *
 * Callers:  app/run/wire-debug.ts serves it below /debug/; `portico doctor` prints it.
 * Not here: verdicts that requests are routed by (availability-controller.ts). This only looks, and changes nothing.
 *
 *   resolve -> dial -> tls -> readyz, discovery -> identity, openapi, watchlist, latency side by side
 */
import { pathOf } from '../../../api/group-version.ts'
import type { APIService } from '../../../api/apiservice.ts'
import type { Transport } from '../../../client/transport.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { Address } from '../../../proxy/dial.ts'
import { MAX_ADDRESSES, dialPhase, resolvePhase, tlsPhase } from './connection-phases.ts'
import { identityPhase } from './identity-phase.ts'
import { type Asking, discoveryPhase, latencyPhase, openApiPhase, readyzPhase, watchListPhase } from './offer-phases.ts'
import { type Diagnosis, type Phase, type PhaseName, type RoutedDiagnosis, runPhase, skipped } from './report.ts'
import { callersPhase, serverDiscoveryPhase, serverOpenApiPhase } from './server-phases.ts'

const PHASE_TIMEOUT_MS = 10_000

export interface DiagnosisTarget {
  readonly apiService: APIService
  readonly available: boolean
  /** undefined: this server answers itself. */
  readonly backend: DiagnosedBackend | undefined
  /** The others that routes lead to. */
  readonly routed: readonly (DiagnosedBackend & { readonly name: string })[]
  readonly remarks: readonly string[]
}
interface Reachable {
  /** Where requests go, in words. */
  readonly text: string
  /** The addresses that the traffic uses. @throws Error where there are none. */
  addresses(): readonly Address[]
  /** Why others of its endpoints are not used. */
  refused(): readonly string[]
  /** A transport as the aggregator's own user, whatever the availability. */
  readonly transport: Transport
}
export interface DiagnosedBackend extends Reachable {
  /** The path of its URL, which the transport puts before paths by itself. */
  readonly pathPrefix: string
  /** false: its policy says that it has none, so that it is not asked for any. */
  readonly hasOpenApi: boolean
}
export interface DiagnosedServer extends Reachable {
  readonly name: string
  /** Asked the way that requests of callers go. @returns what stands in their way; undefined: nothing. */
  problemOfCallers(signal: AbortSignal): Promise<string | undefined>
}
export interface DiagnosisOptions {
  readonly clock: Clock
  /** Namespaces that are being deleted. */
  readonly terminating: () => Promise<readonly string[]>
}
interface Limits {
  readonly clock: Clock
  readonly timeoutMs: number
}

export async function diagnose(target: DiagnosisTarget, o: DiagnosisOptions): Promise<Diagnosis> {
  const { apiService, available, backend } = target
  const phasesOf = (b: DiagnosedBackend): Promise<Phase[]> =>
    reached(b, o.clock, (addresses, limits) => offered(apiService, b, addresses, limits))
  const [phases, routed] = await Promise.all([
    backend ? phasesOf(backend) : [],
    Promise.all(
      target.routed.map(async (b): Promise<RoutedDiagnosis> => {
        return { backend: b.name, target: b.text, phases: await phasesOf(b) }
      }),
    ),
  ])
  const blocking =
    backend !== undefined &&
    (!available || phases.some((p) => p.phase === 'discovery' && p.result !== 'ok' && p.result !== 'warning'))
  return {
    apiService: apiService.metadata.name!,
    target: backend?.text ?? 'local',
    available,
    phases,
    routed,
    remarks: target.remarks,
    blocks: { namespaces: blocking ? await o.terminating() : [] },
  }
}

/** Diagnoses a server that is fronted, which is asked for more than one group. */
export async function diagnoseServer(
  server: DiagnosedServer,
  available: boolean,
  { clock }: Pick<DiagnosisOptions, 'clock'>,
): Promise<Diagnosis> {
  const phases = await reached(server, clock, async (_addresses, limits) => {
    const asking = { transport: server.transport, clock }
    const ready = await runPhase('readyz', limits, (s) => readyzPhase(asking, s))
    const discovered = await runPhase('discovery', limits, (s) => serverDiscoveryPhase(asking, s))
    const identity = await runPhase('identity', limits, (s) => callersPhase(server.problemOfCallers(s)))
    const rest = [identity, skipped('watchlist', 'of APIServices alone')]
    if (discovered.result === 'failed') return [ready, discovered, ...rest]
    const openapi = await runPhase('openapi', limits, (s) => serverOpenApiPhase(asking, s))
    return [
      ready,
      discovered,
      openapi,
      ...rest,
      await runPhase('latency', limits, (s) => latencyPhase(asking, '/version', s)),
    ]
  })
  const name = `delegate/${server.name}`
  return {
    apiService: name,
    target: server.text,
    available,
    phases,
    routed: [],
    remarks: [],
    blocks: { namespaces: [] },
  }
}

/** The way there, and what is behind it where the way is open. */
async function reached(
  backend: Reachable,
  clock: Clock,
  behind: (addresses: readonly Address[], limits: Limits) => Promise<Phase[]>,
): Promise<Phase[]> {
  const limits = { clock, timeoutMs: PHASE_TIMEOUT_MS }
  const phases: Phase[] = []
  const passed = (phase: Phase): boolean => {
    phases.push(phase)
    return phase.result !== 'failed'
  }
  const rest = (names: readonly PhaseName[], why: string): Phase[] => [
    ...phases,
    ...names.map((name) => skipped(name, why)),
  ]
  if (!passed(await runPhase('resolve', limits, async () => resolvePhase(backend))))
    return rest(['dial', 'tls', ...BEHIND], 'there is no address')
  const addresses = backend.addresses().slice(0, MAX_ADDRESSES)
  if (!passed(await runPhase('dial', limits, () => dialPhase(addresses, clock))))
    return rest(['tls', ...BEHIND], 'no connection')
  if (!passed(await runPhase('tls', limits, () => tlsPhase(addresses, clock)))) return rest(BEHIND, 'no connection')
  return [...phases, ...(await behind(addresses, limits))]
}

async function offered(
  apiService: APIService,
  backend: DiagnosedBackend,
  addresses: readonly Address[],
  limits: Limits,
): Promise<Phase[]> {
  const asking: Asking = {
    transport: backend.transport,
    group: apiService.spec.group ?? '',
    version: apiService.spec.version ?? '',
    clock: limits.clock,
  }
  let resources: Awaited<ReturnType<typeof discoveryPhase>>['resources'] = []
  const [ready, discovered] = await Promise.all([
    runPhase('readyz', limits, (s) => readyzPhase(asking, s)),
    runPhase('discovery', limits, async (signal) => {
      const offer = await discoveryPhase(asking, signal)
      resources = offer.resources
      return offer.finding
    }),
  ])
  const listable = resources.find((r) => r.verbs.includes('list'))?.resource
  const path = listable === undefined ? pathOf(asking) : `${pathOf(asking)}/${listable}?limit=1`
  const usable = discovered.result !== 'failed'
  const openApi = (): Phase | Promise<Phase> => {
    if (!backend.hasOpenApi) return skipped('openapi', 'its policy says that it has none')
    return usable ? runPhase('openapi', limits, (s) => openApiPhase(asking, s)) : skipped('openapi', 'no discovery')
  }
  const stranger = { ...addresses[0]!, tls: addresses[0]!.tls?.anonymous() }
  const others = await Promise.all([
    runPhase('identity', limits, (signal) => identityPhase({ ...backend, stranger, path, signal })),
    openApi(),
    usable
      ? runPhase('watchlist', limits, (s) => watchListPhase(asking, resources, s))
      : skipped('watchlist', 'no discovery'),
  ])
  // Alone: the questions above are for its time, too.
  const latency = usable
    ? await runPhase('latency', limits, (s) => latencyPhase(asking, pathOf(asking), s))
    : skipped('latency', 'no discovery')
  return [ready, discovered, ...others, latency]
}
const BEHIND: readonly PhaseName[] = ['readyz', 'discovery', 'identity', 'openapi', 'watchlist', 'latency']
