/** What a lone server does by itself: its namespaces, its flow control objects, its authentication facts, namespaces that go. */
import type { Client } from '../../client/client.ts'
import { type Reconciler, runController } from '../../client/controller.ts'
import { WorkQueue } from '../../client/work-queue.ts'
import { WorkQueueMetrics } from '../../client/work-queue-metrics.ts'
import { AuthenticationInfoController } from '../../controllers/authentication-info.ts'
import { NamespaceController, type NamespacedResource } from '../../controllers/namespace-controller.ts'
import { keepSystemNamespaces } from '../../controllers/system-namespaces.ts'
import type { GroupDiscovery } from '../../endpoints/discovery-types.ts'
import type { PostStartHook } from '../../servers/generic/delegate.ts'
import type { Credentials } from '../files/credentials.ts'
import type { AppContext } from './app-context.ts'
import { keepFlowControlObjects } from '../../controllers/flow-control-objects.ts'

const DELETABLE = ['list', 'delete']

export interface ControllerParts {
  /** Sees what clients see. */
  readonly client: Client
  /** Reads and writes what this process and its replicas share: Leases, system namespaces. */
  readonly replicaClient: Client
  readonly credentials: Credentials
  /** Everything that is served, backends included. */
  readonly discovery: () => readonly GroupDiscovery[]
  readonly isCoreElsewhere: boolean
}

/** A cluster that is fronted has controllers of its own: nothing is written there. */
export function controllerHooks(around: AppContext, o: ControllerParts): PostStartHook[] {
  const namespaces = systemNamespacesHook(around, o.replicaClient)
  return o.isCoreElsewhere ? [namespaces] : [namespaces, ...loneServerHooks(around, o)]
}

function loneServerHooks(around: AppContext, o: ControllerParts): PostStartHook[] {
  const { clock, log, metrics, life, config, systemNamespaces } = around
  const { client } = o
  const queues = new WorkQueueMetrics(metrics)
  const queue = (name: string): WorkQueue => new WorkQueue({ clock, metrics: queues.bind(name) })
  const run = (name: string, reconciler: Reconciler, q: WorkQueue, synced: readonly Promise<unknown>[]): void => {
    const running = runController({ name, reconciler, queue: q, log, workers: 4, synced }, life.signal)
    life.defer(() => running)
  }

  const infoQueue = queue('cluster-authentication-info')
  const { trust } = o.credentials
  const info = life.own(
    new AuthenticationInfoController({
      client,
      queue: infoQueue,
      clock,
      log,
      info: () => ({ ...trust.value, ...SENT, allowedNames: config.requestHeader.allowedNames }),
    }),
  )
  trust.subscribe(() => info.wake())
  const namespaceQueue = queue('namespace')
  const namespaces = life.own(
    new NamespaceController({
      client,
      queue: namespaceQueue,
      clock,
      log,
      resources: () => namespacedResources(o.discovery()),
    }),
  )
  return [
    {
      name: 'priority-and-fairness-config-producer',
      run: (signal) => keepFlowControlObjects({ client: o.replicaClient, clock, log }, signal),
    },
    {
      name: 'start-cluster-authentication-info-controller',
      run: async () => {
        info.start()
        run('cluster-authentication-info', info, infoQueue, [info.synced, systemNamespaces.promise])
      },
    },
    {
      name: 'start-namespace-controller',
      run: async () => {
        namespaces.start()
        run('namespace', namespaces, namespaceQueue, [namespaces.synced])
      },
    },
  ]
}

function systemNamespacesHook({ clock, log, systemNamespaces }: AppContext, client: Client): PostStartHook {
  return {
    name: 'start-system-namespaces-controller',
    run: (signal) => keepSystemNamespaces({ client, clock, log }, signal).then(systemNamespaces.resolve),
  }
}

/** The headers we send, whatever we accept ourselves. */
const SENT = {
  usernameHeaders: ['X-Remote-User'],
  uidHeaders: ['X-Remote-Uid'],
  groupHeaders: ['X-Remote-Group'],
  extraHeaderPrefixes: ['X-Remote-Extra-'],
}

/** A resource served in several versions is emptied through the best one. */
function namespacedResources(groups: readonly GroupDiscovery[]): { known: NamespacedResource[]; failed: string[] } {
  const known = new Map<string, NamespacedResource>()
  const failed: string[] = []
  for (const { group, versions } of groups) {
    for (const { version, resources, freshness } of versions) {
      if (freshness === 'Stale') failed.push(`${group}/${version}`)
      for (const r of resources) {
        const key = `${group}/${r.resource}`
        if (r.scope === 'Namespaced' && DELETABLE.every((v) => r.verbs.includes(v)) && !known.has(key))
          known.set(key, { group, version, resource: r.resource })
      }
    }
  }
  return { known: [...known.values()], failed }
}
