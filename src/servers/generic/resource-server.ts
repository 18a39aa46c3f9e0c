/**
 * A delegate that serves resources from the storage: the core server's and the aggregator's own.
 *
 * Owns:     a store for each kept resource (resource-store.ts), as long as it is served.
 * Callers:  servers publish what they serve, as a whole; it is swapped at once (served-table.ts).
 * Not here: the verbs (endpoints/), what differs per kind (strategies).
 */
import type { AdmissionChain } from '../../access/admission/admission.ts'
import type { YamlThread } from '../../api/codec/yaml-thread.ts'
import type { KindVersion } from '../../api/kinds/kind-version.ts'
import type { GroupDiscovery } from '../../endpoints/discovery-types.ts'
import { connectHandler } from '../../endpoints/connect.ts'
import { ObjectForms } from '../../endpoints/object-forms.ts'
import type { Descriptions } from '../../endpoints/openapi/openapi-source.ts'
import {
  levelOf,
  methodNotAllowed,
  pickHandler,
  pickSubresourceHandler,
  verbHandlers,
} from '../../endpoints/resource-handlers.ts'
import type { Scope } from '../../endpoints/scope.ts'
import { AllWatchMetrics } from '../../endpoints/watch-metrics.ts'
import type { Handler } from '../../http/filter.ts'
import { type RequestInfo, splitPath } from '../../http/request-info.ts'
import { Publisher } from '../../lib/published.ts'
import { FieldSet } from '../../registry/apply/field-set.ts'
import { type Managing, managing, managingConverted } from '../../registry/apply/managing.ts'
import { fieldElement } from '../../registry/apply/path-element.ts'
import { ListReader } from '../../registry/list-reader.ts'
import { Registry } from '../../registry/registry.ts'
import type { Resource } from '../../registry/resource.ts'
import type { Strategy } from '../../registry/strategy.ts'
import type { Delegate, PostStartHook, Route } from './delegate.ts'
import type { HealthCheck } from './health.ts'
import { ResourceStore, StoreMetrics, type StoreSurroundings } from './resource-store.ts'
import type { PublishedGroupVersion, StoreSpec, StoredResource, Subresource } from './served-resource.ts'
import { StoredVersions } from './stored-versions.ts'
import { type RoutedResource, type RoutedSubresource, ServedTable } from './served-table.ts'

export interface ResourceServerOptions extends StoreSurroundings {
  readonly name: string
  readonly deleteOptions: KindVersion
  readonly yaml: YamlThread
  readonly admission: AdmissionChain
  readonly minRequestTimeoutMs: number
  readonly trackWatch: (end: () => void) => () => void
  readonly random?: () => number
}

export class ResourceServer implements Delegate, AsyncDisposable {
  readonly name: string
  readonly discovery = new Publisher<readonly GroupDiscovery[]>([])
  readonly installed = new Publisher(true)
  readonly openapi = { described: new Publisher<Descriptions>(new Map()) }
  readonly postStartHooks: PostStartHook[] = []
  readonly healthChecks: HealthCheck[] = []
  readonly #o: ResourceServerOptions
  readonly #storeMetrics
  readonly #watchMetrics
  #table = new ServedTable([], new Map())
  /** By storeKey. */
  #stores = new Map<string, ResourceStore>()
  #scopes = new Map<string, Scope>()

  constructor(o: ResourceServerOptions) {
    this.name = o.name
    this.#o = o
    this.#storeMetrics = new StoreMetrics(o.metrics)
    this.#watchMetrics = new AllWatchMetrics(o.metrics)
  }

  /**
   * From now on exactly this is served. A store whose spec is still there stays, with its watches; the watches of one
   * that is not end. Linear in the number of resources.
   *
   * @returns when what is served no more is released.
   */
  async publish(groupVersions: readonly PublishedGroupVersion[]): Promise<void> {
    const stores = new Map<string, ResourceStore>()
    const scopes = new Map<string, Scope>()
    const routes = new Map<string, RoutedResource>()
    const versions = new Map<StoreSpec, StoredVersions>()
    for (const { group, version, resources } of groupVersions) {
      for (const served of resources) {
        const id = `${group}/${version}/${served.names.resource}`
        if (served.is === 'asked') {
          routes.set(id, {
            namespaced: served.namespaced,
            handlers: { create: served.create },
            subresources: new Map(),
          })
          continue
        }
        const inVersions = versions.get(served.store) ?? new StoredVersions()
        versions.set(served.store, inVersions)
        const scope = this.#scopeOf(served, this.#storeOf(served.store, stores), inVersions)
        scopes.set(id, scope)
        routes.set(id, {
          namespaced: served.namespaced,
          deprecation: served.deprecation,
          handlers: verbHandlers(scope, served.verbs),
          subresources: new Map(served.subresources.map((s) => [s.name, routed(s, scope, served, inVersions)])),
        })
      }
    }
    const gone = [...this.#stores.values()].filter((s) => stores.get(storeKey(s.spec)) !== s)
    for (const [id, { resource }] of this.#scopes) if (!scopes.has(id)) this.#watchMetrics.release(resource)
    this.#stores = stores
    this.#scopes = scopes
    this.#table = new ServedTable(groupVersions, routes, this.#table)
    this.discovery.publish(this.#table.discovery)
    this.openapi.described.publish(this.#table.described)
    await Promise.all(gone.map((s) => s[Symbol.asyncDispose]()))
  }

  /** For the parts of this process that read a cache or write through a registry. */
  scope(group: string, version: string, resource: string): Scope | undefined {
    return this.#scopes.get(`${group}/${version}/${resource}`)
  }
  hasGroup(group: string): boolean {
    return this.#table.hasGroup(group)
  }

  route(info: RequestInfo, method: string): Route | undefined {
    if (!info.isResourceRequest) return this.#routeDiscovery(info, method)
    const served = this.#table.resource(info.apiGroup, info.apiVersion, info.resource)
    const picked = served && pick(served, info, method)
    if (!picked) return undefined
    const { deprecation } = served
    const handler: Handler = (ctx) => {
      ctx.served('apiserver')
      if (deprecation !== undefined) ctx.warn(deprecation)
      return picked(ctx)
    }
    return {
      handler,
      owner: this.name,
      reason: `serves ${info.resource} of ${info.apiGroup === '' ? 'the core group' : info.apiGroup}`,
      ...(picked === methodNotAllowed ? { refusedWith: 405 as const } : {}),
    }
  }

  #routeDiscovery(info: RequestInfo, method: string): Route | undefined {
    const [root, group = '', version = ''] = splitPath(info.path)
    if (splitPath(info.path).length !== (root === 'api' ? 2 : 3) || (root !== 'api' && root !== 'apis'))
      return undefined
    const document = root === 'api' ? this.#table.document('', group) : this.#table.document(group, version)
    if (!document) return undefined
    const route = { owner: this.name, reason: 'discovery of a group version served here' }
    if (method !== 'GET') return { ...route, handler: methodNotAllowed, refusedWith: 405 }
    const handler: Handler = (ctx) => {
      ctx.served('apiserver', info.path)
      return document.send(ctx)
    }
    return { ...route, handler }
  }

  listedPaths(): readonly string[] {
    return this.#table.listedPaths
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#stores.values()].map((s) => s[Symbol.asyncDispose]()))
  }

  #storeOf(spec: StoreSpec, next: Map<string, ResourceStore>): ResourceStore {
    const key = storeKey(spec)
    const made = next.get(key)
    if (made) return made
    const known = this.#stores.get(key)
    const store = known?.spec === spec ? known : new ResourceStore(spec, this.#o, this.#storeMetrics)
    next.set(key, store)
    return store
  }

  #scopeOf(served: StoredResource, store: ResourceStore, versions: StoredVersions): Scope {
    const o = this.#o
    const resource = resourceOf(served)
    const forms = new ObjectForms(served.form, served.conversion)
    versions.add(forms)
    const { strategy } = served
    const { storage, codec, cache, frames, decode } = store
    const random = o.random ?? Math.random
    return {
      resource,
      forms,
      managing: managingOf(served, '', strategy, versions),
      deleteOptions: o.deleteOptions,
      frames,
      yaml: o.yaml,
      registry: new Registry({ resource, strategy, form: store.spec.form, codec, storage, clock: o.clock, random }),
      cache,
      reader: new ListReader({ resource, storage, cache, decode }),
      columns: served.columns,
      subresource: '',
      strategy,
      admission: o.admission,
      clock: o.clock,
      random,
      minRequestTimeoutMs: o.minRequestTimeoutMs,
      trackWatch: o.trackWatch,
      watchMetrics: this.#watchMetrics.bind(resource),
    }
  }
}

const storeKey = ({ prefix, form }: StoreSpec): string => `${prefix} ${form.apiVersion}`

function resourceOf(served: StoredResource): Resource {
  const { form, names, namespaced, store, ttlSeconds, coreFinalizers, selectableFields, storedLabel } = served
  return {
    group: form.group,
    version: form.version,
    kind: form.kind,
    resource: names.resource,
    singular: names.singular,
    namespaced,
    storagePrefix: store.prefix,
    selectableFields,
    storedLabel,
    coreFinalizers,
    ...(ttlSeconds === undefined ? {} : { ttlSeconds }),
  }
}

function routed(s: Subresource, scope: Scope, served: StoredResource, versions: StoredVersions): RoutedSubresource {
  if (s.is === 'view') {
    const { name: subresource, strategy } = s
    const own = { subresource, strategy, managing: managingOf(served, subresource, strategy, versions) }
    return verbHandlers({ ...scope, ...own }, s.verbs)
  }
  if (s.is === 'object') return s.handlers
  const { name: subresource, methods, takesPath } = s
  return { methods, takesPath, connect: connectHandler({ ...scope, subresource }, s) }
}

function pick(served: RoutedResource, info: RequestInfo, method: string): Handler | undefined {
  if (info.subresource === '') {
    const level = levelOf(info, served.namespaced)
    return level && pickHandler(served.handlers, info, method, level)
  }
  const subresource = served.subresources.get(info.subresource)
  if (!subresource) return undefined
  if (!('connect' in subresource)) return pickSubresourceHandler(subresource, info, method)
  if (!subresource.takesPath && info.parts.length > 3) return undefined
  return subresource.methods.includes(method) ? subresource.connect : methodNotAllowed
}

function managingOf(
  { form, store }: StoredResource,
  subresource: string,
  strategy: Strategy,
  versions: StoredVersions,
): Managing {
  const { apiVersion, kind, merge: shape } = form
  const reset = FieldSet.of(...(strategy.resetFields ?? []).map((path) => path.split('.').map(fieldElement)))
  const options = { apiVersion, kind, shape, subresource, resetFields: () => reset }
  if (!store.converted) return managing({ ...options, versions })
  const { converter, versions: served } = store.converted
  return managingConverted(options, (version) => served.get(version), converter)
}
