/** The aggregator's own group: apiregistration.k8s.io, stored as JSON under kube-apiserver's keys. */
import type { Scope } from '../../endpoints/scope.ts'
import type { Column } from '../../endpoints/table.ts'
import type { CompiledTypes } from '../../api/schema/type-table.ts'
import { ResourceServer, type ResourceServerOptions } from '../generic/resource-server.ts'
import { apiServiceStatusStrategy, apiServiceStrategy } from './apiservice-strategy.ts'

/** The group's table, as servers/core reads it. */
export interface ApiRegistrationTable {
  readonly group: string
  readonly version: string
  readonly types: CompiledTypes
  readonly resources: readonly {
    readonly kind: string
    readonly resource: string
    readonly singular: string
    readonly verbs: readonly string[]
    readonly categories?: readonly string[]
    readonly subresources?: readonly { readonly name: string; readonly verbs: readonly string[] }[]
    readonly storagePrefix?: string
    readonly storageVersionHash?: string
    readonly selectableFields?: readonly string[]
    readonly columns: readonly Column[]
  }[]
}

/** One above what an APIService may ask for: it is always the first group. */
const GROUP_PRIORITY = 20_001
const VERSION_PRIORITY = 15

export function apiServiceServer(
  o: Omit<ResourceServerOptions, 'name' | 'admission'> & { table: ApiRegistrationTable; storagePrefix: string },
): { server: ResourceServer; scope: Scope } {
  const { table } = o
  const resource = table.resources[0]!
  const server = new ResourceServer({ ...o, name: 'aggregator', admission: () => {} })
  server.addGroupVersion({
    group: table.group,
    version: table.version,
    groupPriority: GROUP_PRIORITY,
    versionPriority: VERSION_PRIORITY,
  })
  const scope = server.add({
    ...resource,
    resource: {
      group: table.group,
      version: table.version,
      kind: resource.kind,
      resource: resource.resource,
      singular: resource.singular,
      namespaced: false,
      type: table.types.type(resource.kind)!,
      storagePrefix: `${o.storagePrefix}/${table.group}/${resource.resource}`,
      storedAs: 'json',
      selectableFields: resource.selectableFields ?? ['metadata.name', 'metadata.namespace'],
    },
    strategy: apiServiceStrategy,
    subresources: (resource.subresources ?? []).map((s) => ({ ...s, strategy: apiServiceStatusStrategy })),
  })
  return { server, scope }
}
