import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResourceDiscovery } from '../../endpoints/discovery-types.ts'
import { conditionOf, harmlessPath } from './identity-controller.ts'

const answers: readonly [
  anonymous: number | string,
  forged: number | string,
  status: string | undefined,
  reason?: string,
][] = [
  [401, 200, 'True', 'ForgedIdentityAccepted'],
  [403, 200, 'True', 'ForgedIdentityAccepted'],
  ['ECONNRESET', 200, 'True', 'ForgedIdentityAccepted'],
  [401, 401, 'False', 'ForgedIdentityRefused'],
  [401, 403, 'False', 'ForgedIdentityRefused'],
  [404, 404, 'False', 'ForgedIdentityRefused'],
  [200, 200, 'False', 'AnonymousServed'],
  [200, 401, 'False', 'AnonymousServed'],
  [401, 'timed out', undefined],
  ['ECONNRESET', 'ECONNRESET', undefined],
]
for (const [anonymous, forged, status, reason] of answers) {
  test(`identity: ${anonymous} to nobody and ${forged} to forged headers: ${status ?? 'proves nothing'}`, () => {
    const condition = conditionOf({ anonymous, forged })
    assert.deepEqual([condition?.status, condition?.reason], [status, reason])
  })
}

test('identity: what is asked for only reads', () => {
  const resource = (name: string, verbs: string[]): ResourceDiscovery => ({
    resource: name,
    responseKind: { group: 'g', version: 'v1', kind: 'K' },
    scope: 'Namespaced',
    singularResource: '',
    verbs,
  })
  const spec = { group: 'g', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 }
  const apiService = { metadata: { name: 'v1.g' }, spec }
  const all = [resource('reviews', ['create']), resource('../x', ['get', 'list'])]
  assert.equal(harmlessPath(apiService, all), '/apis/g/v1/..%2Fx?limit=1')
  assert.equal(harmlessPath(apiService, all.slice(0, 1)), '/apis/g/v1')
  assert.equal(harmlessPath({ ...apiService, spec: { ...spec, group: '' } }, []), '/api/v1')
})
