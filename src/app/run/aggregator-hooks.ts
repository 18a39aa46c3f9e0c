/** The order in which the aggregator's controllers come up, as post-start hooks. */
import type { APIService } from '../../api/apiservice.ts'
import type { BackendPolicy } from '../../api/backend-policy.ts'
import { type Reconciler, runController } from '../../client/controller.ts'
import type { Informer } from '../../client/informer.ts'
import type { WorkQueue } from '../../client/work-queue.ts'
import type { AggregatorDelegate } from '../../servers/aggregator/discovery/aggregator.ts'
import type { AutoRegistration } from '../../servers/aggregator/registrations/auto-registration.ts'
import type { AvailabilityController } from '../../servers/aggregator/availability/availability-controller.ts'
import type { ConditionWriter } from '../../servers/aggregator/registrations/condition-writer.ts'
import type { DiscoveryManager } from '../../servers/aggregator/discovery/discovery-manager.ts'
import type { IdentityController } from '../../servers/aggregator/diagnosis/identity-controller.ts'
import type { NamespaceStatus } from '../../servers/aggregator/diagnosis/impact.ts'
import type { OpenApiDownloads } from '../../servers/aggregator/openapi/openapi-downloads.ts'
import type { PolicyStatusController } from '../../servers/aggregator/kinds/policy-status-controller.ts'
import type { RegistrationController } from '../../servers/aggregator/registrations/registration-controller.ts'
import type { RoutedBackendController } from '../../servers/aggregator/availability/routed-backend-controller.ts'
import type { EndpointSlice, Service } from '../../servers/aggregator/reach/service-resolver.ts'
import type { PostStartHook } from '../../servers/generic/delegate.ts'
import type { AppContext } from './app-context.ts'

export interface RunnableController<R extends Reconciler> {
  readonly name: string
  readonly workers: number
  readonly queue: WorkQueue
  readonly reconciler: R
}
export interface AggregatorControllers {
  readonly registration: RunnableController<RegistrationController>
  readonly availability: RunnableController<AvailabilityController>
  readonly routed: RunnableController<RoutedBackendController>
  readonly conditions: RunnableController<ConditionWriter>
  readonly identity: RunnableController<IdentityController>
  readonly discovery: RunnableController<DiscoveryManager>
  readonly openApiV3: RunnableController<OpenApiDownloads>
  readonly openApiV2: RunnableController<OpenApiDownloads>
  readonly auto: RunnableController<AutoRegistration>
  readonly policyStatus: RunnableController<PolicyStatusController>
}
export interface AggregatorInformers {
  readonly apiServices: Informer<APIService>
  readonly services: Informer<Service>
  readonly slices: Informer<EndpointSlice>
  readonly policies: Informer<BackendPolicy>
  readonly namespaces: Informer<NamespaceStatus>
}

export function aggregatorHooks(
  { life, log }: AppContext,
  o: { informers: AggregatorInformers; controllers: AggregatorControllers; delegate: AggregatorDelegate },
): PostStartHook[] {
  const { informers, controllers, delegate } = o
  const { registration, availability, conditions, identity, discovery, auto, policyStatus } = controllers
  const registered = registration.reconciler.initiated.promise
  const cachesSynced = Object.values(informers).map((i) => i.synced)
  const run = (c: RunnableController<Reconciler>, synced: readonly Promise<unknown>[]): void => {
    const running = runController({ ...c, log, synced }, life.signal)
    life.defer(() => running)
  }
  const hook = (name: string, start: () => void | Promise<void>): PostStartHook => ({ name, run: async () => start() })
  return [
    hook('start-kube-aggregator-informers', async () => {
      for (const informer of Object.values(informers)) informer.start()
      await Promise.all(cachesSynced)
    }),
    hook('apiservice-registration-controller', async () => {
      run(registration, [informers.apiServices.synced, informers.policies.synced])
      await registered
      delegate.installed.publish(true)
    }),
    hook('apiservice-status-remote-available-controller', () => {
      run(availability, [...cachesSynced, registered])
      run(controllers.routed, [...cachesSynced, registered])
      run(conditions, [informers.apiServices.synced])
      run(identity, [registered])
    }),
    hook('apiservice-discovery-controller', async () => {
      await registered
      await discovery.reconciler.begin()
      run(discovery, [])
      await discovery.reconciler.initiated.promise
    }),
    hook('apiservice-openapi-controller', () => run(controllers.openApiV2, [registered])),
    hook('apiservice-openapiv3-controller', () => run(controllers.openApiV3, [registered])),
    hook('backendpolicy-status-controller', () => run(policyStatus, cachesSynced)),
    hook('kube-apiserver-autoregistration', () => run(auto, [informers.apiServices.synced])),
  ]
}
