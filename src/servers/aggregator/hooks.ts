/** The order in which the aggregator's controllers come up, as post-start hooks. */
import { type Reconciler, runController } from '../../client/controller.ts'
import type { WorkQueue } from '../../client/work-queue.ts'
import type { AggregatorDelegate } from './discovery/aggregator.ts'
import type { AutoRegistration } from './registrations/auto-registration.ts'
import type { AvailabilityController } from './availability/availability-controller.ts'
import type { ConditionWriter } from './registrations/condition-writer.ts'
import type { DiscoveryManager } from './discovery/discovery-manager.ts'
import type { IdentityController } from './diagnosis/identity-controller.ts'
import type { OpenApiDownloads } from './openapi/openapi-downloads.ts'
import type { PolicyStatusController } from './kinds/policy-status-controller.ts'
import type { RegistrationController } from './registrations/registration-controller.ts'
import type { RoutedBackendController } from './availability/routed-backend-controller.ts'
import type { PostStartHook } from '../generic/delegate.ts'
import type { ServerContext } from '../generic/server-context.ts'
import type { AggregatorInformers } from './inputs.ts'

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
export function aggregatorHooks(
  { life, log }: ServerContext,
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
