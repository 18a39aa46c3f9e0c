/** The aggregator, from this process's configuration. */
import { join } from 'node:path'
import { APISERVICES } from '../../api/apiservice.ts'
import { BACKEND_POLICIES } from '../../api/backend-policy.ts'
import type { Client } from '../../client/client.ts'
import { type Aggregator, assembleAggregator } from '../../servers/aggregator/assemble.ts'
import type { AggregatorInputs, AggregatorOptions } from '../../servers/aggregator/inputs.ts'
import type { OwnGroup } from '../../servers/aggregator/kinds/apiservice-server.ts'
import type { CoreTables } from '../../servers/core/tables.ts'
import { followBackendFiles } from '../files/backend-files.ts'
import { certificateMetrics } from '../files/certificate-metrics.ts'
import type { Credentials } from '../files/credentials.ts'
import type { AppContext } from './app-context.ts'
import { electionOf } from './leadership.ts'

const DISCOVERY_CACHE = 'discovery-cache.ndjson'

export interface AggregatorParts
  extends Omit<
    AggregatorInputs,
    'options' | 'tables' | 'types' | 'deleteOptions' | 'frontProxyClient' | 'lookup' | 'overlays' | 'elect'
  > {
  readonly tables: CoreTables
  readonly credentials: Credentials
  /** Reads and writes what this process and its replicas share: Leases, system namespaces. */
  readonly replicaClient: Client
}

/** @throws ConfigurationError for files of backends that cannot be used. */
export function wireAggregator(
  context: AppContext,
  { tables, credentials, replicaClient, ...parts }: AggregatorParts,
): Aggregator {
  const { config, clock, life, log, lookup } = context
  const path = config.values['backends-config']
  const aggregator = assembleAggregator(context, {
    ...parts,
    options: optionsOf(config),
    types: tables,
    tables: { apiRegistration: ownGroup(tables, APISERVICES), gateway: ownGroup(tables, BACKEND_POLICIES) },
    deleteOptions: tables.deleteOptions,
    frontProxyClient: credentials.frontProxyClient,
    lookup,
    overlays: path === '' ? undefined : life.own(followBackendFiles(path, { types: tables, clock, log })),
    elect: electionOf(context, replicaClient),
  })
  certificateMetrics(context, { credentials, table: aggregator.table })
  return aggregator
}

function ownGroup(tables: CoreTables, { group, version }: { group: string; version: string }): OwnGroup {
  const { resources, ...rows } = tables.rows(group, version)!
  const resource = resources[0]!
  return { ...rows, resource, form: tables.kindVersion(group, version, resource.kind) }
}

function optionsOf({ values, advertiseAddress, identityNames }: AppContext['config']): AggregatorOptions {
  return {
    advertiseAddress,
    statusIntervalMs: values['apiservice-status-interval'],
    identityProbeIntervalMs: values['identity-probe-interval'],
    backendDrainMs: values['backend-drain-duration'],
    watchListBookmarkTimeoutMs: values['watchlist-bookmark-timeout'],
    routesToEndpoints: values['enable-aggregator-routing'],
    rejectsRedirects: values['aggregator-reject-forwarding-redirect'],
    allowsLinkLocalBackends: values['allow-link-local-backends'],
    readyzApiServices: values['readyz-apiservices'],
    identityNames,
    discoveryCachePath: join(values['data-dir'], DISCOVERY_CACHE),
  }
}
