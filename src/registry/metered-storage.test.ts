import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../lib/fake-clock.ts'
import { noopMetrics } from '../observability/metrics.ts'
import { MemoryStorage } from '../storage/memory/memory-storage.ts'
import type { Storage } from '../storage/storage.ts'
import { meteredStorage, StorageMetrics } from './metered-storage.ts'

test('a metered storage proves freshness as soon as the storage itself does', async () => {
  const clock = new FakeClock()
  await using memory = new MemoryStorage({ clock })
  let freshness: Storage['freshness'] = 'unproven'
  const inner = Object.defineProperty(Object.create(memory) as Storage, 'freshness', { get: () => freshness })
  const metered = meteredStorage(inner, new StorageMetrics(noopMetrics).bind('', 'things'), clock)
  assert.equal(metered.freshness, 'unproven')
  freshness = 'progress'
  assert.equal(metered.freshness, 'progress')
})
