/** Discovery documents: the legacy ones and the aggregated one, made from GroupDiscovery. Pure. */
import { compareVersions, formatGroupVersion } from '../api/group-version.ts'
import type { GroupDiscovery, ResourceDiscovery, VersionDiscovery } from './discovery-types.ts'

export interface APIResource {
  readonly name: string
  readonly singularName: string
  readonly namespaced: boolean
  readonly group?: string
  readonly version?: string
  readonly kind: string
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly storageVersionHash?: string
}

/** Best version first. */
export function sortVersions<T extends { version: string; versionPriority: number }>(versions: readonly T[]): T[] {
  return versions.toSorted((a, b) => b.versionPriority - a.versionPriority || compareVersions(a.version, b.version))
}

const topPriority = (g: GroupDiscovery): number => Math.max(0, ...g.versions.map((v) => v.groupPriority))

/** By the highest group priority of any version, then by name. */
export function sortGroups(groups: readonly GroupDiscovery[]): GroupDiscovery[] {
  return groups
    .map((g) => ({ ...g, versions: sortVersions(g.versions) }))
    .toSorted((a, b) => topPriority(b) - topPriority(a) || (a.group < b.group ? -1 : 1))
}

/** The first source that has a group version wins; versions of one group from several sources are united. */
export function mergeGroups(sources: readonly (readonly GroupDiscovery[])[]): GroupDiscovery[] {
  const merged = new Map<string, Map<string, VersionDiscovery>>()
  for (const groups of sources) {
    for (const { group, versions } of groups) {
      const known = merged.get(group) ?? new Map<string, VersionDiscovery>()
      merged.set(group, known)
      for (const v of versions) if (!known.has(v.version)) known.set(v.version, v)
    }
  }
  return sortGroups([...merged].map(([group, versions]) => ({ group, versions: [...versions.values()] })))
}

export interface UnitedGroups {
  readonly groups: readonly GroupDiscovery[]
  /** By `group/version`, those that several sources have. */
  readonly united: ReadonlyMap<string, VersionDiscovery>
}
/** Unites the resources of a group version that several sources have: the first source that has a resource lists it. */
export function uniteGroups(sources: readonly (readonly GroupDiscovery[])[]): UnitedGroups {
  const groups = new Map<string, Map<string, VersionDiscovery>>()
  const united = new Map<string, VersionDiscovery>()
  for (const { group, versions } of sources.flat()) {
    const known = groups.get(group) ?? new Map<string, VersionDiscovery>()
    groups.set(group, known)
    for (const v of versions) {
      const first = known.get(v.version)
      if (!first) {
        known.set(v.version, v)
        continue
      }
      const more = v.resources.filter((r) => !first.resources.some((f) => f.resource === r.resource))
      const resources = [...first.resources, ...more].toSorted((a, b) => (a.resource < b.resource ? -1 : 1))
      const whole = { ...first, resources }
      known.set(v.version, whole)
      united.set(formatGroupVersion({ group, version: v.version }), whole)
    }
  }
  return { groups: [...groups].map(([group, versions]) => ({ group, versions: [...versions.values()] })), united }
}

/** apidiscovery.k8s.io/v2 APIGroupDiscoveryList. */
export function aggregatedDocument(groups: readonly GroupDiscovery[], version: 'v2' | 'v2beta1' = 'v2'): object {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map((g) => ({
      metadata: g.group === '' ? {} : { name: g.group },
      versions: g.versions.map((v) => ({
        version: v.version,
        ...(v.resources.length === 0 ? {} : { resources: v.resources.map(({ storageVersionHash: _hash, ...r }) => r) }),
        freshness: v.freshness,
      })),
    })),
  }
}

interface Kinded extends Record<string, unknown> {
  readonly kind: string
}
interface GroupEntry {
  readonly group: string
  readonly versions: readonly string[]
}
function groupBody(g: GroupEntry): object {
  const versions = g.versions.map((version) => ({
    groupVersion: formatGroupVersion({ group: g.group, version }),
    version,
  }))
  return { name: g.group, versions, preferredVersion: versions[0] }
}

/** `/apis`: versions best first. */
export function apiGroupList(groups: readonly GroupEntry[]): Kinded {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupBody) }
}
/** `/apis/{group}`. */
export function apiGroup(g: GroupEntry): Kinded {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupBody(g) }
}
/** `/api`. It carries no apiVersion, for old clients' sake. */
export function apiVersions(serverAddress: string): Kinded {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  }
}

/** `/api/v1` and `/apis/{group}/{version}`: resources and subresources by name. */
export function apiResourceList(group: string, version: string, resources: readonly ResourceDiscovery[]): Kinded {
  const list = resources.flatMap((r) => [
    ...(isParentOnly(r) ? [] : [mainResource(r, group, version)]),
    ...(r.subresources ?? []).map((s) => subresource(r, s, group, version)),
  ])
  return {
    kind: 'APIResourceList',
    ...(group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: formatGroupVersion({ group, version }),
    resources: list.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

/** The aggregated form needs a parent for each subresource; one that its server does not serve is of no kind at all. */
function isParentOnly({ responseKind: { version, kind }, verbs }: ResourceDiscovery): boolean {
  return version === '' && kind === '' && verbs.length === 0
}

function mainResource(r: ResourceDiscovery, group: string, version: string): APIResource {
  return {
    name: r.resource,
    singularName: r.singularResource,
    namespaced: r.scope === 'Namespaced',
    ...foreignKind(r.responseKind, group, version),
    kind: r.responseKind.kind,
    verbs: r.verbs.toSorted(),
    ...(r.shortNames === undefined ? {} : { shortNames: r.shortNames }),
    ...(r.categories === undefined ? {} : { categories: r.categories }),
    ...(r.storageVersionHash === undefined ? {} : { storageVersionHash: r.storageVersionHash }),
  }
}

function subresource(
  r: ResourceDiscovery,
  s: NonNullable<ResourceDiscovery['subresources']>[number],
  group: string,
  version: string,
): APIResource {
  const kind = s.responseKind ?? r.responseKind
  return {
    name: `${r.resource}/${s.subresource}`,
    singularName: '',
    namespaced: r.scope === 'Namespaced',
    ...foreignKind(kind, group, version),
    kind: kind.kind,
    verbs: s.verbs.toSorted(),
  }
}

/** Group and version are named only where the kind is of another one. */
function foreignKind(
  kind: { group: string; version: string },
  group: string,
  version: string,
): { group?: string; version?: string } {
  if ((kind.group === group && kind.version === version) || kind.version === '') return {}
  return { group: kind.group, version: kind.version }
}

/** The other way round: what a backend without aggregated discovery tells of one group version. */
export function fromApiResourceList(list: readonly APIResource[], group: string, version: string): ResourceDiscovery[] {
  const resources = new Map<
    string,
    ResourceDiscovery & {
      subresources?: {
        subresource: string
        responseKind: { group: string; version: string; kind: string }
        verbs: readonly string[]
      }[]
    }
  >()
  const kindOf = (r: APIResource): { group: string; version: string; kind: string } => ({
    group: r.group || group,
    version: r.version || version,
    kind: r.kind,
  })
  for (const r of list.filter((entry) => !entry.name.includes('/'))) {
    resources.set(r.name, {
      resource: r.name,
      responseKind: kindOf(r),
      scope: r.namespaced ? 'Namespaced' : 'Cluster',
      singularResource: r.singularName,
      verbs: r.verbs,
      ...(r.shortNames ? { shortNames: r.shortNames } : {}),
      ...(r.categories ? { categories: r.categories } : {}),
    })
  }
  for (const r of list.filter((entry) => entry.name.includes('/'))) {
    const slash = r.name.indexOf('/')
    const parentName = r.name.slice(0, slash)
    const parent = resources.get(parentName) ?? {
      resource: parentName,
      responseKind: { group: '', version: '', kind: '' },
      scope: r.namespaced ? ('Namespaced' as const) : ('Cluster' as const),
      singularResource: '',
      verbs: [],
    }
    parent.subresources = [
      ...(parent.subresources ?? []),
      { subresource: r.name.slice(slash + 1), responseKind: kindOf(r), verbs: r.verbs },
    ]
    resources.set(parentName, parent)
  }
  return [...resources.values()]
}
