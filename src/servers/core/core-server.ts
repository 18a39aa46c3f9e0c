/** The core server: the built-in kinds that have tables, as a delegate. */
import type { Scope } from '../../endpoints/scope.ts'
import type { Resource } from '../../registry/resource.ts'
import { ResourceServer, type ResourceServerOptions } from '../generic/resource-server.ts'
import { eventField } from './event-fields.ts'
import { namespaceLifecycle } from './namespace/namespace-lifecycle.ts'
import { type ReviewHandlers, reviewHandlers } from './reviews/review-handlers.ts'
import { strategyOf, subresourceStrategyOf } from './strategies.ts'
import type { CoreTables, GroupTable, ResourceTable } from './tables.ts'

export interface CoreServerOptions extends Omit<ResourceServerOptions, 'name' | 'admission' | 'types'> {
  readonly tables: CoreTables
  /** `/registry`. */
  readonly storagePrefix: string
  readonly eventTtlSeconds: number
  readonly reviews: ReviewHandlers
}

/** Groups that another server owns, and the second form of events, which shares the storage of the first. */
const NOT_HERE = new Set(['apiregistration.k8s.io', 'gateway.portico.dev', 'events.k8s.io'])

export function coreServer(o: CoreServerOptions): ResourceServer {
  const server = new ResourceServer({
    ...o,
    name: 'core',
    types: o.tables,
    admission: namespaceLifecycle(() => namespaces()),
  })
  const namespaces = (): Scope => server.scope('', 'v1', 'namespaces')!
  const creators = reviewHandlers(o.reviews)
  for (const name of o.tables.groups()) {
    if (NOT_HERE.has(name)) continue
    const group = o.tables.group(name)!
    server.addGroupVersion({
      group: group.group,
      version: group.version,
      groupPriority: group.groupPriorityMinimum,
      versionPriority: group.versionPriority,
    })
    for (const table of group.resources) addResource(server, group, table, o, creators)
  }
  return server
}

function addResource(
  server: ResourceServer,
  group: GroupTable,
  table: ResourceTable,
  o: CoreServerOptions,
  creators: ReturnType<typeof reviewHandlers>,
): void {
  const create = creators.get(`${group.group}/${table.resource}`)
  if (create) {
    server.addVirtual({
      group: group.group,
      version: group.version,
      kind: table.kind,
      resource: table.resource,
      singular: table.singular,
      namespaced: table.namespaced,
      type: group.types.type(table.kind)!,
      create,
    })
    return
  }
  if (table.storagePrefix === undefined) return
  const subresources = (table.subresources ?? []).flatMap((s) => {
    const strategy = subresourceStrategyOf(table, s.name)
    return strategy ? [{ name: s.name, verbs: s.verbs, strategy }] : []
  })
  server.add({ ...table, resource: resourceOf(group, table, o), strategy: strategyOf(table), subresources })
}

/** A stored resource as its table describes it. */
export function resourceOf(
  group: Pick<GroupTable, 'group' | 'version' | 'types'>,
  table: ResourceTable,
  o: { storagePrefix: string; eventTtlSeconds?: number },
): Resource {
  return {
    group: group.group,
    version: group.version,
    kind: table.kind,
    resource: table.resource,
    singular: table.singular,
    namespaced: table.namespaced,
    type: group.types.type(table.kind)!,
    storagePrefix: `${o.storagePrefix}${table.storagePrefix!}`,
    storedAs: 'protobuf',
    selectableFields: table.selectableFields ?? ['metadata.name', 'metadata.namespace'],
    ...(table.resource === 'events'
      ? { fieldOf: eventField, ...(o.eventTtlSeconds === undefined ? {} : { ttlSeconds: o.eventTtlSeconds }) }
      : {}),
  }
}
