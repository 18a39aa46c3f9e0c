/**
 * The aggregator's own groups, stored as JSON: apiregistration.k8s.io under kube-apiserver's keys, and
 * gateway.portico.dev with what an APIService has no field for.
 */
import { AdmissionChain } from '../../../access/admission/admission.ts'
import type { Column } from '../../../endpoints/table.ts'
import type { KindVersion } from '../../../api/kinds/kind-version.ts'
import type { Strategy } from '../../../registry/strategy.ts'
import { ResourceServer, type ResourceServerOptions } from '../../generic/resource-server.ts'
import type { StoredResource } from '../../generic/served-resource.ts'
import type { Registered } from './ambiguity.ts'
import { apiServiceStatusStrategy, apiServiceStrategy } from './apiservice-strategy.ts'
import { backendPolicyStatusStrategy, backendPolicyStrategy } from './policy-strategy.ts'

/** The rows of a group that has one resource, as servers/core reads them, and the form of its kind. */
export interface OwnGroup {
  readonly form: KindVersion
  readonly groupPriorityMinimum: number
  readonly versionPriority: number
  readonly resource: {
    readonly resource: string
    readonly singular: string
    readonly shortNames?: readonly string[]
    readonly verbs: readonly string[]
    readonly categories?: readonly string[]
    readonly subresources?: readonly { readonly name: string; readonly verbs: readonly string[] }[]
    readonly storageVersionHash?: string
    readonly selectableFields?: readonly string[]
    readonly columns: readonly Column[]
  }
}

/** The priority is above the highest that an APIService may ask for, so that the group is always the first. */
const APISERVICE_PRIORITY = { groupPriority: 20_001, versionPriority: 15 }

export interface AggregatorTables {
  readonly apiRegistration: OwnGroup
  readonly gateway: OwnGroup
}

export function apiServiceServer(
  o: Omit<ResourceServerOptions, 'name' | 'admission'> & {
    tables: AggregatorTables
    storagePrefix: string
    registered: Registered
  },
): ResourceServer {
  const server = new ResourceServer({ ...o, name: 'aggregator', admission: new AdmissionChain([]) })
  const { apiRegistration, gateway } = o.tables
  const { groupPriorityMinimum: groupPriority, versionPriority } = gateway
  // The first table of a server replaces none: there is nothing to wait for.
  void server.publish([
    {
      ...versionOf(apiRegistration),
      ...APISERVICE_PRIORITY,
      resources: [
        servedAs(apiRegistration, o.storagePrefix, apiServiceStrategy(o.registered), apiServiceStatusStrategy),
      ],
    },
    {
      ...versionOf(gateway),
      groupPriority,
      versionPriority,
      resources: [servedAs(gateway, o.storagePrefix, backendPolicyStrategy(o.registered), backendPolicyStatusStrategy)],
    },
  ])
  return server
}

const versionOf = ({ form }: OwnGroup): { group: string; version: string } => ({
  group: form.group,
  version: form.version,
})

/** Cluster-scoped, with a status. */
function servedAs(own: OwnGroup, storagePrefix: string, strategy: Strategy, statusStrategy: Strategy): StoredResource {
  const { form, resource: r } = own
  const { resource, singular, shortNames, categories, selectableFields = ['metadata.name', 'metadata.namespace'] } = r
  return {
    is: 'stored',
    names: { resource, singular, shortNames, categories },
    namespaced: false,
    verbs: r.verbs,
    form,
    store: {
      prefix: `${storagePrefix}/${form.group}/${resource}`,
      form,
      storedAs: 'json',
      resource: { group: form.group, resource },
      selectableFields,
      fieldOf: undefined,
    },
    conversion: undefined,
    selectableFields,
    storedLabel: undefined,
    strategy,
    columns: r.columns,
    storageVersionHash: r.storageVersionHash,
    ttlSeconds: undefined,
    coreFinalizers: false,
    subresources: (r.subresources ?? []).map((s) => ({ ...s, is: 'view', strategy: statusStrategy })),
  }
}
