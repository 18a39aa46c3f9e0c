import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ResourceDiscovery } from '../../../endpoints/discovery-types.ts'
import type { WantedCondition } from '../registrations/condition-writer.ts'
import { conditionOf, harmlessPath, worstOf } from './identity-controller.ts'

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
  [400, 400, 'False', 'ForgedIdentityRefused'],
  [404, 404, undefined],
  [401, 500, undefined],
  [200, 200, 'False', 'AnonymousServed'],
  [200, 401, 'False', 'AnonymousServed'],
  [401, 'timed out', undefined],
  ['ECONNRESET', 'ECONNRESET', undefined],
]
for (const [anonymous, forged, status, reason] of answers) {
  test(`identity: ${anonymous} to nobody and ${forged} to forged headers: ${status ?? 'proves nothing'}`, () => {
    const condition = conditionOf({ anonymous, forged }, 'https://b')
    assert.deepEqual([condition?.status, condition?.reason], [status, reason])
    assert.ok(condition === undefined || condition.message?.startsWith('https://b '), condition?.message)
  })
}

const verdict = (status: 'True' | 'False'): WantedCondition => ({ type: 'T', status, reason: 'R', message: status })
const verdicts: readonly [found: readonly (WantedCondition | undefined)[], worst: string | undefined][] = [
  [[verdict('False'), verdict('False')], 'False'],
  [[verdict('False'), verdict('True'), undefined], 'True'],
  [[verdict('False'), undefined], undefined],
  [[], undefined],
]
for (const [found, worst] of verdicts) {
  test(`identity: servers with ${found.map((c) => c?.status).join(', ')}: ${worst}`, () => {
    assert.equal(worstOf(found)?.status, worst)
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
