/** Which groups a fronted server is asked for, and where they stand among the others. Pure. */

/** Ours alone: what a fronted server has of these names is another server's. */
const OWN_GROUPS = new Set(['apiregistration.k8s.io', 'gateway.portico.dev'])

export type GroupFilter = (group: string) => boolean

/** @param patterns `apps`, `*.example.com`, and `core` for the group without a name. */
export function groupFilter(patterns: readonly string[]): GroupFilter {
  const names = new Set(patterns.map((p) => (p === 'core' ? '' : p)))
  const suffixes = patterns.filter((p) => p.startsWith('*.')).map((p) => p.slice(1))
  return (group) => !OWN_GROUPS.has(group) && (names.has(group) || suffixes.some((s) => group.endsWith(s)))
}
/** What none of the others is asked for. */
export function everythingBut(others: readonly GroupFilter[]): GroupFilter {
  return (group) => !OWN_GROUPS.has(group) && !others.some((serves) => serves(group))
}

/** @returns '' for the group without a name, undefined for a path that belongs to no group. */
export function groupOfPath(path: string): string | undefined {
  if (path === '/api' || path.startsWith('/api/')) return path.length > '/api/'.length ? '' : undefined
  return /^\/apis\/([^/]+)/.exec(path)?.[1]
}

/** Source: kube-apiserver's own table. Groups that it does not name are of custom resources, or aggregated. */
const PRIORITIES = new Map(
  Object.entries({
    '': 18000,
    apps: 17800,
    'events.k8s.io': 17750,
    'authentication.k8s.io': 17700,
    'authorization.k8s.io': 17600,
    autoscaling: 17500,
    batch: 17400,
    'certificates.k8s.io': 17300,
    'networking.k8s.io': 17200,
    policy: 17100,
    'rbac.authorization.k8s.io': 17000,
    'storage.k8s.io': 16800,
    'apiextensions.k8s.io': 16700,
    'admissionregistration.k8s.io': 16700,
    'scheduling.k8s.io': 16600,
    'coordination.k8s.io': 16500,
    'node.k8s.io': 16300,
    'discovery.k8s.io': 16200,
    'resource.k8s.io': 16200,
    'flowcontrol.apiserver.k8s.io': 16100,
    'internal.apiserver.k8s.io': 16000,
    'storagemigration.k8s.io': 15800,
  }),
)
const OTHERS = 1000
const BEST_VERSION = 100

export function groupPriority(group: string): number {
  return PRIORITIES.get(group) ?? OTHERS
}
/** @param place of the version in the fronted server's own order, 0 the best. */
export function versionPriority(place: number): number {
  return Math.max(1, BEST_VERSION - place)
}
