/** Whose word counts about a backend: what this process found, else the newest that is stored. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { APIService } from '../../../api/apiservice.ts'
import type { Target } from '../../../proxy/reach/target.ts'
import { PASSED, probeFailed } from './availability-check.ts'
import { AvailabilityView } from './availability-view.ts'

const apiService = (uid: string, available?: 'True' | 'False'): APIService => ({
  metadata: { name: 'v1.g', uid },
  spec: { group: 'g', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 },
  ...(available && { status: { conditions: [{ type: 'Available', status: available, reason: 'r', message: 'm' }] } }),
})
const held = apiService('1')
const rows: readonly {
  name: string
  stored?: APIService
  own?: boolean
  asked?: APIService
  want: boolean | undefined
}[] = [
  { name: 'nothing is known', want: undefined },
  {
    name: 'the stored condition, newer than the object that is asked about',
    stored: apiService('1', 'True'),
    want: true,
  },
  { name: 'a stored one that was made anew says nothing', stored: apiService('2', 'True'), want: undefined },
  { name: 'its own condition where none is stored', asked: apiService('1', 'False'), want: false },
  { name: 'what was found here', stored: apiService('1', 'True'), own: false, want: false },
  { name: 'what was found about one that is gone says nothing', own: true, asked: apiService('3'), want: undefined },
]
for (const { name, stored, own, asked = held, want } of rows) {
  test(`availability: ${name}: ${want}`, () => {
    const view = new AvailabilityView(() => stored)
    if (own !== undefined) view.set(held, own ? PASSED : probeFailed('down'), undefined)
    assert.equal(view.isKnownAvailable(asked), want)
  })
}

test('availability: what is found about a server that routes lead to is about that one alone', () => {
  const view = new AvailabilityView()
  const [one, two] = [{} as Target, {} as Target]
  view.setProblem(one, 'it is down')
  assert.deepEqual([view.problemOf(one), view.problemOf(two)], ['it is down', undefined])
  view.setProblem(one, undefined)
  assert.equal(view.problemOf(one), undefined)
})
