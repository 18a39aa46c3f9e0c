import { FakeClock } from '../../src/lib/fake-clock.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { passInSteps, storageSuite } from '../suites/storage-suite.ts'

storageSuite('memory storage', async () => {
  const clock = new FakeClock()
  const storage = new MemoryStorage({ clock })
  return {
    storage,
    prefix: '/registry/',
    pass: (ms) => passInSteps(clock, ms),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  }
})
