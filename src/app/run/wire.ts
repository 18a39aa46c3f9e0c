/**
 * Acquires the parts of the server in order and releases them in reverse:
 * storage, delegates with their in-process client, controllers, listeners, ready.
 */
import { lookup } from 'node:dns/promises'
import { YamlThread } from '../../api/codec/yaml-thread.ts'
import type { UserInfo } from '../../api/meta.ts'
import { SYSTEM_MASTERS } from '../../access/groups.ts'
import { Client } from '../../client/client.ts'
import { ControllerManager } from '../../client/controller-manager.ts'
import type { GroupDiscovery } from '../../endpoints/discovery-types.ts'
import type { Handler } from '../../http/filter.ts'
import { type Clock, systemClock } from '../../lib/clock.ts'
import { Deferred } from '../../lib/deferred.ts'
import { Lifetime } from '../../lib/lifetime.ts'
import type { Logger } from '../../observability/logger.ts'
import { MetricsRegistry } from '../../observability/metrics-registry.ts'
import { createLogger } from '../../observability/pino-logger.ts'
import type { Tracer } from '../../observability/tracer.ts'
import { coreServer } from '../../servers/core/core-server.ts'
import { type RuntimeConfig, readRuntimeConfig, RuntimeConfigError } from '../../servers/core/runtime-config.ts'
import { CoreTables } from '../../servers/core/tables.ts'
import { delegateChain } from '../../servers/generic/delegate-chain.ts'
import type { ResourceServerOptions } from '../../servers/generic/resource-server.ts'
import type { Delegate, PostStartHook } from '../../servers/generic/delegate.ts'
import { Drain } from '../../servers/generic/drain.ts'
import { FixedPaths } from '../../servers/generic/fixed-paths.ts'
import type { RulesOf } from '../../servers/generic/filters/request-info.ts'
import { type ChainOptions, buildHandlerChain } from '../../servers/generic/handler-chain.ts'
import { HealthChecks } from '../../servers/generic/health.ts'
import { Hooks } from '../../servers/generic/hooks.ts'
import { inProcessTransport } from '../../servers/generic/in-process-transport.ts'
import type { SystemLookup } from '../../proxy/reach/endpoint-source.ts'
import type { AppContext } from './app-context.ts'
import { packageVersion } from './build-info.ts'
import { type Config, describeOptions } from '../config/config.ts'
import { ConfigurationError } from '../config/configuration-error.ts'
import { claimNewFolder, DataDir } from '../files/data-dir.ts'
import { OwnAddresses } from './own-addresses.ts'
import { openStorage } from './open-storage.ts'
import { openTracer } from './open-tracer.ts'
import { type Access, insecureAccess, wireAccess } from './wire-access.ts'
import { wireAggregator } from './wire-aggregator.ts'
import { openCredentials } from '../files/credentials.ts'
import { controllerHooks } from './wire-controllers.ts'
import { wireBehind } from './wire-fronted.ts'
import { wireInformers } from './wire-informers.ts'
import { addFixedPaths } from './wire-fixed-paths.ts'
import { type Listeners, startListeners } from './wire-listeners.ts'
import { addEtcdChecks } from './storage-health.ts'
import { stopServer } from './stop.ts'

export interface PorticoServer {
  /** The TLS port that was taken. */
  readonly port: number
  readonly insecurePort: number | undefined
  readonly log: Logger
  readonly metrics: MetricsRegistry
  /** Resolves when every post-start hook is done and /readyz passes. */
  readonly ready: Promise<void>
  /** Rejects when a part failed that the server cannot do without. */
  readonly failed: Promise<void>
  /** Drains and releases everything; see stop.ts. */
  stop(): Promise<void>
}

/** The process itself, where it calls its own API. */
const LOOPBACK: UserInfo = { name: 'system:apiserver', groups: [SYSTEM_MASTERS, 'system:authenticated'] }
const USER_AGENT = 'portico/loopback'

const NOT_YET: Readonly<Record<string, string>> = {
  RBAC: 'there are no roles yet: a short fixed list of rules stands in, all else is for system:masters',
  Node: 'there are no nodes yet: it permits nothing',
}

interface Foundations {
  readonly clock: Clock
  readonly log: Logger
  /** Looks up the names of backends by DNS. */
  readonly lookup: SystemLookup
  readonly onShared?: AppContext['onShared']
}
/** What the servers of this process have in common. */
export type SharedParts = Omit<ResourceServerOptions, 'name' | 'admission' | 'deleteOptions'> & {
  readonly storagePrefix: string
  readonly tables: CoreTables
}
export interface StartServer extends Partial<Foundations> {
  /** A tracer instead of the configured one. The caller releases it. */
  readonly tracer?: Tracer
  /** More servers of this process. Requests that the core server does not claim are offered to them. */
  readonly servers?: (shared: SharedParts) => readonly Delegate[]
}

/** @throws ConfigurationError; StorageError where the storage does not come up. */
export async function startServer(config: Config, o: StartServer = {}): Promise<PorticoServer> {
  const clock = o.clock ?? systemClock
  const log = o.log ?? createLogger({ v: config.values.v })
  log.info('starting', { version: packageVersion(), node: process.version, options: describeOptions(config) })
  for (const { name, why } of config.withoutEffect) log.warn(`--${name} has no effect here: ${why}`)
  for (const mode of config.values['authorization-mode'])
    if (NOT_YET[mode] !== undefined) log.warn(`--authorization-mode=${mode}: ${NOT_YET[mode]}`)
  const newFolder = claimNewFolder(config.values['data-dir'])
  const life = new Lifetime()
  try {
    const server = await acquire(config, { lookup, ...o, clock, log }, life)
    newFolder?.keep()
    return server
  } catch (e) {
    // Why it did not start is what counts, not what could not be released after it.
    await life[Symbol.asyncDispose]().catch((error: unknown) => log.error('not everything was released', { error }))
    newFolder?.remove()
    throw e
  }
}

function contextOf(config: Config, o: StartServer & Foundations, life: Lifetime): AppContext {
  const metrics = new MetricsRegistry()
  return {
    ...o,
    config,
    metrics,
    tracer: o.tracer ?? life.own(openTracer(config, o.log, metrics)),
    life,
    drain: new Drain(o.clock),
    health: new HealthChecks(metrics),
    hooks: new Hooks(),
    systemNamespaces: new Deferred(),
    controllers: new ControllerManager({ clock: o.clock, log: o.log, metrics, life, switches: config.controllers }),
  }
}

async function acquire(config: Config, o: StartServer & Foundations, life: Lifetime): Promise<PorticoServer> {
  const context = contextOf(config, o, life)
  const { clock, log, metrics } = context
  const dataDir = new DataDir(config.values['data-dir'])
  const credentials = life.own(openCredentials(context, dataDir))
  const storage = life.own(await openStorage(config.storage, config.values, { clock, log }))
  if (config.storage.kind === 'etcd') addEtcdChecks(context.health, storage, clock)
  const access = wireAccess(context)

  const tables = new CoreTables()
  const shared = {
    tables,
    storage,
    clock,
    log,
    metrics,
    storagePrefix: config.values['etcd-prefix'],
    minRequestTimeoutMs: config.values['min-request-timeout'] * 1000,
    trackWatch: (end: () => void) => context.drain.trackWatch(end),
    yaml: life.own(new YamlThread(clock)),
  }
  const runtime = runtimeConfig(context, tables)
  const { isOff } = runtime
  const core = life.own(
    coreServer({
      ...shared,
      eventTtlSeconds: config.values['event-ttl'] / 1000,
      isOn: runtime.isOn,
      reviews: { yaml: shared.yaml, tokens: access.tokens, authorizer: access.authorizer },
    }),
  )
  const fixed = new FixedPaths()
  const delegates: Delegate[] = [fixed]
  const chain = delegateChain(delegates)
  const client = loopbackClient(context, (ctx) => chain(ctx))
  const local: Delegate[] = [core, ...(o.servers?.(shared) ?? [])]
  const behind = wireBehind(context, { local, credentials, self: LOOPBACK })
  const replicaClient = behind.isCoreElsewhere ? loopbackClient(context, delegateChain([core])) : client
  const informers = wireInformers(context, { client, delegates, local, isFronted: behind.isFronted, isOff })
  const own = new OwnAddresses(config)
  const parts = { ...behind, client, replicaClient, informers, credentials }
  const aggregator = wireAggregator(context, { ...shared, ...parts, own })
  delegates.push(...aggregator.delegates, ...behind.others)

  const failed = new Deferred()
  const discovery = (): readonly GroupDiscovery[] => aggregator.discovery.value
  const controllers = controllerHooks(context, { ...parts, discovery, isOff })
  requireKnownControllers(context)
  registerHooks(context, delegates, controllers)
  const { version } = behind
  addFixedPaths(context, { fixed, delegates, aggregator, client, authorizer: access.authorizer, version })
  const listeners = await openListeners(context, chain, access, credentials, aggregator.rulesOf)
  own.listening(listeners.port, listeners.insecurePort)
  credentials.writeKubeconfig(listeners.port)
  const ready = context.hooks.run(life.signal, log)
  ready.catch(failed.reject)
  const announced = ready.then(() => log.info('ready', { port: listeners.port }))
  // A caller may wait for `failed` alone.
  announced.catch(() => {})
  return {
    port: listeners.port,
    insecurePort: listeners.insecurePort,
    log,
    metrics,
    ready: announced,
    failed: failed.promise,
    stop: () => stopServer(context, listeners),
  }
}

function loopbackClient({ clock, log, config }: AppContext, handler: Handler): Client {
  const timeoutMs = config.values['request-timeout']
  return new Client(inProcessTransport({ handler, user: LOOPBACK, clock, log, timeoutMs }), {
    'user-agent': USER_AGENT,
  })
}

/** @throws ConfigurationError */
function runtimeConfig({ config, log }: AppContext, tables: CoreTables): RuntimeConfig {
  const known = tables.groupVersions.map(({ group, version }) => ({ group, version, isOnByDefault: true }))
  try {
    const read = readRuntimeConfig(config.values['runtime-config'], known)
    for (const warning of read.warnings) log.warn(warning)
    if (read.isOff('', 'v1', 'namespaces')) throw new RuntimeConfigError('v1/namespaces cannot be switched off')
    return read
  } catch (e) {
    throw e instanceof RuntimeConfigError ? new ConfigurationError(`--runtime-config: ${e.message}`) : e
  }
}

/** @throws ConfigurationError */
function requireKnownControllers({ config, controllers }: AppContext): void {
  const [unknown] = config.controllers.unknown(controllers.switchable)
  if (unknown === undefined) return
  throw new ConfigurationError(
    `--controllers: ${JSON.stringify(unknown)} is no controller; known are ${controllers.switchable.join(', ')}`,
  )
}

function registerHooks(context: AppContext, delegates: readonly Delegate[], more: readonly PostStartHook[]): void {
  const graceMs = context.config.values['livez-grace-period']
  for (const delegate of delegates) {
    for (const check of delegate.healthChecks) context.health.add(check)
    for (const hook of delegate.postStartHooks) context.hooks.add(hook, context.health, context.clock, graceMs)
  }
  for (const hook of more) context.hooks.add(hook, context.health, context.clock, graceMs)
}

function openListeners(
  context: AppContext,
  last: Handler,
  access: Access,
  credentials: ReturnType<typeof openCredentials>,
  rulesOf: RulesOf,
): Promise<Listeners> {
  const { config, clock, log, metrics, tracer, drain } = context
  const chainOf = (a: Access): Handler => {
    const options: ChainOptions = {
      clock,
      log,
      metrics,
      tracer,
      drain,
      authenticator: a.authenticator,
      authorizer: a.authorizer,
      requestTimeoutMs: config.values['request-timeout'],
      hstsDirectives: config.values['strict-transport-security-directives'],
      corsAllowedOrigins: config.corsAllowedOrigins,
      goawayChance: config.goawayChance,
      rulesOf,
    }
    return buildHandlerChain(options, last)
  }
  return startListeners(context, {
    secure: chainOf(access),
    insecure: chainOf(insecureAccess(access)),
    tls: credentials.tls,
  })
}
