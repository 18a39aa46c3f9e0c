/**
 * The settings in force for one APIService, from all the policies that speak of it: completed with defaults and in ms.
 *
 * Each section of the spec is taken whole from one policy, the first that has it in this order: higher priority, then the
 * narrower target (apiService, group, selector), then the name. backends and routes are one section.
 */
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendPolicy, BackendPolicySpec, PolicyBackend, PolicyTarget } from '../../../api/backend-policy.ts'
import { labelSelectorOf } from '../../../api/label-selector.ts'
import { parseDuration } from '../../../lib/duration.ts'
import { type BalancingRules, defaultBalancing } from '../../../proxy/endpoint-set.ts'
import { type BreakerRules, defaultBreaker } from '../../../proxy/circuit-breaker.ts'
import { type BulkheadRules, defaultBulkhead } from '../../../proxy/bulkhead.ts'
import { defaultPoolOptions, type PoolOptions } from '../../../proxy/pool-options.ts'
import { type RetryRules, defaultRetries } from '../../../proxy/retries.ts'
import { type Timeouts, compileTimeouts } from './timeouts.ts'
import { type Routing, compileRoutes, NO_ROUTING } from './routing.ts'

export interface ProbeSettings {
  /** Default: the group version's own discovery document. */
  readonly path: string | undefined
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly failureThreshold: number
  readonly successThreshold: number
  /** Default: any 2xx. */
  readonly expectedStatuses: readonly number[] | undefined
}
export const defaultProbe: ProbeSettings = {
  path: undefined,
  intervalMs: 30_000,
  timeoutMs: 5_000,
  failureThreshold: 3,
  successThreshold: 2,
  expectedStatuses: undefined,
}

export interface EffectivePolicy {
  /** A fingerprint, equal for equal settings: parts that keep what they made from the settings compare it. */
  readonly key: string
  readonly backends: ReadonlyMap<string, PolicyBackend>
  readonly routing: Routing
  readonly balancing: BalancingRules
  readonly timeouts: Timeouts
  readonly retries: RetryRules
  readonly breaker: BreakerRules | undefined
  readonly bulkhead: BulkheadRules
  readonly probe: ProbeSettings
  readonly pool: Omit<PoolOptions, 'clock'>
  readonly onUnavailable: 'ServeStale' | 'Omit' | 'Fail'
  readonly openApi: boolean
  /** undefined: that depends on the client. */
  readonly trustTraceparent: boolean | undefined
}

type Section = Exclude<keyof BackendPolicySpec, 'targets' | 'priority'>
const SECTIONS: readonly Section[] = [
  'backends',
  'balancing',
  'timeouts',
  'retries',
  'circuitBreaker',
  'bulkhead',
  'probe',
  'connections',
  'onUnavailable',
  'openAPI',
  'traceparent',
]

export interface Resolved {
  readonly policy: EffectivePolicy
  /** Policy -> its sections that are in force. */
  readonly sections: ReadonlyMap<string, readonly string[]>
}

/** Policies in the order in which they are asked for this APIService; policies without a target that fits are left out. */
export function policiesFor(apiService: APIService, policies: readonly BackendPolicy[]): BackendPolicy[] {
  return policies
    .flatMap((policy) => {
      const rank = targetRank(policy, apiService)
      return rank === 0 ? [] : [{ policy, rank }]
    })
    .toSorted(
      (a, b) =>
        (b.policy.spec?.priority ?? 0) - (a.policy.spec?.priority ?? 0) ||
        b.rank - a.rank ||
        (a.policy.metadata.name! < b.policy.metadata.name! ? -1 : 1),
    )
    .map(({ policy }) => policy)
}

/** The narrowest target of the policy that fits the APIService. @returns 3: by its name, 2: by its group, 1: by labels, 0: none fits. */
export function targetRank(policy: BackendPolicy, apiService: APIService): number {
  let rank = 0
  for (const target of policy.spec?.targets ?? []) rank = Math.max(rank, rankOf(target, apiService))
  return rank
}
function rankOf(target: PolicyTarget, { metadata, spec }: APIService): number {
  if (target.apiService) return target.apiService === metadata.name ? 3 : 0
  if (target.group !== undefined && target.group !== '') return target.group === spec.group ? 2 : 0
  return target.selector && labelSelectorOf(target.selector).matches(metadata.labels) ? 1 : 0
}

export function effectivePolicy(apiService: APIService, policies: readonly BackendPolicy[]): Resolved {
  const spec: BackendPolicySpec = {}
  const sections = new Map<string, string[]>()
  for (const policy of policiesFor(apiService, policies)) {
    const mine: string[] = []
    for (const section of SECTIONS) {
      if (section === 'backends' ? hasRouting(spec) || !hasRouting(policy.spec) : isSet(spec[section])) continue
      if (section === 'backends') Object.assign(spec, { backends: policy.spec?.backends, routes: policy.spec?.routes })
      else if (isSet(policy.spec?.[section])) Object.assign(spec, { [section]: policy.spec![section] })
      else continue
      mine.push(section)
    }
    sections.set(policy.metadata.name!, mine)
  }
  return { policy: completed(spec), sections }
}

/** The sections that a spec has. backends and routes are one section. */
export function sectionsOf(spec: BackendPolicySpec | undefined): readonly string[] {
  return SECTIONS.filter((section) => (section === 'backends' ? hasRouting(spec) : isSet(spec?.[section])))
}

const isSet = (value: unknown): boolean => value !== undefined && value !== ''
const hasRouting = (spec: BackendPolicySpec | undefined): boolean =>
  (spec?.backends ?? []).length > 0 || (spec?.routes ?? []).length > 0

const ms = (text: string | undefined, otherwise: number): number =>
  text === undefined || text === '' ? otherwise : parseDuration(text)

function completed(spec: BackendPolicySpec): EffectivePolicy {
  const { balancing: b, retries: r, connections: c } = spec
  return {
    key: JSON.stringify(spec),
    backends: new Map((spec.backends ?? []).map((x) => [x.name, x])),
    routing: hasRouting(spec) ? compileRoutes(spec) : NO_ROUTING,
    balancing: {
      zone: b?.zone ?? defaultBalancing.zone,
      slowStartMs: ms(b?.slowStart, defaultBalancing.slowStartMs),
      consecutiveFailures: b?.consecutiveFailures ?? defaultBalancing.consecutiveFailures,
      ejectionMs: ms(b?.ejectionTime, defaultBalancing.ejectionMs),
      maxEjectedPercent: b?.maxEjectedPercent ?? defaultBalancing.maxEjectedPercent,
    },
    timeouts: compileTimeouts(spec.timeouts),
    retries: {
      attempts: r?.attempts ?? defaultRetries.attempts,
      budgetPercent: r?.budgetPercent ?? defaultRetries.budgetPercent,
      maxBodyBytes: r?.maxBodyBytes ?? defaultRetries.maxBodyBytes,
    },
    breaker: breakerOf(spec.circuitBreaker),
    bulkhead: bulkheadOf(spec.bulkhead),
    probe: probeOf(spec.probe),
    pool: {
      ...defaultPoolOptions,
      protocol: c?.protocol === 'HTTP1' ? 'http/1.1' : c?.protocol === 'HTTP2' ? 'h2' : 'auto',
      maxAgeMs: ms(c?.maxAge, defaultPoolOptions.maxAgeMs),
      idleTimeoutMs: ms(c?.idleTimeout, defaultPoolOptions.idleTimeoutMs),
      readIdleMs: ms(c?.readIdle, defaultPoolOptions.readIdleMs),
      pingTimeoutMs: ms(c?.pingTimeout, defaultPoolOptions.pingTimeoutMs),
      connectTimeoutMs: ms(spec.timeouts?.connect, defaultPoolOptions.connectTimeoutMs),
      handshakeTimeoutMs: ms(spec.timeouts?.tlsHandshake, defaultPoolOptions.handshakeTimeoutMs),
    },
    onUnavailable: spec.onUnavailable || 'ServeStale',
    openApi: spec.openAPI !== 'None',
    trustTraceparent: spec.traceparent ? spec.traceparent === 'Trusted' : undefined,
  }
}
function breakerOf(c: BackendPolicySpec['circuitBreaker']): BreakerRules | undefined {
  if (c?.disabled === true) return undefined
  return {
    failurePercent: c?.failurePercent ?? defaultBreaker.failurePercent,
    minRequests: c?.minRequests ?? defaultBreaker.minRequests,
    maxFailures: c?.maxFailures ?? defaultBreaker.maxFailures,
    windowMs: ms(c?.window, defaultBreaker.windowMs),
    openMs: ms(c?.openFor, defaultBreaker.openMs),
  }
}
function bulkheadOf(h: BackendPolicySpec['bulkhead']): BulkheadRules {
  return {
    maxInFlight: h?.maxInFlight ?? defaultBulkhead.maxInFlight,
    maxQueued: h?.maxQueued ?? defaultBulkhead.maxQueued,
    maxQueueMs: ms(h?.maxQueueTime, defaultBulkhead.maxQueueMs),
    maxWatches: h?.maxWatches ?? defaultBulkhead.maxWatches,
    requestsPerSecond: h?.requestsPerSecond ?? defaultBulkhead.requestsPerSecond,
    burst: h?.burst ?? h?.requestsPerSecond ?? defaultBulkhead.burst,
  }
}
function probeOf(p: BackendPolicySpec['probe']): ProbeSettings {
  return {
    path: p?.path || undefined,
    intervalMs: ms(p?.interval, defaultProbe.intervalMs),
    timeoutMs: ms(p?.timeout, defaultProbe.timeoutMs),
    failureThreshold: p?.failureThreshold ?? defaultProbe.failureThreshold,
    successThreshold: p?.successThreshold ?? defaultProbe.successThreshold,
    expectedStatuses: p?.expectedStatuses && p.expectedStatuses.length > 0 ? p.expectedStatuses : undefined,
  }
}
