/** The API servers that this one fronts, as delegates. */
import type { UserInfo } from '../../api/meta.ts'
import { ProxyMetrics } from '../../proxy/proxy-metrics.ts'
import { missingSanCounter } from '../../proxy/reach/missing-san.ts'
import { TlsContexts } from '../../proxy/upstream-tls.ts'
import { Upstreams } from '../../proxy/upstreams.ts'
import { hasCredentials } from '../../servers/aggregator/fronted/fronted-connection.ts'
import { FrontedDelegate } from '../../servers/aggregator/fronted/fronted-delegate.ts'
import { everythingBut, type GroupFilter, groupFilter } from '../../servers/aggregator/fronted/fronted-groups.ts'
import { OpenApiThread } from '../../servers/aggregator/openapi/openapi-thread.ts'
import type { RunOpenApiWork } from '../../servers/aggregator/openapi/openapi-work.ts'
import type { Delegate } from '../../servers/generic/delegate.ts'
import { ConfigurationError } from '../config/configuration-error.ts'
import type { Credentials } from '../files/credentials.ts'
import type { DelegateConfig } from '../config/delegates-config.ts'
import { followKubeconfig } from '../files/followed-server.ts'
import type { AppContext } from './app-context.ts'

/** What stands behind the aggregator: fronted servers, and the core server where none of them serves everything. */
export interface Behind {
  /** In the order requests are offered to them. */
  readonly others: readonly Delegate[]
  /** In a thread that all of them share. */
  readonly runOpenApi: RunOpenApiWork
  /** What `/version` says: that of the server that everything is left to, once it was reached. */
  readonly version: () => object | undefined
  /** The core server keeps only what replicas agree on among themselves. */
  readonly isCoreElsewhere: boolean
}
export interface BehindParts {
  /** The servers of this process, the core server first. */
  readonly local: readonly Delegate[]
  readonly credentials: Credentials
  /** The user of this process, where it asks a fronted server for itself. */
  readonly self: UserInfo
}

/** @throws ConfigurationError for a kubeconfig that cannot be used. */
export function wireBehind(around: AppContext, o: BehindParts): Behind {
  const { run: runOpenApi } = around.life.own(new OpenApiThread(around.clock))
  const fronted = wireFronted(around, { ...o, runOpenApi })
  const rest = fronted.filter((d) => around.config.delegates.find((c) => c.name === d.name)!.isRest)
  const isCoreElsewhere = around.config.delegates.some((d) => d.groups === undefined)
  return {
    others: isCoreElsewhere ? fronted : [...fronted.filter((d) => !rest.includes(d)), ...o.local, ...rest],
    runOpenApi,
    version: () => fronted.find((d) => d.isForEverything)?.version,
    isCoreElsewhere,
  }
}

function wireFronted(around: AppContext, o: BehindParts & Pick<Behind, 'runOpenApi'>): readonly FrontedDelegate[] {
  const { clock, config, life, log, metrics, tracer } = around
  const { delegates } = config
  if (delegates.length === 0) return []
  const shared = {
    upstreams: life.own(new Upstreams({ clock })),
    tlsContexts: new TlsContexts(),
    identityNames: config.identityNames,
    tracer,
    clock,
    log,
    life,
    onMissingSan: missingSanCounter(metrics, 'backends'),
    trackWatch: (end: () => void) => around.drain.trackWatch(end),
    frontProxy: o.credentials.frontProxyClient,
    self: o.self,
    runOpenApi: o.runOpenApi,
  }
  const proxied = new ProxyMetrics(metrics)
  const filters = delegates.flatMap((d) => (d.groups && !d.isRest ? [groupFilter(d.groups)] : []))
  const ofCore: GroupFilter = (group) => o.local.some((d) => d.hasGroup?.(group))
  const servedBy = ({ groups, isRest }: DelegateConfig): GroupFilter => {
    if (groups === undefined) return everythingBut(filters)
    return isRest ? everythingBut([...filters, ofCore]) : groupFilter(groups)
  }
  return delegates.map((delegate) => {
    const { name, kubeconfig, identity, groups, origin } = delegate
    const access = followKubeconfig(around, { path: kubeconfig, origin })
    if (identity !== 'requestheader' && !hasCredentials(access.value))
      throw new ConfigurationError(`${origin}: ${kubeconfig}: names no credentials, which ${identity} needs`)
    return new FrontedDelegate({
      ...shared,
      name,
      access,
      identity,
      metrics: proxied.of(name),
      serves: servedBy(delegate),
      otherPaths: groups === undefined,
    })
  })
}
