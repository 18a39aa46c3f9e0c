import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../lib/fake-clock.ts'
import { noopLogger } from '../observability/logger.ts'
import { compactPeriodically } from './periodic-compaction.ts'

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('compactPeriodically: compacts to what was current one interval before, and goes on after a failure', async () => {
  const clock = new FakeClock()
  const compacted: number[] = []
  let current = 10
  const stop = compactPeriodically(
    {
      currentRevision: async () => current,
      compact: async (upTo) => {
        compacted.push(upTo)
        if (upTo === 20) throw new Error('not now')
      },
    },
    { clock, intervalMs: 1000, log: noopLogger },
  )
  for (current of [10, 20, 30, 40]) {
    clock.advance(1000)
    await settle()
  }
  assert.deepEqual(compacted, [10, 20, 20])
  stop()
  assert.equal(clock.pending, 0)
})
