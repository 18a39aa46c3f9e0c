/**
 * The delegate that hands each registered group version to the server of it, and answers all of discovery from memory.
 *
 * Owns:     the discovery documents, made anew when their content changes.
 * Not here: the APIService API itself (apiservice-server.ts), how the table is kept (registration-controller.ts).
 */
import { compareVersions, formatGroupVersion } from '../../../api/group-version.ts'
import { serviceUnavailable } from '../../../api/status-error.ts'
import {
  AggregatedDocument,
  type DiscoveryDocuments,
  LegacyDocument,
  discoveryHandler,
} from '../../../endpoints/discovery-handler.ts'
import {
  aggregatedDocument,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
  mergeGroups,
  uniteGroups,
  type UnitedGroups,
} from '../../../endpoints/discovery.ts'
import type { GroupDiscovery } from '../../../endpoints/discovery-types.ts'
import type { OpenApiSource } from '../../../endpoints/openapi/openapi-source.ts'
import { getOnly } from '../../../endpoints/resource-handlers.ts'
import { humanDuration } from '../../../endpoints/human-duration.ts'
import type { Handler } from '../../../http/filter.ts'
import { type RequestInfo, splitPath } from '../../../http/request-info.ts'
import type { Clock } from '../../../lib/clock.ts'
import { Publisher, type Published } from '../../../lib/published.ts'
import type { Counter, MetricsRecorder } from '../../../observability/metrics.ts'
import type { Delegate, PostStartHook, Route } from '../../generic/delegate.ts'
import type { HealthCheck } from '../../generic/health.ts'
import type { APIServiceTable, TableEntry, TableGroup } from '../registrations/apiservice-table.ts'
import type { ServedHere } from '../registrations/served-here.ts'
import type { Backend } from '../backends/backend.ts'

export interface AggregatorOptions {
  readonly table: Published<APIServiceTable>
  /** The groups of the backends. */
  readonly remote: Published<readonly GroupDiscovery[]>
  /** Left out of all lists, for its backend is unavailable. */
  readonly isOmitted: (group: string, version: string) => boolean
  /** What an APIService without a backend is about, or about nothing. */
  readonly servedHere: Pick<ServedHere, 'isMissing' | 'subscribe'>
  /** The groups of the aggregator's own server, which have no APIService. */
  readonly own: Published<readonly GroupDiscovery[]>
  /** The groups of the other servers that are no backends. */
  readonly local: readonly Published<readonly GroupDiscovery[]>[]
  /** `host:port` that clients are told in `/api`. */
  readonly serverAddress: () => string
  /** The documents of the backends. */
  readonly openapi: OpenApiSource
  readonly clock: Clock
  readonly metrics: MetricsRecorder
}

export class AggregatorDelegate implements Delegate {
  readonly name = 'aggregator-proxy'
  readonly discovery = new Publisher<readonly GroupDiscovery[]>([])
  readonly installed = new Publisher(false)
  readonly postStartHooks: PostStartHook[] = []
  readonly healthChecks: HealthCheck[] = []
  readonly openapi: OpenApiSource
  readonly #o: AggregatorOptions
  readonly #aggregations: Counter
  #groups: readonly GroupDiscovery[] = []
  /** Of the servers that are no backends. */
  #local: UnitedGroups = { groups: [], united: new Map() }
  #apis: DiscoveryDocuments | undefined
  #api: DiscoveryDocuments | undefined
  #legacy = new Map<string, LegacyDocument>()
  /** Of the documents, only the lists of all groups and of one group answer every method. */
  readonly #apisHandler = discoveryHandler(() => this.#apisDocuments())
  readonly #apiHandler = getOnly(discoveryHandler(() => this.#apiDocuments()))

  constructor(o: AggregatorOptions) {
    this.#o = o
    this.openapi = o.openapi
    this.#aggregations = o.metrics
      .counter({
        name: 'aggregator_discovery_aggregation_count_total',
        help: '[ALPHA] Counter of number of times discovery was aggregated',
      })
      .with()
    const changed = (): void => this.#changed()
    for (const source of [o.table, o.remote, o.own, o.servedHere, ...o.local]) source.subscribe(changed)
    this.#changed()
  }
  listedPaths(): readonly string[] {
    const served = this.#o.table.value.groups.map((g) => this.#shown(g)).filter((g) => g.versions.length > 0)
    const groups = served.flatMap((g) => [`/apis/${g.group}`, ...g.versions.map((v) => `/apis/${g.group}/${v}`)])
    return ['/api', '/apis', ...this.#ownGroups().map((g) => `/apis/${g.group}`), ...groups]
  }

  route(info: RequestInfo): Route | undefined {
    if (info.isResourceRequest) return this.#routeTo(this.#o.table.value.get(info.apiGroup, info.apiVersion))
    const parts = splitPath(info.path)
    if (parts[0] === 'api')
      return parts.length === 1
        ? this.#fixed(info, this.#apiHandler, 'the core API')
        : this.#routeVersion(info, '', parts[1]!, parts)
    if (parts[0] !== 'apis') return undefined
    if (parts.length === 1) return this.#fixed(info, this.#apisHandler, 'discovery of all groups')
    if (parts.length === 2) return this.#routeGroup(info, parts[1]!)
    return this.#routeVersion(info, parts[1]!, parts[2]!, parts)
  }

  #routeTo(entry: TableEntry | undefined): Route | undefined {
    const backend = entry?.backend
    return backend && new BackendRoute(backend)
  }

  #routeGroup(info: RequestInfo, group: string): Route | undefined {
    const known = this.#o.table.value.group(group) ?? this.#ownGroups().find((g) => g.group === group)
    if (!known?.versions.some((v) => this.#isServed(group, v))) return undefined
    return this.#fixed(
      info,
      (ctx) => {
        const shown = this.#shown(known)
        if (shown.versions.length === 0) throw serviceUnavailable('service unavailable')
        return this.#legacyDocument(`group ${group}`, () => apiGroup(shown)).send(ctx)
      },
      `APIServices of the group ${group}`,
    )
  }

  /** Discovery of a remote group version comes from memory; anything below it goes to the backend. */
  #routeVersion(info: RequestInfo, group: string, version: string, parts: readonly string[]): Route | undefined {
    const entry = this.#o.table.value.get(group, version)
    const isVersion = parts.length === (group === '' ? 2 : 3)
    if (!entry?.backend) return isVersion ? this.#routeUnited(info, group, version) : undefined
    const { backend } = entry
    if (!isVersion) return this.#routeTo(entry)
    const handler: Handler = (ctx) => {
      const known = this.#o.remote.value.find((g) => g.group === group)?.versions.find((v) => v.version === version)
      // It is new, or the client asks for something else than the document: only the backend itself knows.
      if (known?.goodAtMs === undefined || ctx.exchange.method !== 'GET') return backend.handler(ctx)
      if (known.freshness === 'Stale') {
        if (known.resources.length === 0) throw serviceUnavailable('service unavailable')
        const age = humanDuration(this.#o.clock.now() - known.goodAtMs)
        ctx.warn(`${backend.name} cannot be asked now: this is what it served ${age} ago`)
      }
      return this.#legacyDocument(`version ${group}/${version}`, () =>
        apiResourceList(group, version, known.resources),
      ).send(ctx)
    }
    return this.#fixed(info, handler, `discovery of ${backend.name}, kept in memory`)
  }

  /** A group version that several servers here serve: each of them would list only its own resources. */
  #routeUnited(info: RequestInfo, group: string, version: string): Route | undefined {
    const united = this.#local.united.get(formatGroupVersion({ group, version }))
    if (!united) return undefined
    const handler: Handler = (ctx) =>
      this.#legacyDocument(`version ${group}/${version}`, () => apiResourceList(group, version, united.resources)).send(
        ctx,
      )
    return this.#fixed(info, getOnly(handler), 'discovery of a group version that several servers here serve')
  }

  #fixed(info: RequestInfo, handler: Handler, reason: string): Route {
    return {
      owner: this.name,
      reason,
      handler: (ctx) => {
        ctx.served('apiserver', info.path)
        return handler(ctx)
      },
    }
  }

  #changed(): void {
    const sources = [this.#o.own.value, ...this.#o.local.map((l) => l.value)]
    this.#local = uniteGroups(sources)
    this.#groups = mergeGroups([this.#o.remote.value, this.#local.groups])
    this.#apis = undefined
    this.#api = undefined
    this.#legacy.clear()
    this.discovery.publish(this.#groups)
  }

  #legacyDocument(key: string, make: () => { kind: string }): LegacyDocument {
    let found = this.#legacy.get(key)
    if (!found) {
      found = new LegacyDocument(make())
      this.#legacy.set(key, found)
    }
    return found
  }

  /** Made on the first request after a change. */
  #apisDocuments(): DiscoveryDocuments {
    if (!this.#apis) {
      this.#aggregations.inc()
      const groups = this.#groups.filter((g) => g.group !== '')
      this.#apis = documentsOf(groups, apiGroupList(this.#legacyGroups()))
    }
    return this.#apis
  }
  #apiDocuments(): DiscoveryDocuments {
    this.#api ??= documentsOf(
      this.#groups.filter((g) => g.group === ''),
      apiVersions(this.#o.serverAddress()),
    )
    return this.#api
  }

  /** Whether a server is registered for the group version, up or down. */
  #isServed(group: string, version: string): boolean {
    return (
      this.#o.table.value.get(group, version)?.backend !== undefined || !this.#o.servedHere.isMissing(group, version)
    )
  }
  #shown({ group, versions }: TableGroup): TableGroup {
    return { group, versions: versions.filter((v) => this.#isServed(group, v) && !this.#o.isOmitted(group, v)) }
  }

  /**
   * Every group that has an APIService, available or not unless its policy says otherwise, in the order of the aggregated
   * document; those that are missing there come last.
   */
  #legacyGroups(): TableGroup[] {
    const own = this.#ownGroups()
    const others = this.#o.table.value.groups
      .filter((g) => !own.some((o) => o.group === g.group))
      .map((g) => this.#shown(g))
      .filter((g) => g.versions.length > 0)
    const places = new Map(this.#groups.map((g, i) => [g.group, i]))
    const placeOf = ({ group }: TableGroup): number => places.get(group) ?? places.size
    return [...own, ...others].toSorted((a, b) => placeOf(a) - placeOf(b))
  }
  #ownGroups(): TableGroup[] {
    return this.#o.own.value.map(({ group, versions }) => ({
      group,
      versions: versions.map((v) => v.version).toSorted(compareVersions),
    }))
  }
}

function documentsOf(groups: readonly GroupDiscovery[], legacy: { kind: string }): DiscoveryDocuments {
  return {
    v2: new AggregatedDocument(aggregatedDocument(groups, 'v2'), 'v2'),
    v2beta1: new AggregatedDocument(aggregatedDocument(groups, 'v2beta1'), 'v2beta1'),
    legacy: new LegacyDocument(legacy),
  }
}

/** The route of a request. Its reason is a getter: only an explanation of the route reads it. */
class BackendRoute implements Route {
  readonly handler: Handler
  readonly owner: string

  constructor(backend: Backend) {
    this.handler = backend.handler
    this.owner = backend.name
  }
  /** Which server behind it that is depends on the caller and the headers, too: explain-backend.ts. */
  get reason(): string {
    return `APIService ${this.owner} is registered for this group version`
  }
}
