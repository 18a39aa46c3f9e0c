import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StatusError } from '../api/status-error.ts'
import { untilAborted } from '../lib/deferred.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { noopLogger } from '../observability/logger.ts'
import { type Lease, leadWithLease } from './leader-election.ts'

/** One Lease with optimistic locking. */
class Leases {
  lease: Lease | undefined
  down = new Set<string>()
  #revision = 0
  for(identity: string) {
    const reach = (): void => {
      if (this.down.has(identity)) throw new Error('unreachable')
    }
    return {
      get: async () => {
        reach()
        if (!this.lease) throw new StatusError(404, 'NotFound', 'no lease')
        return structuredClone(this.lease)
      },
      create: async (lease: Lease) => {
        reach()
        if (this.lease) throw new StatusError(409, 'AlreadyExists', 'there is one')
        return this.#store(lease)
      },
      update: async (lease: Lease) => {
        reach()
        if (lease.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) {
          throw new StatusError(409, 'Conflict', 'changed')
        }
        return this.#store(lease)
      },
    }
  }
  #store(lease: Lease): Lease {
    const metadata = { ...lease.metadata, resourceVersion: String(++this.#revision) }
    this.lease = structuredClone({ ...lease, metadata })
    return structuredClone(this.lease)
  }
}

function setUp() {
  const clock = new FakeClock()
  const leases = new Leases()
  const leading = new Set<string>()
  const start = (identity: string) => {
    const stop = new AbortController()
    const o = { leases: leases.for(identity), namespace: 'ns', name: 'job', identity, clock, log: noopLogger }
    const lead = async (signal: AbortSignal): Promise<void> => {
      leading.add(identity)
      assert.equal(leading.size, 1, 'two lead at once')
      await untilAborted(signal)
      leading.delete(identity)
    }
    return { stop, ended: leadWithLease(o, lead, stop.signal) }
  }
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500)
      await nextTurn()
    }
  }
  return { leases, leading, start, pass }
}

test('leader election: one leads and renews, the other waits', async () => {
  const t = setUp()
  const [a, b] = [t.start('a'), t.start('b')]
  await t.pass(60_000)
  assert.equal(t.leading.size, 1)
  assert.equal(t.leases.lease?.spec?.leaseTransitions, 0)
  a.stop.abort()
  b.stop.abort()
  await t.pass(5000)
  await Promise.all([a.ended, b.ended])
  assert.equal(t.leading.size, 0)
})
test('leader election: a leader that stops gives the lease back, the next one takes it soon', async () => {
  const t = setUp()
  const a = t.start('a')
  await t.pass(1000)
  const b = t.start('b')
  await t.pass(1000)
  assert.deepEqual([...t.leading], ['a'])
  a.stop.abort()
  await a.ended
  await t.pass(4000)
  assert.deepEqual([...t.leading], ['b'])
  b.stop.abort()
  await b.ended
})
test('leader election: a leader that is cut off stops before another one takes over', async () => {
  const t = setUp()
  const a = t.start('a')
  await t.pass(1000)
  const b = t.start('b')
  await t.pass(3000)
  t.leases.down.add('a')
  await t.pass(12_500)
  assert.deepEqual([...t.leading], [], 'after the renew deadline, before the lease expires')
  await t.pass(8000)
  assert.deepEqual([...t.leading], ['b'])
  assert.equal(t.leases.lease?.spec?.leaseTransitions, 1)
  t.leases.down.delete('a')
  await t.pass(30_000)
  assert.deepEqual([...t.leading], ['b'])
  a.stop.abort()
  b.stop.abort()
  await Promise.all([a.ended, b.ended])
})
