/** The order in which the aggregator's controllers come up, as post-start hooks. */
import type { Controller, Elect } from '../../client/controller-manager.ts'
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

/** The Lease of the replica that probes identities and writes conditions. */
export const CONDITIONS_LEASE = 'portico-apiservice-conditions'

export interface AggregatorControllers {
  readonly registration: Controller<RegistrationController>
  readonly availability: Controller<AvailabilityController>
  readonly routed: Controller<RoutedBackendController>
  readonly conditions: Controller<ConditionWriter>
  readonly identity: Controller<IdentityController>
  readonly discovery: Controller<DiscoveryManager>
  readonly openApiV3: Controller<OpenApiDownloads>
  readonly openApiV2: Controller<OpenApiDownloads>
  readonly auto: Controller<AutoRegistration>
  readonly policyStatus: Controller<PolicyStatusController>
}
export interface HookParts {
  readonly informers: AggregatorInformers
  readonly controllers: AggregatorControllers
  readonly delegate: AggregatorDelegate
  readonly elect: Elect
}

export function aggregatorHooks({ controllers: manager }: ServerContext, o: HookParts): PostStartHook[] {
  const { informers, controllers, delegate } = o
  const { registration, discovery } = controllers
  const registered = registration.reconciler.initiated.promise
  const hook = (name: string, start: () => void | Promise<void>): PostStartHook => ({ name, run: async () => start() })
  return [
    hook('start-kube-aggregator-informers', async () => {
      for (const informer of Object.values(informers)) informer.start()
      await Promise.all(Object.values(informers).map((i) => i.synced))
    }),
    hook('apiservice-registration-controller', async () => {
      manager.start(registration)
      await registered
      delegate.installed.publish(true)
    }),
    hook('apiservice-status-remote-available-controller', () =>
      manager.start(controllers.availability, controllers.routed),
    ),
    hook('apiservice-discovery-controller', async () => {
      await registered
      await discovery.reconciler.begin()
      manager.start(discovery)
      await discovery.reconciler.initiated.promise
    }),
    hook('apiservice-openapi-controller', () => manager.start(controllers.openApiV2)),
    hook('apiservice-openapiv3-controller', () => manager.start(controllers.openApiV3)),
    hook('backendpolicy-status-controller', () => manager.start(controllers.policyStatus)),
    hook('kube-apiserver-autoregistration', () => manager.start(controllers.auto)),
    hook(`leader-election-${CONDITIONS_LEASE}`, () => manager.startLed(CONDITIONS_LEASE, o.elect)),
  ]
}
