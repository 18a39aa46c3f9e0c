/** The core server: the built-in kinds that have tables, as a delegate. */
import { AdmissionChain } from '../../access/admission/admission.ts'
import { formatGroupVersion } from '../../api/group-version.ts'
import type { Handler } from '../../http/filter.ts'
import type { Scope } from '../../endpoints/scope.ts'
import { ResourceServer, type ResourceServerOptions } from '../generic/resource-server.ts'
import type {
  PublishedGroupVersion,
  ServedResource,
  StoreSpec,
  StoredResource,
  ViewSubresource,
} from '../generic/served-resource.ts'
import { builtinKind } from './kinds.ts'
import { namespaceLifecycle } from './namespace/namespace-lifecycle.ts'
import { type ReviewHandlers, reviewHandlers } from './reviews/review-handlers.ts'
import { strategyOf, viewOf } from './strategies.ts'
import type { GroupVersionRows, ResourceTable } from './rows.ts'
import type { RuntimeConfig } from './runtime-config.ts'
import type { CoreTables } from './tables.ts'

export interface CoreServerOptions extends Omit<ResourceServerOptions, 'name' | 'admission' | 'deleteOptions'> {
  readonly tables: CoreTables
  /** `/registry`. */
  readonly storagePrefix: string
  readonly eventTtlSeconds: number
  /** Which resources are served. */
  readonly isOn: RuntimeConfig['isOn']
  readonly reviews: Omit<ReviewHandlers, 'kindOf'>
}

/** Groups that another server owns. */
const NOT_HERE = new Set(['apiregistration.k8s.io', 'gateway.portico.dev'])
const DEFAULT_FIELDS = ['metadata.name', 'metadata.namespace']

export function coreServer(o: CoreServerOptions): ResourceServer {
  const { tables } = o
  const namespaces = (): Scope => server.scope('', 'v1', 'namespaces')!
  const server = new ResourceServer({
    ...o,
    name: 'core',
    deleteOptions: tables.deleteOptions,
    admission: new AdmissionChain([namespaceLifecycle(namespaces)]),
  })
  const kindOf: ReviewHandlers['kindOf'] = (group, kind) => tables.kindVersion(group, 'v1', kind)
  const maker = new ServedMaker(o, reviewHandlers({ ...o.reviews, kindOf }))
  // The first table of a server replaces none: there is nothing to wait for.
  const groupVersions = tables.groupVersions.filter((gv) => !NOT_HERE.has(gv.group)).map((gv) => maker.groupVersion(gv))
  void server.publish(groupVersions.filter((gv) => gv.resources.length > 0))
  return server
}

/** Makes what is served from the tables' rows; versions of one resource share their store. */
class ServedMaker {
  readonly #o: CoreServerOptions
  readonly #creators: ReadonlyMap<string, Handler>
  readonly #stores = new Map<string, StoreSpec>()

  constructor(o: CoreServerOptions, creators: ReadonlyMap<string, Handler>) {
    this.#o = o
    this.#creators = creators
  }
  groupVersion(gv: GroupVersionRows): PublishedGroupVersion {
    return {
      group: gv.group,
      version: gv.version,
      groupPriority: gv.groupPriorityMinimum,
      versionPriority: gv.versionPriority,
      resources: gv.resources.flatMap((table) => this.#resource(gv, table) ?? []),
    }
  }

  #resource(gv: GroupVersionRows, table: ResourceTable): ServedResource | undefined {
    if (!this.#o.isOn(gv.group, gv.version, table.resource)) return undefined
    const { resource, singular, shortNames, categories, namespaced, verbs } = table
    const form = this.#o.tables.kindVersion(gv.group, gv.version, table.kind)
    const names = { resource, singular, shortNames, categories }
    const served = { names, namespaced, verbs, form, deprecation: table.deprecation }
    const create = this.#creators.get(`${gv.group}/${resource}`)
    if (create) return { ...served, is: 'asked', create, subresources: [] }
    return table.storagePrefix === undefined ? undefined : { ...served, ...this.#stored(gv, table) }
  }

  #stored(
    gv: GroupVersionRows,
    table: ResourceTable,
  ): Omit<StoredResource, 'names' | 'namespaced' | 'verbs' | 'form' | 'deprecation'> {
    const { group } = gv
    const store = this.#store(gv, table)
    const kind = builtinKind(group, table.kind, gv.version)
    const strategy = strategyOf(table, kind)
    const views = (table.subresources ?? []).flatMap(({ name, verbs }): ViewSubresource[] => {
      const view = viewOf(name, strategy, kind)
      return view ? [{ is: 'view', name, verbs, strategy: view }] : []
    })
    return {
      is: 'stored',
      store,
      conversion: kind.conversion?.(this.#o.tables),
      selectableFields: table.selectableFields ?? DEFAULT_FIELDS,
      storedLabel: kind.storedLabel,
      strategy,
      columns: table.columns.map((column) => ({ ...column, cell: kind.cells?.[column.cell] ?? column.cell })),
      storageVersionHash: table.storageVersionHash,
      ttlSeconds: store.form.kind === 'Event' ? this.#o.eventTtlSeconds : undefined,
      coreFinalizers: true,
      subresources: views,
    }
  }

  #store(gv: GroupVersionRows, table: ResourceTable): StoreSpec {
    const { tables, storagePrefix } = this.#o
    const prefix = `${storagePrefix}${table.storagePrefix!}`
    const known = this.#stores.get(prefix)
    if (known) return known
    const hub = table.storageVersion ?? formatGroupVersion(gv)
    const slash = hub.lastIndexOf('/')
    const [group, version] = [hub.slice(0, Math.max(slash, 0)), hub.slice(slash + 1)]
    const kind = builtinKind(group, table.kind, version)
    const store: StoreSpec = {
      prefix,
      form: tables.kindVersion(group, version, table.kind),
      storedAs: 'protobuf',
      resource: { group, resource: table.resource },
      selectableFields:
        tables.rows(group, version)!.resources.find((r) => r.kind === table.kind)!.selectableFields ?? DEFAULT_FIELDS,
      fieldOf: kind.fieldOf,
    }
    this.#stores.set(prefix, store)
    return store
  }
}
