/** Controllers of a server that fronts no other: system namespaces, flow control objects, authentication facts, namespaces that go. */
import type { Client } from '../../client/client.ts'
import type { Informers } from '../../client/informers.ts'
import { AuthenticationInfoController, authenticationInfoInformer } from '../../controllers/authentication-info.ts'
import { type Namespace, NamespaceController, type NamespacedResource } from '../../controllers/namespace-controller.ts'
import { keepSystemNamespaces } from '../../controllers/system-namespaces.ts'
import type { GroupDiscovery } from '../../endpoints/discovery-types.ts'
import type { PostStartHook } from '../../servers/generic/delegate.ts'
import type { Credentials } from '../files/credentials.ts'
import type { AppContext } from './app-context.ts'
import { keepFlowControlObjects } from '../../controllers/flow-control-objects.ts'

const AUTHENTICATION_INFO = 'cluster-authentication-info'
const NAMESPACES = 'namespace'
const WORKERS = 4
const DELETABLE = ['list', 'delete']

export interface ControllerParts {
  /** Sees what clients see. */
  readonly client: Client
  /** Reads and writes what this process and its replicas share: Leases, system namespaces. */
  readonly replicaClient: Client
  readonly informers: Informers
  readonly credentials: Credentials
  /** Everything that is served, backends included. */
  readonly discovery: () => readonly GroupDiscovery[]
  readonly isCoreElsewhere: boolean
  /** A resource of the core server that `--runtime-config` has switched off. */
  readonly isOff: (group: string, version: string, resource: string) => boolean
}

/** A cluster that is fronted has controllers of its own: nothing is written there. */
export function controllerHooks(context: AppContext, o: ControllerParts): PostStartHook[] {
  const namespaces = systemNamespacesHook(context, o.replicaClient)
  if (!o.isCoreElsewhere) return [namespaces, ...loneServerHooks(context, o)]
  context.controllers.reserve(AUTHENTICATION_INFO, NAMESPACES)
  return [namespaces]
}

function loneServerHooks(context: AppContext, o: ControllerParts): PostStartHook[] {
  const { clock, log, config, systemNamespaces, controllers } = context
  const { client, informers } = o
  const { trust } = o.credentials
  const known = authenticationInfoInformer(informers)
  const info = controllers.add({
    name: AUTHENTICATION_INFO,
    workers: 1,
    needs: [known],
    after: [systemNamespaces.promise],
    make: (queue) =>
      new AuthenticationInfoController({
        client,
        informer: known,
        queue,
        clock,
        info: () => ({ ...trust.value, ...SENT, allowedNames: config.requestHeader.allowedNames }),
      }),
  })
  trust.subscribe(() => info.reconciler.wake())
  const informer = informers.of<Namespace>({ group: '', version: 'v1', resource: 'namespaces' })
  const namespaces = controllers.add({
    name: NAMESPACES,
    workers: WORKERS,
    needs: [informer],
    make: (queue) =>
      new NamespaceController({ client, informer, queue, clock, resources: () => namespacedResources(o.discovery()) }),
  })
  const hook = (name: string, start: () => void): PostStartHook => ({ name, run: async () => start() })
  const flowControl: PostStartHook = {
    name: 'priority-and-fairness-config-producer',
    run: (signal) => keepFlowControlObjects({ client: o.replicaClient, clock, log }, signal),
  }
  return [
    ...(o.isOff('flowcontrol.apiserver.k8s.io', 'v1', 'flowschemas') ? [] : [flowControl]),
    hook('start-cluster-authentication-info-controller', () => controllers.start(info)),
    hook('start-namespace-controller', () => controllers.start(namespaces)),
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
