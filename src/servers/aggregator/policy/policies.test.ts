/** Thousands of policies: a change costs what it concerns, not all there are. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendPolicy, BackendPolicySpec, PolicyTarget } from '../../../api/backend-policy.ts'
import type { KubeObject } from '../../../api/meta.ts'
import type { Informer, EventHandler } from '../../../client/informer.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { policiesFor } from './effective-policy.ts'
import { Policies } from './policies.ts'
import { PolicyIndex } from './policy-index.ts'
import { PolicyStatusController } from '../kinds/policy-status-controller.ts'

/** Objects as an informer shows them. */
class Objects<T extends KubeObject> {
  readonly #objects = new Map<string, T>()
  readonly #handlers: Partial<EventHandler<T>>[] = []
  readonly informer = {
    lister: { get: (name: string) => this.#objects.get(name), list: () => [...this.#objects.values()] },
    addHandler: (handler: Partial<EventHandler<T>>) => this.#handlers.push(handler),
  } as unknown as Informer<T>

  put(object: T): void {
    const before = this.#objects.get(object.metadata.name!)
    this.#objects.set(object.metadata.name!, object)
    for (const h of this.#handlers) {
      if (before) h.updated?.(before, object)
      else h.added?.(object)
    }
  }
  delete(name: string): void {
    const object = this.#objects.get(name)!
    this.#objects.delete(name)
    for (const h of this.#handlers) h.deleted?.(object)
  }
}
const apiService = (group: string, labels: Record<string, string> = {}): APIService => ({
  metadata: { name: `v1.${group}`, labels },
  spec: { group, version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 },
})
const policy = (
  name: string,
  targets: PolicyTarget[],
  more: Omit<BackendPolicySpec, 'targets'> = {},
): BackendPolicy => ({
  metadata: { name },
  spec: { targets, bulkhead: { maxInFlight: 1 }, ...more },
})
const named = (...groups: string[]): PolicyTarget[] => groups.map((g) => ({ apiService: `v1.${g}` }))

test('the index finds the policies that asking each of them finds, in the same order', () => {
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  const target = (): PolicyTarget =>
    [
      { apiService: `v1.g${random(20)}` },
      { group: `g${random(20)}` },
      { selector: { matchLabels: { l: String(random(3)) } } },
      { apiService: '', group: '', selector: { matchLabels: { l: String(random(3)) } } },
    ][random(4)]!
  const policies = Array.from({ length: 200 }, (_, i) =>
    policy(`p${i}`, Array.from({ length: random(4) }, target), { priority: random(3) }),
  )
  const index = new PolicyIndex(policies)
  let found = 0
  for (let i = 0; i < 25; i++) {
    const a = apiService(`g${i}`, { l: String(i % 5) })
    const names = index.for(a).map((p) => p.metadata.name)
    assert.deepEqual(
      names,
      policiesFor(a, policies).map((p) => p.metadata.name),
    )
    found += names.length
  }
  assert.ok(found > 500, `${found}`)
})

test('settings stay what they are while no policy that speaks of the APIService changes', () => {
  const stored = new Objects<BackendPolicy>()
  const policies = new Policies(stored.informer)
  const [a, b] = [apiService('a'), apiService('b')]
  stored.put(policy('for-a', named('a'), { bulkhead: { maxInFlight: 5 } }))
  const before = policies.for(a)
  assert.equal(before.policy.bulkhead.maxInFlight, 5)
  stored.put(policy('for-b', named('b')))
  assert.equal(policies.for(a), before)
  assert.equal(policies.for(b).policy.bulkhead.maxInFlight, 1)
  stored.put(policy('for-both', named('a', 'b'), { priority: 1, bulkhead: { maxInFlight: 9 } }))
  assert.deepEqual(
    [a, b].map((x) => policies.for(x).policy.bulkhead.maxInFlight),
    [9, 9],
  )
  stored.delete('for-both')
  stored.put(policy('for-a', named('a'), { bulkhead: { maxInFlight: 6 } }))
  assert.equal(policies.for(a).policy.bulkhead.maxInFlight, 6)
})

test('a change is looked at in the policies that it concerns, and in no others', async () => {
  const stored = new Objects<BackendPolicy>()
  const registered = new Objects<APIService>()
  const policies = new Policies(stored.informer)
  const queued = new Set<string>()
  const controller = new PolicyStatusController({
    informer: stored.informer,
    apiServices: registered.informer,
    policies,
    client: {} as never,
    queue: { add: (name: string) => queued.add(name) } as unknown as WorkQueue,
    clock: new FakeClock(),
  })
  /** @returns the policies to look at, once it was looked whom changes of policies concern. */
  const concerned = async (change: () => void): Promise<string[]> => {
    queued.clear()
    change()
    if (queued.delete('')) await controller.reconcile('', new AbortController().signal)
    return [...queued].toSorted()
  }
  for (let i = 0; i < 10; i++) {
    stored.put(policy(`p${i}`, named(`g${i}`)))
    if (i !== 3) registered.put(apiService(`g${i}`))
  }
  stored.put(policy('wide', [{ group: 'g0' }, { group: 'g1' }]))
  await concerned(() => stored.put(policy('none', [])))

  const invalid = policy('wrong', named('g0'), { bulkhead: { maxInFlight: -1 } })
  const rows: readonly [what: string, change: () => void, looked: string[]][] = [
    ['an APIService comes', () => registered.put(apiService('g3')), ['p3']],
    ['nothing of it that counts changes', () => registered.put(apiService('g3')), []],
    ['one gets a label', () => registered.put(apiService('g0', { a: 'b' })), ['p0', 'wide']],
    ['one goes', () => registered.delete('v1.g4'), ['p4']],
    ['a policy changes', () => stored.put(policy('p5', named('g5'), { priority: 2 })), ['p5']],
    ['a policy does not change', () => stored.put(policy('p5', named('g5'), { priority: 2 })), []],
    ['a policy is for others', () => stored.put(policy('wide', named('g1', 'g2'))), ['p0', 'p1', 'p2', 'wide']],
    ['a policy goes', () => stored.delete('wide'), ['p1', 'p2', 'wide']],
    ['a policy comes that is not valid', () => stored.put(invalid), ['wrong']],
  ]
  for (const [what, change, looked] of rows) assert.deepEqual(await concerned(change), looked, what)
})

test('a stored policy whose selector is none is told so, and is for nobody', async () => {
  const stored = new Objects<BackendPolicy>()
  const registered = new Objects<APIService>()
  const policies = new Policies(stored.informer)
  const written: BackendPolicy[] = []
  const controller = new PolicyStatusController({
    informer: stored.informer,
    apiServices: registered.informer,
    policies,
    client: { update: async (object: BackendPolicy) => written.push(object) } as never,
    queue: { add() {} } as unknown as WorkQueue,
    clock: new FakeClock(),
  })
  registered.put(apiService('a'))
  const matchExpressions = [{ key: 'a', operator: 'Near' }]
  const wrong = policy('wrong', [{ selector: { matchExpressions } }] as PolicyTarget[])
  stored.put({ ...wrong, metadata: { name: 'wrong', resourceVersion: '1' } })
  await controller.reconcile('wrong', new AbortController().signal)
  assert.partialDeepStrictEqual(written[0]?.status, {
    conditions: [{ type: 'Accepted', status: 'False', reason: 'Invalid' }],
  })
  assert.deepEqual(written[0]?.status?.targets, [])
})
