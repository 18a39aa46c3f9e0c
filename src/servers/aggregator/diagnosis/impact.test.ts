import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { APIService } from '../../../api/apiservice.ts'
import { ObjectStore } from '../../../client/object-store.ts'
import { AvailabilityView } from '../registrations/availability-view.ts'
import { type NamespaceStatus, impactOf } from './impact.ts'

const GROUP = 'metrics.example.com'
const apiService: APIService = {
  metadata: { name: `v1.${GROUP}`, uid: 'u' },
  spec: { group: GROUP, version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 },
}

const messages: readonly { message: string; blocked: boolean }[] = [
  { message: `Discovery failed for some groups, 1 failing: ${GROUP}/v1`, blocked: true },
  {
    message: `Discovery failed for some groups, 2 failing: unable to retrieve the complete list of server APIs: a/v1: x, ${GROUP}/v1: stale GroupVersion discovery: ${GROUP}/v1`,
    blocked: true,
  },
  { message: `Failed to delete all resource types, 1 remaining: pods.${GROUP}: service unavailable`, blocked: true },
  { message: `Discovery failed for some groups, 1 failing: ${GROUP}/v1beta1`, blocked: false },
  { message: `Discovery failed for some groups, 1 failing: custom.${GROUP}/v1`, blocked: false },
  { message: `Failed to delete all resource types, 1 remaining: pods.metrics-example.com: x`, blocked: false },
  { message: 'All resources successfully discovered', blocked: false },
]
for (const { message, blocked } of messages) {
  test(`impact: ${message} ${blocked ? 'is' : 'is not'} its fault`, () => {
    const namespaces = new ObjectStore<NamespaceStatus>()
    const conditions = [{ type: 'NamespaceDeletionContentFailure', status: 'True', reason: 'r', message }]
    const deletionTimestamp = '2026-01-01T00:00:00Z'
    namespaces.set({ metadata: { name: 'going', deletionTimestamp }, status: { conditions } })
    namespaces.set({ metadata: { name: 'staying' }, status: { conditions } })
    const well = conditions.map((c) => ({ ...c, status: 'False' }))
    namespaces.set({ metadata: { name: 'fine', deletionTimestamp }, status: { conditions: well } })
    const apiServices = new ObjectStore<APIService>()
    apiServices.set(apiService)
    const view = new AvailabilityView()
    view.set(apiService, { status: 'False', reason: 'FailedDiscoveryCheck', message: 'm' }, 'tls')
    const impact = impactOf(apiService.metadata.name!, {
      apiServices,
      namespaces,
      view,
      discovery: { state: () => ({ goodAtMs: 1000, isCurrent: false, resources: [] }) },
      onUnavailable: () => 'ServeStale',
      now: () => 61_000,
    })
    const { blockedNamespaces, ...rest } = impact!
    assert.deepEqual(rest, {
      apiService: 'v1.metrics.example.com',
      available: 'False',
      reason: 'FailedDiscoveryCheck',
      message: 'm',
      failingPhase: 'tls',
      discovery: {
        onUnavailable: 'ServeStale',
        isCurrent: false,
        lastGoodTime: '1970-01-01T00:00:01Z',
        lastGoodAgeSeconds: 60,
      },
    })
    const expected = [{ name: 'going', deletionTimestamp, reasons: [{ reason: 'r', message }] }]
    assert.deepEqual(blockedNamespaces, blocked ? expected : [])
  })
}
