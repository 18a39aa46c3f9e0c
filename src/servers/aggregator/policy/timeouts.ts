/** How long a request to a backend may take, by verb, resource and path. */
import type { BackendPolicySpec, TimeoutRule, TimeoutSet } from '../../../api/backend-policy.ts'
import type { RequestInfo } from '../../../http/request-info.ts'
import { parseDuration } from '../../../lib/duration.ts'

/** undefined: as without a policy. */
export interface RequestTimeouts {
  readonly longRunning: boolean | undefined
  readonly firstByteMs: number | undefined
  readonly totalMs: number | undefined
  readonly idleMs: number | undefined
}
/** The first rule that matches completes the general set. */
export type Timeouts = (info: RequestInfo) => RequestTimeouts

const NONE: RequestTimeouts = {
  longRunning: undefined,
  firstByteMs: undefined,
  totalMs: undefined,
  idleMs: undefined,
}
export const noTimeouts: Timeouts = () => NONE

export function compileTimeouts(given: BackendPolicySpec['timeouts']): Timeouts {
  if (!given) return noTimeouts
  const general = setOf(given, NONE)
  const rules = (given.rules ?? []).map((rule) => ({
    matches: matcherOf(rule),
    timeouts: { ...setOf(rule, general), longRunning: rule.longRunning },
  }))
  if (rules.length === 0) return () => general
  return (info) => rules.find((r) => r.matches(info))?.timeouts ?? general
}

function setOf(set: TimeoutSet, otherwise: RequestTimeouts): RequestTimeouts {
  const ms = (text: string | undefined, before: number | undefined): number | undefined =>
    text === undefined || text === '' ? before : parseDuration(text)
  return {
    longRunning: otherwise.longRunning,
    firstByteMs: ms(set.firstByte, otherwise.firstByteMs),
    totalMs: ms(set.total, otherwise.totalMs),
    idleMs: ms(set.idle, otherwise.idleMs),
  }
}

function matcherOf({ verbs, resources, paths }: TimeoutRule): (info: RequestInfo) => boolean {
  const tests: ((info: RequestInfo) => boolean)[] = []
  if (verbs && verbs.length > 0) tests.push(oneOf(verbs, (info) => info.verb))
  if (resources && resources.length > 0) tests.push(oneOf(resources, resourceOf))
  if (paths && paths.length > 0) tests.push((info) => paths.some((p) => pathMatches(p, info.path)))
  return (info) => tests.every((test) => test(info))
}
export function oneOf(allowed: readonly string[], of: (info: RequestInfo) => string): (info: RequestInfo) => boolean {
  if (allowed.includes('*')) return () => true
  const set = new Set(allowed)
  return (info) => set.has(of(info))
}
/** `flowers`, or `flowers/status`. */
export const resourceOf = (info: RequestInfo): string =>
  info.subresource === '' ? info.resource : `${info.resource}/${info.subresource}`

function pathMatches(pattern: string, path: string): boolean {
  return pattern.endsWith('*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern
}
