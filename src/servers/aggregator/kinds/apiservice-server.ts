/**
 * The aggregator's own groups, stored as JSON: apiregistration.k8s.io under kube-apiserver's keys, and
 * gateway.portico.dev with what an APIService has no field for.
 */
import type { Column } from '../../../endpoints/table.ts'
import type { CompiledTypes } from '../../../api/schema/type-table.ts'
import type { Strategy } from '../../../registry/strategy.ts'
import { ResourceServer, type ResourceServerOptions, type ServedResource } from '../../generic/resource-server.ts'
import type { Registered } from './ambiguity.ts'
import { apiServiceStatusStrategy, apiServiceStrategy } from './apiservice-strategy.ts'
import { backendPolicyStatusStrategy, backendPolicyStrategy } from './policy-strategy.ts'

/** The group's table, as servers/core reads it. */
export interface ApiRegistrationTable {
  readonly group: string
  readonly version: string
  readonly types: CompiledTypes
  readonly resources: readonly {
    readonly kind: string
    readonly resource: string
    readonly singular: string
    readonly shortNames?: readonly string[]
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
const APISERVICE_PRIORITY = { groupPriority: 20_001, versionPriority: 15 }

export interface AggregatorTables {
  readonly apiRegistration: ApiRegistrationTable
  readonly gateway: ApiRegistrationTable & { readonly groupPriorityMinimum: number; readonly versionPriority: number }
}

export function apiServiceServer(
  o: Omit<ResourceServerOptions, 'name' | 'admission'> & {
    tables: AggregatorTables
    storagePrefix: string
    registered: Registered
  },
): ResourceServer {
  const server = new ResourceServer({ ...o, name: 'aggregator', admission: () => {} })
  const { apiRegistration, gateway } = o.tables
  server.addGroupVersion({ ...versionOf(apiRegistration), ...APISERVICE_PRIORITY })
  server.add(servedAs(apiRegistration, o.storagePrefix, apiServiceStrategy(o.registered), apiServiceStatusStrategy))
  const { groupPriorityMinimum: groupPriority, versionPriority } = gateway
  server.addGroupVersion({ ...versionOf(gateway), groupPriority, versionPriority })
  server.add(servedAs(gateway, o.storagePrefix, backendPolicyStrategy(o.registered), backendPolicyStatusStrategy))
  return server
}

const versionOf = ({ group, version }: ApiRegistrationTable): { group: string; version: string } => ({ group, version })

/** The one resource of its group, with a status. */
function servedAs(
  table: ApiRegistrationTable,
  storagePrefix: string,
  strategy: Strategy,
  statusStrategy: Strategy,
): ServedResource {
  const { group, version, types } = table
  const resource = table.resources[0]!
  return {
    ...resource,
    resource: {
      group,
      version,
      kind: resource.kind,
      resource: resource.resource,
      singular: resource.singular,
      namespaced: false,
      type: types.type(resource.kind)!,
      storagePrefix: `${storagePrefix}/${group}/${resource.resource}`,
      storedAs: 'json',
      selectableFields: resource.selectableFields ?? ['metadata.name', 'metadata.namespace'],
    },
    strategy,
    subresources: (resource.subresources ?? []).map((s) => ({ ...s, strategy: statusStrategy })),
  }
}
