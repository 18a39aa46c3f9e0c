/**
 * A delegate that serves resources of some group versions from the storage: the core server's and the aggregator's own.
 *
 * Owns:     a watch cache, a registry and handlers for each resource, made when it is added.
 * Callers:  servers/core/core-server.ts and servers/aggregator/kinds/apiservice-server.ts add resources.
 * Not here: the verbs (endpoints/), what differs per kind (strategies).
 */
import type { YamlThread } from '../../api/codec/yaml-thread.ts'
import type { KubeObject } from '../../api/meta.ts'
import { genericServerResponse } from '../../api/status-error.ts'
import type { ObjectType, TypeTable } from '../../api/schema/type-table.ts'
import type { GroupDiscovery, ResourceDiscovery, SubresourceDiscovery } from '../../endpoints/discovery-types.ts'
import { LegacyDocument } from '../../endpoints/discovery-handler.ts'
import type { DescribedGroupVersion, DescribedResource } from '../../endpoints/openapi/described-api.ts'
import { apiResourceList, sortGroups } from '../../endpoints/discovery.ts'
import {
  type VerbHandlers,
  levelOf,
  methodNotAllowed,
  pickHandler,
  pickSubresourceHandler,
  verbHandlers,
} from '../../endpoints/resource-handlers.ts'
import type { Admission, Scope } from '../../endpoints/scope.ts'
import type { Column } from '../../endpoints/table.ts'
import { watchMetrics } from '../../endpoints/watch-metrics.ts'
import type { Handler } from '../../http/filter.ts'
import { type RequestInfo, splitPath } from '../../http/request-info.ts'
import type { Clock } from '../../lib/clock.ts'
import { Publisher } from '../../lib/published.ts'
import type { Logger } from '../../observability/logger.ts'
import type { MetricsRecorder } from '../../observability/metrics.ts'
import { ListReader } from '../../registry/list-reader.ts'
import { StorageMetrics, meteredStorage } from '../../registry/metered-storage.ts'
import { objectCodec } from '../../registry/object-codec.ts'
import { Registry } from '../../registry/registry.ts'
import type { Resource } from '../../registry/resource.ts'
import { selectableFieldsOf } from '../../registry/selectable-fields.ts'
import type { Strategy } from '../../registry/strategy.ts'
import { WatchCache } from '../../registry/watch-cache/watch-cache.ts'
import { WatchCacheMetrics } from '../../registry/watch-cache/watch-cache-metrics.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Delegate, PostStartHook, Route } from './delegate.ts'
import type { HealthCheck } from './health.ts'

export interface ResourceServerOptions {
  readonly name: string
  readonly types: TypeTable
  readonly yaml: YamlThread
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: MetricsRecorder
  readonly admission: Admission
  readonly minRequestTimeoutMs: number
  readonly trackWatch: (end: () => void) => () => void
  readonly random?: () => number
}

export interface ServedResource {
  readonly resource: Resource
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly storageVersionHash?: string
  readonly columns: readonly Column[]
  readonly strategy: Strategy
  readonly subresources: readonly ServedSubresource[]
}
export interface ServedSubresource {
  readonly name: string
  readonly verbs: readonly string[]
  readonly strategy: Strategy
}
/** A resource that is only ever asked, such as a TokenReview. */
export interface VirtualResource {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly resource: string
  readonly singular: string
  readonly namespaced: boolean
  readonly type: ObjectType
  readonly create: Handler
}
export interface GroupVersionOptions {
  readonly group: string
  readonly version: string
  readonly groupPriority: number
  readonly versionPriority: number
}

interface Served {
  readonly namespaced: boolean
  readonly handlers: VerbHandlers
  readonly subresources: ReadonlyMap<string, VerbHandlers>
}

export class ResourceServer implements Delegate, AsyncDisposable {
  readonly name: string
  readonly discovery = new Publisher<readonly GroupDiscovery[]>([])
  readonly installed = new Publisher(true)
  readonly postStartHooks: PostStartHook[] = []
  readonly healthChecks: HealthCheck[] = []
  readonly #o: ResourceServerOptions
  readonly #served = new Map<string, Served>()
  readonly #scopes = new Map<string, Scope>()
  readonly #groupVersions = new Map<
    string,
    GroupVersionOptions & { resources: ResourceDiscovery[]; described: DescribedResource[] }
  >()
  readonly #documents = new Map<string, LegacyDocument>()
  readonly #caches: WatchCache<KubeObject>[] = []
  readonly #cacheMetrics
  readonly #watchMetrics
  readonly #storageMetrics
  readonly #objects

  constructor(o: ResourceServerOptions) {
    this.name = o.name
    this.#o = o
    this.#cacheMetrics = new WatchCacheMetrics(o.metrics)
    this.#watchMetrics = watchMetrics(o.metrics)
    this.#storageMetrics = new StorageMetrics(o.metrics)
    this.#objects = o.metrics.gauge({
      name: 'apiserver_storage_objects',
      help: '[STABLE] Stored objects by resource.',
      labels: ['resource'],
    })
  }

  addGroupVersion(gv: GroupVersionOptions): void {
    this.#groupVersions.set(`${gv.group}/${gv.version}`, { ...gv, resources: [], described: [] })
    this.#publish()
  }

  /** @returns the resource's scope: for the parts of this process that read its cache or write through its registry. */
  add(served: ServedResource): Scope {
    const { resource } = served
    const scope = this.#scopeOf(served)
    this.#served.set(idOf(resource), {
      namespaced: resource.namespaced,
      handlers: verbHandlers(scope, served.verbs),
      subresources: new Map(
        served.subresources.map((s) => [
          s.name,
          verbHandlers({ ...scope, subresource: s.name, strategy: s.strategy }, s.verbs),
        ]),
      ),
    })
    this.#scopes.set(idOf(resource), scope)
    this.#discover(resource, discoveryOf(served), describe(served))
    return scope
  }

  addVirtual(v: VirtualResource): void {
    this.#served.set(idOf(v), { namespaced: v.namespaced, handlers: { create: v.create }, subresources: new Map() })
    this.#discover(
      v,
      {
        resource: v.resource,
        responseKind: ownKind(v.kind),
        scope: v.namespaced ? 'Namespaced' : 'Cluster',
        singularResource: v.singular,
        verbs: ['create'],
      },
      { resource: v.resource, kind: v.kind, namespaced: v.namespaced, verbs: ['create'], type: v.type },
    )
  }

  scope(group: string, version: string, resource: string): Scope | undefined {
    return this.#scopes.get(idOf({ group, version, resource }))
  }
  scopes(): Iterable<Scope> {
    return this.#scopes.values()
  }
  /** For OpenAPI. */
  described(): readonly DescribedGroupVersion[] {
    return [...this.#groupVersions.values()].map(({ group, version, described }) => ({
      group,
      version,
      resources: described,
    }))
  }
  caches(): readonly WatchCache<KubeObject>[] {
    return this.#caches
  }

  route(info: RequestInfo, method: string): Route | undefined {
    if (!info.isResourceRequest) return this.#routeDiscovery(info)
    const served = this.#served.get(`${info.apiGroup}/${info.apiVersion}/${info.resource}`)
    const picked = served && this.#pick(served, info, method)
    if (!picked) return this.#routeUnknown(info)
    const handler: Handler = (ctx) => {
      ctx.served('apiserver')
      return picked(ctx)
    }
    return {
      handler,
      owner: this.name,
      reason: `serves ${info.resource} of ${info.apiGroup === '' ? 'the core group' : info.apiGroup}`,
      ...(picked === methodNotAllowed ? { refusedWith: 405 as const } : {}),
    }
  }

  #pick(served: Served, info: RequestInfo, method: string): Handler | undefined {
    if (info.subresource === '') {
      const level = levelOf(info, served.namespaced)
      return level && pickHandler(served.handlers, info, method, level)
    }
    const subresource = served.subresources.get(info.subresource)
    return subresource && pickSubresourceHandler(subresource, info, method)
  }

  /** Below a path of a group that is served here, what is missing is a Status, not just a page. */
  #routeUnknown(info: RequestInfo): Route | undefined {
    const [root, group = ''] = info.isResourceRequest ? [info.apiPrefix, info.apiGroup] : splitPath(info.path)
    if (root !== 'api' && root !== 'apis') return undefined
    const wanted = root === 'api' ? '' : group
    let ours = false
    for (const gv of this.#groupVersions.values()) ours ||= gv.group === wanted
    if (!ours) return undefined
    return { handler: unknownPath, owner: this.name, reason: 'a path of a group served here' }
  }

  #routeDiscovery(info: RequestInfo): Route | undefined {
    const [root, group = '', version = ''] = splitPath(info.path)
    const id = root === 'api' ? `/${group}` : root === 'apis' ? `${group}/${version}` : ''
    if (id === '' || splitPath(info.path).length !== (root === 'api' ? 2 : 3)) return undefined
    const gv = this.#groupVersions.get(id)
    if (!gv) return this.#routeUnknown(info)
    const handler: Handler = (ctx) => {
      ctx.served('apiserver', info.path)
      return this.#document(id, gv).send(ctx)
    }
    return { handler, owner: this.name, reason: 'discovery of a group version served here' }
  }

  #document(id: string, gv: GroupVersionOptions & { resources: ResourceDiscovery[] }): LegacyDocument {
    let found = this.#documents.get(id)
    if (!found) {
      found = new LegacyDocument(apiResourceList(gv.group, gv.version, gv.resources))
      this.#documents.set(id, found)
    }
    return found
  }

  listedPaths(): readonly string[] {
    return [...this.#groupVersions.values()].map(({ group, version }) =>
      group === '' ? `/api/${version}` : `/apis/${group}/${version}`,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#caches.map((c) => c[Symbol.asyncDispose]()))
  }

  #scopeOf({ resource, strategy, columns }: ServedResource): Scope {
    const o = this.#o
    const storage = meteredStorage(o.storage, this.#storageMetrics.bind(resource.group, resource.resource), o.clock)
    const codec = objectCodec(resource, o.types)
    const decode = (
      value: Uint8Array,
      revision: number,
    ): { object: KubeObject; labels: Record<string, string>; fields: Record<string, string> } => {
      const object = codec.decode(value, revision)
      return { object, labels: object.metadata.labels ?? {}, fields: selectableFieldsOf(resource, object) }
    }
    const cache = new WatchCache<KubeObject>({
      storage,
      prefix: `${resource.storagePrefix}/`,
      decode,
      restamp: (object, revision) => ({
        ...object,
        metadata: { ...object.metadata, resourceVersion: String(revision) },
      }),
      clock: o.clock,
      log: o.log,
      metrics: this.#cacheMetrics.bind(resource.group, resource.resource),
    })
    this.#caches.push(cache)
    this.#countObjects(resource, cache)
    return {
      resource,
      types: o.types,
      yaml: o.yaml,
      registry: new Registry({
        resource,
        strategy,
        codec,
        storage,
        clock: o.clock,
        ...(o.random ? { random: o.random } : {}),
      }),
      cache,
      reader: new ListReader({ resource, storage, cache, decode }),
      columns,
      subresource: '',
      strategy,
      admission: o.admission,
      clock: o.clock,
      random: o.random ?? Math.random,
      minRequestTimeoutMs: o.minRequestTimeoutMs,
      trackWatch: o.trackWatch,
      watchMetrics: this.#watchMetrics(resource.group, resource.version, resource.resource),
    }
  }

  /** As a scrape finds it: -1 while the cache is not filled. */
  #countObjects(r: Resource, cache: WatchCache<KubeObject>): void {
    const series = this.#objects.with(r.group === '' ? r.resource : `${r.resource}.${r.group}`)
    this.#o.metrics.onCollect(() => series.set(cache.isReady ? cache.size : -1))
  }

  #discover(gv: { group: string; version: string }, discovery: ResourceDiscovery, described: DescribedResource): void {
    const id = `${gv.group}/${gv.version}`
    this.#groupVersions.get(id)!.resources.push(discovery)
    this.#groupVersions.get(id)!.described.push(described)
    this.#documents.delete(id)
    this.#publish()
  }

  #publish(): void {
    const groups = new Map<string, GroupDiscovery & { versions: GroupDiscovery['versions'][number][] }>()
    for (const { group, version, groupPriority, versionPriority, resources } of this.#groupVersions.values()) {
      const known = groups.get(group) ?? { group, versions: [] }
      groups.set(group, known)
      known.versions.push({
        version,
        resources: resources.toSorted((a, b) => (a.resource < b.resource ? -1 : 1)),
        freshness: 'Current',
        groupPriority,
        versionPriority,
      })
    }
    this.discovery.publish(sortGroups([...groups.values()]))
  }
}

/** A kind of the group version that lists it: the two are not named again. */
const ownKind = (kind: string): ResourceDiscovery['responseKind'] => ({ group: '', version: '', kind })

const unknownPath: Handler = (ctx) => {
  throw genericServerResponse(404, ctx.exchange.method, { group: '', resource: '' }, '')
}

const idOf = (r: { group: string; version: string; resource: string }): string =>
  `${r.group}/${r.version}/${r.resource}`

function discoveryOf({
  resource: r,
  verbs,
  shortNames,
  categories,
  subresources,
  storageVersionHash,
}: ServedResource): ResourceDiscovery {
  const responseKind = ownKind(r.kind)
  const subs: SubresourceDiscovery[] = subresources.map((s) => ({ subresource: s.name, responseKind, verbs: s.verbs }))
  return {
    resource: r.resource,
    responseKind,
    scope: r.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: r.singular,
    verbs,
    ...(shortNames ? { shortNames } : {}),
    ...(categories ? { categories } : {}),
    ...(subs.length === 0 ? {} : { subresources: subs }),
    ...(storageVersionHash === undefined ? {} : { storageVersionHash }),
  }
}

function describe({ resource: r, verbs, subresources }: ServedResource): DescribedResource {
  const subs = subresources.map((s) => ({ name: s.name, verbs: s.verbs, kind: r.kind, type: r.type }))
  return {
    resource: r.resource,
    kind: r.kind,
    namespaced: r.namespaced,
    verbs,
    type: r.type,
    ...(subs.length === 0 ? {} : { subresources: subs }),
  }
}
