/** What a server serves at one moment: routes, discovery, descriptions. Immutable: publish() makes another one. */
import { pathOf } from '../../api/group-version.ts'
import { apiResourceList, sortGroups } from '../../endpoints/discovery.ts'
import { LegacyDocument } from '../../endpoints/discovery-handler.ts'
import type { GroupDiscovery, ResourceDiscovery, SubresourceDiscovery } from '../../endpoints/discovery-types.ts'
import type { DescribedGroupVersion, DescribedResource } from '../../endpoints/openapi/described-api.ts'
import { type Descriptions, documentKey } from '../../endpoints/openapi/openapi-source.ts'
import type { Handler } from '../../http/filter.ts'
import type { VerbHandlers } from '../../endpoints/resource-handlers.ts'
import type { PublishedGroupVersion, ServedResource, Subresource } from './served-resource.ts'

export interface RoutedResource {
  readonly namespaced: boolean
  readonly handlers: VerbHandlers
  readonly subresources: ReadonlyMap<string, RoutedSubresource>
  readonly deprecation?: string | undefined
}
export type RoutedSubresource = VerbHandlers | RoutedConnection
export interface RoutedConnection {
  /** HTTP methods. */
  readonly methods: readonly string[]
  readonly takesPath: boolean
  readonly connect: Handler
}

export class ServedTable {
  readonly discovery: readonly GroupDiscovery[]
  readonly described: Descriptions
  readonly listedPaths: readonly string[]
  readonly #routes: ReadonlyMap<string, RoutedResource>
  readonly #groups: ReadonlySet<string>
  readonly #published: ReadonlyMap<string, PublishedGroupVersion>
  readonly #resources = new Map<string, readonly ResourceDiscovery[]>()
  readonly #documents = new Map<string, LegacyDocument>()

  /** @param before what it takes the place of: group versions with the same resources keep their description. */
  constructor(
    groupVersions: readonly PublishedGroupVersion[],
    routes: ReadonlyMap<string, RoutedResource>,
    before?: ServedTable,
  ) {
    this.#routes = routes
    this.#groups = new Set(groupVersions.map((gv) => gv.group))
    this.listedPaths = groupVersions.map(pathOf)
    this.#published = new Map(groupVersions.map((gv) => [documentKey(gv), gv]))
    this.described = new Map(
      [...this.#published].map(([key, { group, version, resources }]) => [
        key,
        before?.describedAs(key, resources) ?? { group, version, resources: resources.map(describe) },
      ]),
    )
    const groups = new Map<string, GroupDiscovery & { versions: GroupDiscovery['versions'][number][] }>()
    for (const { group, version, groupPriority, versionPriority, resources } of groupVersions) {
      const known = groups.get(group) ?? { group, versions: [] }
      groups.set(group, known)
      const found = resources.map(discoveryOf)
      this.#resources.set(`${group}/${version}`, found)
      known.versions.push({
        version,
        resources: found.toSorted((a, b) => (a.resource < b.resource ? -1 : 1)),
        freshness: 'Current',
        groupPriority,
        versionPriority,
      })
    }
    this.discovery = sortGroups([...groups.values()])
  }
  resource(group: string, version: string, resource: string): RoutedResource | undefined {
    return this.#routes.get(`${group}/${version}/${resource}`)
  }
  hasGroup(group: string): boolean {
    return this.#groups.has(group)
  }
  /** @returns undefined where other resources were published. */
  describedAs(key: string, resources: readonly ServedResource[]): DescribedGroupVersion | undefined {
    const known = this.#published.get(key)?.resources
    const isSame = known?.length === resources.length && known.every((r, i) => r === resources[i])
    return isSame ? this.described.get(key) : undefined
  }
  /** The legacy document of a group version; made when it is first asked for. */
  document(group: string, version: string): LegacyDocument | undefined {
    const id = `${group}/${version}`
    const resources = this.#resources.get(id)
    if (!resources) return undefined
    let found = this.#documents.get(id)
    if (!found) {
      found = new LegacyDocument(apiResourceList(group, version, resources))
      this.#documents.set(id, found)
    }
    return found
  }
}

type Kinded = ResourceDiscovery['responseKind']
/** A kind of the group version that lists it: the two are not named again. */
const ownKind = (kind: string): Kinded => ({ group: '', version: '', kind })

function discoveryOf(r: ServedResource): ResourceDiscovery {
  const { singular, resource, shortNames, categories } = r.names
  const subresources = r.subresources.map((s) => subresourceDiscovery(s, r))
  const hash = r.is === 'stored' ? r.storageVersionHash : undefined
  return {
    resource,
    responseKind: ownKind(r.form.kind),
    scope: r.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs: r.verbs,
    ...(shortNames ? { shortNames } : {}),
    ...(categories ? { categories } : {}),
    ...(subresources.length === 0 ? {} : { subresources }),
    ...(hash === undefined ? {} : { storageVersionHash: hash }),
  }
}

function subresourceDiscovery(s: Subresource, parent: ServedResource): SubresourceDiscovery {
  if (s.is === 'view') return { subresource: s.name, responseKind: ownKind(parent.form.kind), verbs: s.verbs }
  const { group, version, kind } = s.is === 'object' ? s.of : s.options
  const isOwn = group === parent.form.group && version === parent.form.version
  return {
    subresource: s.name,
    responseKind: isOwn ? ownKind(kind) : { group, version, kind },
    verbs: s.is === 'object' ? s.verbs : verbsOf(s.methods),
  }
}
const CONNECT_VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}
const verbsOf = (methods: readonly string[]): string[] =>
  methods.flatMap((m) => (CONNECT_VERBS[m] === undefined ? [] : [CONNECT_VERBS[m]])).sort()

function describe(r: ServedResource): DescribedResource {
  const subresources = r.subresources.flatMap((s) => {
    if (s.is === 'connect') return []
    const form = s.is === 'object' ? s.of : r.form
    return [{ name: s.name, verbs: s.verbs, kind: form.kind, type: form.schema }]
  })
  return {
    resource: r.names.resource,
    kind: r.form.kind,
    namespaced: r.namespaced,
    verbs: r.verbs,
    type: r.form.schema,
    encodings: r.form.encodings,
    strategicPatch: r.form.strategicType !== undefined,
    ...(subresources.length === 0 ? {} : { subresources }),
  }
}
