import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendPolicy, BackendPolicySpec } from '../../../api/backend-policy.ts'
import { effectivePolicy } from './effective-policy.ts'

const apiService: APIService = {
  metadata: { name: 'v1.a.example.com', labels: { team: 'green' } },
  spec: { group: 'a.example.com', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 },
}
const policy = (name: string, spec: BackendPolicySpec): BackendPolicy => ({ metadata: { name }, spec })
const limit = (name: string, targets: BackendPolicySpec['targets'], maxInFlight: number, priority = 0): BackendPolicy =>
  policy(name, { targets: targets!, priority, bulkhead: { maxInFlight } })
const byName = [{ apiService: 'v1.a.example.com' }]
const byGroup = [{ group: 'a.example.com' }]
const byLabel = [{ selector: { matchLabels: { team: 'green' } } }]

const rows: readonly { name: string; policies: BackendPolicy[]; maxInFlight: number }[] = [
  { name: 'none: the default', policies: [], maxInFlight: 600 },
  {
    name: 'of another APIService',
    policies: [limit('p', [{ apiService: 'v2.a.example.com' }], 1)],
    maxInFlight: 600,
  },
  { name: 'of another group', policies: [limit('p', [{ group: 'b.example.com' }], 1)], maxInFlight: 600 },
  {
    name: 'of other labels',
    policies: [limit('p', [{ selector: { matchLabels: { team: 'red' } } }], 1)],
    maxInFlight: 600,
  },
  { name: 'by label', policies: [limit('p', byLabel, 1)], maxInFlight: 1 },
  {
    name: 'a group is narrower than labels',
    policies: [limit('a', byLabel, 1), limit('b', byGroup, 2)],
    maxInFlight: 2,
  },
  {
    name: 'a name is narrower than a group',
    policies: [limit('a', byGroup, 1), limit('b', byName, 2)],
    maxInFlight: 2,
  },
  { name: 'priority beats all', policies: [limit('a', byName, 1), limit('b', byLabel, 2, 5)], maxInFlight: 2 },
  { name: 'the name decides between equals', policies: [limit('b', byName, 1), limit('a', byName, 2)], maxInFlight: 2 },
]
for (const { name, policies, maxInFlight } of rows) {
  test(`effectivePolicy: ${name}`, () => {
    assert.equal(effectivePolicy(apiService, policies).policy.bulkhead.maxInFlight, maxInFlight)
  })
}

test('effectivePolicy: sections are taken whole, each from the first policy that has it', () => {
  const { policy: effective, sections } = effectivePolicy(apiService, [
    policy('low', { targets: byGroup, retries: { attempts: 5, budgetPercent: 50 }, probe: { interval: '1m' } }),
    policy('high', { targets: byName, retries: { attempts: 1 }, onUnavailable: 'Omit' }),
  ])
  assert.deepEqual(effective.retries, { attempts: 1, budgetPercent: 20, maxBodyBytes: 262_144 })
  assert.deepEqual([effective.probe.intervalMs, effective.onUnavailable], [60_000, 'Omit'])
  assert.deepEqual(
    [...sections],
    [
      ['high', ['retries', 'onUnavailable']],
      ['low', ['probe']],
    ],
  )
})

test('effectivePolicy: backends and routes come from one policy', () => {
  const routes = [{ to: [{ backend: 'next' }] }]
  const { policy: effective } = effectivePolicy(apiService, [
    policy('a', { targets: byName, backends: [{ name: 'next', url: 'https://next' }], routes }),
    policy('b', { targets: byName, backends: [{ name: 'default', url: 'https://other' }] }),
  ])
  assert.deepEqual([...effective.backends.keys()], ['next'])
  assert.equal(effective.routing.fallback, 'apiservice')
})
