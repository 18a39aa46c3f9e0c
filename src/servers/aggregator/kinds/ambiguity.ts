/**
 * Finds registrations that are valid but probably not meant so: priorities that contradict each other, names that two
 * groups have, policies that say the same of one APIService. Pure.
 *
 * Callers: the strategies, for warnings at the write; policy-status-controller.ts for a condition; the doctor.
 */
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendPolicy } from '../../../api/backend-policy.ts'
import { compareVersions } from '../../../api/group-version.ts'
import type { GroupDiscovery, ResourceDiscovery } from '../../../endpoints/discovery-types.ts'
import { policiesFor, sectionsOf, targetRank } from '../policy/effective-policy.ts'

/** The other registrations. */
export interface Registered {
  readonly apiServices: () => readonly APIService[]
  readonly policies: () => readonly BackendPolicy[]
  /** No server of this process has it. */
  readonly isMissing: (group: string, version: string) => boolean
}

export const nothingRegistered: Registered = { apiServices: () => [], policies: () => [], isMissing: () => false }

/** Groups of Kubernetes have priorities above this; what goes before them takes names from them. */
const KUBERNETES_PRIORITIES = 10_000
const MOST_NAMED = 5

export function ambiguousPriorities(apiService: APIService, registered: readonly APIService[]): string[] {
  const { group, version, groupPriorityMinimum, versionPriority } = apiService.spec
  const others = registered.filter((o) => o.metadata.name !== apiService.metadata.name)
  const siblings = others.filter((o) => o.spec.group === group && o.spec.version !== version)
  const found: string[] = []
  const different = siblings.find((o) => o.spec.groupPriorityMinimum !== groupPriorityMinimum)
  if (different) {
    const first = [apiService, ...siblings].toSorted(byVersion)[0]!
    found.push(
      `spec.groupPriorityMinimum: ${different.metadata.name} of the same group has ${different.spec.groupPriorityMinimum}; what ${first.metadata.name} has holds for the group, as its first version`,
    )
  }
  const equal = siblings.find((o) => o.spec.versionPriority === versionPriority)
  if (equal)
    found.push(
      `spec.versionPriority: ${equal.metadata.name} of the same group has ${versionPriority}, too; between them the names of the versions decide`,
    )
  const outranked = others.filter(
    (o) =>
      !o.spec.service &&
      o.spec.group !== group &&
      (o.spec.group ?? '') !== '' &&
      o.spec.groupPriorityMinimum > KUBERNETES_PRIORITIES &&
      o.spec.groupPriorityMinimum < groupPriorityMinimum,
  )
  if (apiService.spec.service && outranked.length > 0)
    found.push(
      `spec.groupPriorityMinimum: ${groupPriorityMinimum} puts the group before ${listed(outranked.map((o) => o.spec.group ?? ''))}: names of resources that they share are taken for those of this group`,
    )
  return found
}
const byVersion = ({ spec: a }: APIService, { spec: b }: APIService): number =>
  b.versionPriority - a.versionPriority || compareVersions(a.version ?? '', b.version ?? '')

/** @param groups in the order in which clients look names up, the core group first. */
export function ambiguousNames(group: string, groups: readonly GroupDiscovery[]): string[] {
  const taken = new Map<string, string>()
  const found: string[] = []
  for (const g of groups) {
    const names = new Map(g.versions.flatMap((v) => v.resources).flatMap((r) => namesOf(r).map((n) => [n, r.resource])))
    if (g.group === group) {
      for (const [name, resource] of names) {
        const by = taken.get(name)
        if (by !== undefined)
          found.push(`"${name}" alone means ${by}, which comes first; ${resource}.${group} means this one`)
      }
      break
    }
    for (const [name, resource] of names)
      if (!taken.has(name)) taken.set(name, g.group === '' ? `${resource} of the core group` : `${resource}.${g.group}`)
  }
  return found.length <= MOST_NAMED
    ? found
    : [...found.slice(0, MOST_NAMED), `${found.length - MOST_NAMED} more names like these`]
}
const namesOf = (r: ResourceDiscovery): string[] => [r.resource, ...(r.shortNames ?? [])]

/** Sections that another policy has, too, for the same APIServices: one of the two is without effect. */
export function overlappingPolicies(
  policy: BackendPolicy,
  policies: readonly BackendPolicy[],
  apiServices: readonly APIService[],
): string[] {
  const mine = sectionsOf(policy.spec)
  // A policy usually targets a single APIService of thousands: only its targets are compared with each other policy.
  const targets = apiServices.filter((a) => targetRank(policy, a) > 0)
  return policies.flatMap((other) => {
    if (other.metadata.name === policy.metadata.name) return []
    const shared = targets.filter((a) => targetRank(other, a) > 0)
    const [first] = shared
    if (!first) return []
    const both = sectionsOf(other.spec).filter((section) => mine.includes(section))
    if (both.length === 0) return []
    const winner = policiesFor(first, [policy, other])[0]!.metadata.name
    return [
      `spec.targets: the policy "${other.metadata.name}" is for ${listed(shared.map((a) => a.metadata.name!))}, too; there ${listed(both)} of "${winner}" holds`,
    ]
  })
}

function listed(names: readonly string[]): string {
  const shown = [...new Set(names)]
  return shown.length <= MOST_NAMED
    ? shown.join(', ')
    : `${shown.slice(0, MOST_NAMED).join(', ')} and ${shown.length - MOST_NAMED} more`
}
